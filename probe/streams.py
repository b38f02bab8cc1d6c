"""Standard streams that may be closed, full, or read no longer: none of that changes an exit code."""

import contextlib
import os
import sys


def replace_closed() -> None:
    """Put nothing's file where a standard stream was closed by whoever started us."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if sys.stdout is None:
        sys.stdout = os.fdopen(nowhere, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(nowhere, "w", encoding="utf-8", closefd=False)


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
