"""Both ends of a relayed connection, plain or TLS, under one shape: what came, what goes, how it ends."""

import socket
import ssl
import struct
import threading
from contextlib import suppress
from typing import Protocol

CHUNK_BYTES = 65536
DRAIN_S = 2.0
DRIP_INTERVAL_S = 0.05


class Stream(Protocol):
    """A connected byte stream. Every method may raise ``OSError``."""

    def fileno(self) -> int:
        """Return what a selector waits for."""

    def receive(self) -> bytes | None:
        """Wait for bytes and return all there are; None: the other side ended. May be empty."""

    def send(self, payload: bytes) -> None:
        """Send everything."""

    def finish(self) -> None:
        """Say in good order that nothing more will be sent."""

    @property
    def raw(self) -> socket.socket:
        """The socket underneath."""


class PlainStream:
    """Bytes as they are."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw

    def fileno(self) -> int:
        """Return the socket's."""
        return self.raw.fileno()

    def receive(self) -> bytes | None:
        """Return what came, None at the end."""
        return self.raw.recv(CHUNK_BYTES) or None

    def send(self, payload: bytes) -> None:
        """Send everything."""
        self.raw.sendall(payload)

    def finish(self) -> None:
        """Send FIN."""
        self.raw.shutdown(socket.SHUT_WR)


class TlsStream:
    """The server's side of TLS over memory buffers, so that what leaves is decided here, alerts included."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        self.raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ended = False
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def fileno(self) -> int:
        """Return the socket's."""
        return self.raw.fileno()

    def handshake(self, *, alerts: bool = True) -> bytes:
        """Complete it; return what the client sent right behind it.

        Raises ``ssl.SSLError`` when it fails; then the client has been told why if ``alerts``, else nothing.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                if alerts:
                    self._flush()
                raise
            else:
                self._flush()
                return self._decrypted()

    def receive(self) -> bytes | None:
        """Return what came, None at the end, empty while a record is incomplete."""
        try:
            self._feed()
        except ssl.SSLEOFError:
            return None
        received = self._decrypted()
        return None if self._ended and not received else received

    def send(self, payload: bytes) -> None:
        """Send everything."""
        self._tls.write(payload)
        self._flush()

    def finish(self) -> None:
        """Send close_notify and FIN."""
        with suppress(ssl.SSLError):  # it would like to read the client's answer too
            self._tls.unwrap()
        self._flush()
        self.raw.shutdown(socket.SHUT_WR)

    def _feed(self) -> None:
        received = self.raw.recv(CHUNK_BYTES)
        if not received:
            raise ssl.SSLEOFError
        self._incoming.write(received)

    def _flush(self) -> None:
        self.raw.sendall(self._outgoing.read())

    def _decrypted(self) -> bytes:
        plain = bytearray()
        try:
            while True:
                plain += self._tls.read(CHUNK_BYTES)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # the client's close_notify
            self._ended = True
        return bytes(plain)


def close_in_order(stream: Stream) -> None:
    """End the stream so that the other side sees an end, not a reset: nothing it sent may stay unread."""
    stream.finish()
    stream.raw.settimeout(DRAIN_S)
    swallow(stream.raw)


def reset(stream: Stream) -> None:
    """Send RST."""
    stream.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.raw.close()


def swallow(raw: socket.socket) -> None:
    """Read until the other side ends, and never answer."""
    while raw.recv(CHUNK_BYTES):
        pass


def drip(stream: Stream, stopping: threading.Event) -> None:
    """Send one byte each 50 ms until somebody has had enough."""
    while not stopping.wait(DRIP_INTERVAL_S):
        stream.send(b"\0")
