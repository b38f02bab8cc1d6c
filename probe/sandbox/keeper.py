"""Outlives the sandbox by a moment, and cleans up behind one that was killed.

Run as ``python -m probe.sandbox.keeper FOLDER``, the leader of a process group that everything the sandbox
starts joins. Its standard input is a pipe whose other end the sandbox holds: when that end closes, the
sandbox has gone, however it went. A sandbox that ended in good order has removed FOLDER before.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

SHUTDOWN_S = 6.0
"""PostgreSQL itself kills children that ignore an immediate shutdown after 5 s."""

POLL_S = 0.02


def main(folder: Path) -> None:
    """Wait for the sandbox's end; remove the processes of this group and FOLDER if they are still there."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    if folder.exists():
        _clean(folder)


def _clean(folder: Path) -> None:
    # SIGQUIT is PostgreSQL's immediate shutdown, and it frees its shared memory; a stopped server has to wake
    # up first. The signals reach this process too, which ignores them.
    os.killpg(0, signal.SIGCONT)
    os.killpg(0, signal.SIGQUIT)
    end = time.monotonic() + SHUTDOWN_S
    while time.monotonic() < end and _lives(folder / "data" / "postmaster.pid"):
        time.sleep(POLL_S)
    while time.monotonic() < end and folder.exists():  # a dying initdb may still write into it
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(POLL_S)


def _lives(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text().split()[0]), 0)
    except (OSError, ValueError, IndexError):  # no such file, not written yet, or no such process
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
