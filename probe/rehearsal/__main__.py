"""The child: ``python -m probe.rehearsal ROLE FD``, its request on standard input, its events to FD."""

import faulthandler
import importlib
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from probe.rehearsal.messages import Commands, Reporter

ROLES = {
    "startup": "probe.rehearsal.startup",
    "load": "probe.rehearsal.load",
}
"""Role -> module, imported late; its ``play(request, reporter, commands)`` returns the exit code."""

EXIT_CRASHED = 70
OURS_TO_IGNORE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Play = Callable[[Any, Reporter, Commands], int]


def main(role: str, fd: int) -> int:
    """Play the role and return its exit code; a crash says why on standard error."""
    for number in OURS_TO_IGNORE:  # they reach the whole process group; the parent decides what ends us
        signal.signal(number, signal.SIG_IGN)
    os.set_inheritable(fd, False)
    faulthandler.enable()
    try:
        play: Play = importlib.import_module(ROLES[role]).play
        request = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent, over its own pipe
        return play(request, Reporter(fd), Commands(sys.stdin.buffer))
    except BaseException:  # the last words, whatever it was; the exit code says the rest
        traceback.print_exc()
        return EXIT_CRASHED


if __name__ == "__main__":
    code = main(sys.argv[1], int(sys.argv[2]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # not by way of the interpreter's end: a thread that hangs could hold it up
