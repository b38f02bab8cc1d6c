"""Standard streams that may be closed, full, or read no longer: none of that changes an exit code."""

import contextlib
import os
import sys


def replace_closed() -> None:
    """Put nothing's file where a standard stream was closed by whoever started us.

    The three descriptors as well: a pipe that took one of their numbers would be lost in a child process.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def give_up_stdout(error: OSError) -> None:
    """Write no more to standard output; unless its reader simply left, say why on standard error."""
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            sys.stderr.write(f"error: standard output cannot be written: {error.strerror or error}\n")
    # Else the interpreter would flush the rest at its end, fail, and exit with a code of its own.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def flush_stdout() -> bool:
    """Whether everything that was written there has arrived, as far as this process can tell."""
    try:
        sys.stdout.flush()
    except OSError as error:
        give_up_stdout(error)
        return isinstance(error, BrokenPipeError)
    return True
