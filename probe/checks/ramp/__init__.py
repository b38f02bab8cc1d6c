"""Filling a pool: what is asked, how far it may go, who watches, and when it stops."""
