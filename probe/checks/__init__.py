"""One file a check: the only code that touches the system under test, and judges nothing."""
