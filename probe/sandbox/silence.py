"""A TCP port that never answers a SYN, without privileges."""

import socket
from contextlib import suppress
from types import TracebackType
from typing import Self

BACKLOG = 128
FILLERS = 2
"""``listen(0)`` leaves room for one connection; the next is the one that the kernel leaves hanging."""


class Silence:
    """Keeps the accept queue of a bound socket full: the kernel drops every further SYN.

    ``heal`` lets the port answer from then on. Leaving closes the fillers, not the port.
    """

    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound
        self._fillers: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._bound.listen(0)
        for _ in range(FILLERS):
            filler = socket.socket(self._bound.family, socket.SOCK_STREAM)
            self._fillers.append(filler)
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(self._bound.getsockname())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._empty()

    @property
    def filler_ports(self) -> frozenset[int]:
        """Local ports of the fillers: whoever else sends SYNs here is a visitor."""
        return frozenset(filler.getsockname()[1] for filler in self._fillers)

    def heal(self) -> None:
        """Make room; SYNs that the kernel sends again get through."""
        self._bound.listen(BACKLOG)
        self._empty()

    def _empty(self) -> None:
        while self._fillers:
            self._fillers.pop().close()
