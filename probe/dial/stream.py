"""A byte stream whose every wait ends at the deadline of the stage under way, plain or TLS."""

import contextlib
import socket
import ssl

from probe.dial.clock import Deadline
from probe.dial.failures import stage_failure
from probe.model.words import Failure

CHUNK_BYTES = 65536
MAX_RECEIVED_BYTES = 4 * 1024 * 1024
"""What a stream takes in all: a server cannot make the probe grow."""

TLS_RECORD_TYPES = frozenset({0x14, 0x15, 0x16, 0x17})


class Stream:
    """A connected socket; set ``deadline`` at the start of each stage."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self.deadline = deadline
        self.received_bytes = 0
        self.first_bytes = b""
        """The first few bytes that came: evidence when they are not what was expected."""

    def send(self, octets: bytes) -> None:
        """Send all of it. Raises OSError, TimeoutError."""
        self._connection.settimeout(self.deadline.left_s())
        self._connection.sendall(octets)

    def receive(self) -> bytes:
        """The next bytes, at least one. Raises StageFailure (closed), OSError, TimeoutError."""
        self._connection.settimeout(self.deadline.left_s())
        octets = self._connection.recv(CHUNK_BYTES)
        if not octets:
            message = f"closed by the other side after {self.received_bytes} bytes"
            raise stage_failure(Failure.CLOSED, message)
        self.received_bytes += len(octets)
        self.first_bytes = (self.first_bytes + octets)[:32]
        if self.received_bytes > MAX_RECEIVED_BYTES:
            raise stage_failure(Failure.PROTOCOL, f"more than {MAX_RECEIVED_BYTES} bytes came")
        return octets

    def close(self) -> None:
        """Close at once; never fails."""
        with contextlib.suppress(OSError):
            self._connection.close()


class TlsStream:
    """TLS over a stream, driven by hand so that each wait has our deadline and each byte is seen."""

    def __init__(self, stream: Stream, context: ssl.SSLContext, server_hostname: str | None) -> None:
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    @property
    def deadline(self) -> Deadline:
        """The stage's deadline."""
        return self._stream.deadline

    @deadline.setter
    def deadline(self, deadline: Deadline) -> None:
        self._stream.deadline = deadline

    def handshake(self) -> None:
        """Shake hands. Raises StageFailure, ssl.SSLError, OSError, TimeoutError."""
        received_before = self._stream.received_bytes
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed(first=self._stream.received_bytes == received_before)
            except ssl.SSLError:
                with contextlib.suppress(OSError):  # our alert tells the server why; it may be gone
                    self._flush()
                raise
            else:
                self._flush()
                return

    def version(self) -> str | None:
        """The protocol, ``TLSv1.3``."""
        return self._tls.version()

    def cipher(self) -> str | None:
        """The cipher suite."""
        cipher = self._tls.cipher()
        return cipher[0] if cipher else None

    def server_certificate_der(self) -> bytes | None:
        """The server's certificate."""
        return self._tls.getpeercert(binary_form=True)

    def send(self, octets: bytes) -> None:
        """Send all of it. Raises OSError, TimeoutError."""
        self._tls.write(octets)
        self._flush()

    def receive(self) -> bytes:
        """The next bytes, at least one. Raises StageFailure, ssl.SSLError, OSError, TimeoutError."""
        while True:
            try:
                octets = self._tls.read(CHUNK_BYTES)
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            else:
                if octets:
                    return octets
                raise stage_failure(Failure.CLOSED, "TLS closed by the other side")

    def close(self) -> None:
        """Close at once; never fails."""
        self._stream.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._stream.send(self._outgoing.read())

    def _feed(self, *, first: bool = False) -> None:
        octets = self._stream.receive()
        if first and octets[0] not in TLS_RECORD_TYPES:
            raise stage_failure(Failure.NOT_TLS, f"expected TLS, got {octets[:32]!r}")
        self._incoming.write(octets)


AnyStream = Stream | TlsStream
