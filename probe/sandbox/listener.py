"""A TCP port and the threads that serve its connections."""

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

from probe.sandbox.silence import BACKLOG, Silence

MAX_SESSIONS = 200
JOIN_S = 5.0

PortState = Literal["open", "refused", "silent"]

Serve = Callable[[socket.socket], None]


class Listener:
    """Serves a bound socket from entering to leaving, one daemon thread a connection, 200 at most.

    ``serve`` owns the conversation and may raise ``OSError`` at any point of it: the connection is closed.
    When the listener leaves, its sockets are shut down, which ends every ``serve`` that waits on them, and
    ``stopping`` is set for those that wait on nothing.
    A ``refused`` port is bound but does not listen, so nobody else takes it; a ``silent`` one answers no SYN.
    """

    def __init__(self, bound: socket.socket, serve: Serve, *, state: PortState = "open") -> None:
        self.host, self.port = bound.getsockname()[:2]
        self.stopping = threading.Event()
        self._bound = bound
        self._serve = serve
        self._silence = Silence(bound) if state == "silent" else None
        self._refused = state == "refused"
        self._accepting: threading.Thread | None = None
        self._sessions: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._wake_reading, self._wake_writing = socket.socketpair()

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"{self.host}:{self.port}"

    @property
    def sessions(self) -> int:
        """Connections that are being served."""
        with self._lock:
            return len(self._sessions)

    @property
    def filler_ports(self) -> frozenset[int]:
        """Local ports of our own connections that keep a silent port silent."""
        return self._silence.filler_ports if self._silence else frozenset()

    def __enter__(self) -> Self:
        if self._silence is not None:
            self._silence.__enter__()
        elif not self._refused:
            self._bound.listen(BACKLOG)
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        self.stopping.set()
        if self._silence is not None:
            self._silence.__exit__(kind, error, trace)
        with self._lock:
            sessions = dict(self._sessions)
        for client in sessions.values():
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in sessions:
            thread.join(JOIN_S)
        self._wake_reading.close()
        self._wake_writing.close()

    def heal(self) -> None:
        """Let a silent port answer."""
        if self._silence is not None:
            self._silence.heal()
            self._start()

    def refuse(self) -> None:
        """Close the port for good; connections that are open stay so."""
        if self._accepting is not None:
            self._wake_writing.send(b"\0")
            self._accepting.join(JOIN_S)
            self._accepting = None
        self._bound.close()

    def _start(self) -> None:
        self._bound.setblocking(False)
        self._accepting = threading.Thread(target=self._accept, name=f"accept {self.address}", daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._bound, selectors.EVENT_READ)
            selector.register(self._wake_reading, selectors.EVENT_READ)
            while all(key.fileobj is self._bound for key, _ in selector.select()):
                with suppress(OSError):  # gone again before it was accepted
                    self._admit(self._bound.accept()[0])

    def _admit(self, client: socket.socket) -> None:
        client.setblocking(True)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=self._session, args=(client,), daemon=True)
        with self._lock:
            full = len(self._sessions) >= MAX_SESSIONS
            if not full:
                self._sessions[thread] = client
        if full:
            client.close()
        else:
            thread.start()

    def _session(self, client: socket.socket) -> None:
        try:
            with client, suppress(OSError):
                self._serve(client)
        finally:
            with self._lock:
                del self._sessions[threading.current_thread()]
