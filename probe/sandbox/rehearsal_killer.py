"""Kills the process in which the probe rehearses the application's start-up."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

PROCESSES = Path("/proc")
COMMAND = frozenset({b"probe.rehearsal", b"startup"})
POLL_S = 0.02
LIFE_S = 0.1


class RehearsalKiller:
    """Looks in a thread for such processes of a process group, and kills each once it has lived 0.1 s."""

    def __init__(self, *, process_group: int) -> None:
        self._process_group = process_group
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rehearsal killer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._leaving.wait(POLL_S):
            for pid in _members(self._process_group):
                with suppress(OSError):  # it has ended meanwhile
                    self._kill_rehearsal(pid)

    def _kill_rehearsal(self, pid: int) -> None:
        process = os.pidfd_open(pid)  # from here on the number cannot become somebody else's
        try:
            if _is_rehearsal(pid) and not self._leaving.wait(LIFE_S):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        finally:
            os.close(process)


def cannot_watch_processes() -> str | None:
    """Say why this machine shows no process to kill, or None."""
    return None if (PROCESSES / "self" / "cmdline").exists() else "no /proc: only Linux has it"


def _members(process_group: int) -> Iterator[int]:
    for folder in PROCESSES.iterdir():
        with suppress(ValueError, OSError):  # no process, or one that has ended meanwhile
            if os.getpgid(int(folder.name)) == process_group:
                yield int(folder.name)


def _is_rehearsal(pid: int) -> bool:
    return set((PROCESSES / str(pid) / "cmdline").read_bytes().split(b"\0")) >= COMMAND
