"""The application's own way in, with its own stack, in a process of its own that can be killed."""
