"""The bounded, stage-by-stage way out: own sockets, own deadlines, nothing shared."""
