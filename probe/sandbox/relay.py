"""Bytes from one side to the other until either ends, with a look at what the client sends."""

import selectors
import socket
from collections.abc import Callable
from pathlib import Path

from probe.sandbox.streams import CHUNK_BYTES, PlainStream, Stream

CONNECT_S = 5.0

Intercept = Callable[[bytes], bytes | None]
"""What becomes of bytes from the client: the bytes to forward; None: the conversation is over."""


def relay(
    client: Stream, server: Stream, *, early: bytes = b"", intercept: Intercept = lambda sent: sent
) -> None:
    """Relay until either side ends or ``intercept`` says so. ``early`` came from the client before."""
    if early and not _forward(early, server, intercept):
        return
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ)
        selector.register(server, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if not _pass_on(key.fileobj is client, client, server, intercept):
                    return


def _pass_on(from_client: bool, client: Stream, server: Stream, intercept: Intercept) -> bool:
    received = client.receive() if from_client else server.receive()
    if received is None:
        return False
    if from_client:
        return _forward(received, server, intercept)
    client.send(received)
    return True


def _forward(sent: bytes, server: Stream, intercept: Intercept) -> bool:
    forwarded = intercept(sent)
    if forwarded is None:
        return False
    server.send(forwarded)
    return True


def ask(client: socket.socket, server: PlainStream, question: bytes) -> bytes:
    """Send ``question`` to the server and return its answer; empty when either side ends first."""
    server.send(question)
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ)
        selector.register(server, selectors.EVENT_READ)
        ready = {key.fileobj for key, _ in selector.select()}
    return server.raw.recv(CHUNK_BYTES) if server in ready else b""


def connect_unix(path: Path) -> socket.socket:
    """Connect to PostgreSQL's socket. Raises ``OSError`` when it is down."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(CONNECT_S)
        sock.connect(str(path))
        sock.settimeout(None)
    except OSError:
        sock.close()
        raise
    return sock
