"""Silent ports that begin to answer, a while after somebody first knocked."""

import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from probe.sandbox.listener import Listener

POLL_S = 0.01
KERNEL_TABLE = Path("/proc/net/tcp")
SYN_SENT = "02"
BLIND_WAIT_S = 1.0
"""How long a visitor takes to its first connection, where the kernel does not show it."""


class Healing:
    """Waits in a thread for the first SYN to one of the ports, then ``after_s``, then heals them all."""

    def __init__(
        self, listeners: Sequence[Listener], *, after_s: float, kernel_table: Path = KERNEL_TABLE
    ) -> None:
        self._listeners = listeners
        self._kernel_table = kernel_table
        self._after_s = after_s
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="healing", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._thread.join()

    def _run(self) -> None:
        self._await_visitor()
        if not self._leaving.wait(self._after_s):
            for listener in self._listeners:
                listener.heal()

    def _await_visitor(self) -> None:
        if not self._kernel_table.exists():
            self._leaving.wait(BLIND_WAIT_S)
            return
        ours = {listener.port for listener in self._listeners}
        fillers = {port for listener in self._listeners for port in listener.filler_ports}
        host = self._listeners[0].host
        while not self._leaving.wait(POLL_S):
            if _knocks(self._kernel_table.read_text(), host, ours, except_from=fillers):
                return


def _knocks(table: str, host: str, ports: set[int], *, except_from: set[int]) -> bool:
    """Tell whether the kernel is sending SYNs to one of the ports of ``host``."""
    number = int.from_bytes(bytes(int(part) for part in host.split(".")), "little")
    for line in table.splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        remote_host, remote_port = (int(part, 16) for part in remote.split(":"))
        local_port = int(local.split(":")[1], 16)
        visitor = state == SYN_SENT and local_port not in except_from
        if visitor and remote_host == number and remote_port in ports:
            return True
    return False
