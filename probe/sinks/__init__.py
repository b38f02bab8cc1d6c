"""One file a sink: a pure render and a thin write."""
