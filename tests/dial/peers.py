"""The other side of a connection, as bad as it can be: real sockets on loopback, in threads of their own."""

import contextlib
import secrets
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from probe.dial.clock import Deadline, Trace
from probe.dial.failures import as_failure
from probe.dial.stream import Stream
from probe.model.words import Failure
from probe.sandbox.certificates import Authority, client_signer, make_authority, write_server_certificate
from probe.sandbox.listener import Listener
from probe.sandbox.packets import error_response, message
from probe.sandbox.server_proxy import proxy_context
from probe.sandbox.silence import Silence
from probe.sandbox.streams import TlsStream

Serve = Callable[[socket.socket], None]
Address = tuple[str, int]

BUDGET_S = 0.25
GRACE_S = 0.1
"""What a stage may take beyond its budget."""
DRIP_S = 0.02
PEER_S = 5.0
"""No peer waits longer for its client: a test that goes wrong ends all the same."""


@contextlib.contextmanager
def bounded_by(seconds: float) -> Iterator[None]:
    """What runs inside ends within that many seconds and the grace."""
    begun = time.monotonic()
    try:
        yield
    finally:
        taken = time.monotonic() - begun
        assert taken <= seconds + GRACE_S, f"{taken:.3f} s, with {seconds} s allowed"


def trace(budget_s: float = 10.0) -> Trace:
    return Trace(origin_ns=time.monotonic_ns(), budget_s=budget_s)


def failure_of(call: Callable[..., object], *arguments: object) -> Failure:
    """What the call's exception says of the other side: it must fail, and not by our own fault."""
    raised: Exception | None = None
    try:
        call(*arguments)
    except Exception as error:
        raised = error
    known = as_failure(raised) if raised else None
    assert known is not None, f"not a failure: {raised!r}"
    return known.failure


def bound(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    listener = socket.socket()
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def bound_to_3307() -> socket.socket:
    """The server proxy's port at a loopback address of our own."""
    while True:
        host = f"127.{200 + secrets.randbelow(50)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
        with contextlib.suppress(OSError):
            return bound(host, 3307)


@contextlib.contextmanager
def peer(serve: Serve, listening: socket.socket | None = None) -> Iterator[Address]:
    """A server that does this to every connection."""

    def patient(client: socket.socket) -> None:
        client.settimeout(PEER_S)
        serve(client)

    with Listener(listening or bound(), patient) as listener:
        yield listener.host, listener.port


@contextlib.contextmanager
def unix_stream_to(serve: Serve, budget_s: float = BUDGET_S) -> Iterator[Stream]:
    """A stream of ours to a Unix socket whose other end has done that, and is gone, before we begin."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    stream = Stream(ours, Deadline.after(budget_s))
    with theirs:
        serve(theirs)
    try:
        yield stream
    finally:
        stream.close()


@contextlib.contextmanager
def blackhole() -> Iterator[Address]:
    """A port that answers no SYN."""
    with bound() as listening, Silence(listening):
        host, port = listening.getsockname()
        yield host, port


@contextlib.contextmanager
def refusing() -> Iterator[Address]:
    """A port that nobody listens on, and nobody else can take."""
    with bound() as listening:
        host, port = listening.getsockname()
        yield host, port


@contextlib.contextmanager
def stream_to(serve: Serve, budget_s: float = BUDGET_S) -> Iterator[Stream]:
    """A stream of ours to such a server."""
    with peer(serve) as address:
        stream = Stream(socket.create_connection(address, timeout=PEER_S), Deadline.after(budget_s))
        try:
            yield stream
        finally:
            stream.close()


def silent(client: socket.socket) -> None:
    while client.recv(65536):
        pass


def says(octets: bytes, then: Serve = silent) -> Serve:
    """Sends this at once, whatever the client says."""

    def serve(client: socket.socket) -> None:
        client.sendall(octets)
        then(client)

    return serve


def answers(*flights: bytes, then: Serve = silent) -> Serve:
    """Each time the client says something, the next of these; an empty one is a silence."""

    def serve(client: socket.socket) -> None:
        for flight in flights:
            client.recv(65536)
            client.sendall(flight)
        then(client)

    return serve


def closes(client: socket.socket) -> None:
    """In good order: nothing that was sent stays unread."""
    client.shutdown(socket.SHUT_WR)
    silent(client)


def resets(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def drips(octets: bytes = b"", filler: bytes = b"\0") -> Serve:
    """These bytes, then one byte each 20 ms for ever."""

    def serve(client: socket.socket) -> None:
        client.sendall(octets)
        while True:
            client.sendall(filler)
            time.sleep(DRIP_S)

    return serve


def floods(octets: bytes, before: bytes = b"") -> Serve:
    """These bytes as fast as they are taken, for ever."""
    block = octets * (1 + 65536 // len(octets))

    def serve(client: socket.socket) -> None:
        client.sendall(before)
        while True:
            client.sendall(block)

    return serve


def after(received: int, serve: Serve) -> Serve:
    """Does that after so many flights of the client."""
    return answers(*[b""] * received, then=serve)


# TLS


@cache
def authority() -> Authority:
    return make_authority("Tests' Server CA")


def certificate(folder: Path, signer: Authority | None = None) -> Path:
    path = folder / "server.pem"
    write_server_certificate(signer or authority(), name="p:i", address="127.0.0.1", path=path)
    return path


def server_context(*, client_certificate: bool = False, signer: Authority | None = None) -> ssl.SSLContext:
    """Of the server proxy where a client certificate is wanted, of PostgreSQL's own port otherwise."""
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        path = certificate(Path(folder), signer)
        if client_certificate:
            return proxy_context(path, client_ca_pem=authority().pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def sign(public_key_pem: str) -> str:
    return client_signer(authority())(public_key_pem)


class TlsPeer(TlsStream):
    """The server's side; what the client sent right behind its handshake is the first to be received."""

    _early = b""

    def handshake(self, *, alerts: bool = True) -> bytes:
        self._early = super().handshake(alerts=alerts)
        return self._early

    def receive(self) -> bytes | None:
        early, self._early = self._early, b""
        return early or super().receive()


def in_tls(serve: Callable[[TlsPeer], None], context: ssl.SSLContext) -> Serve:
    """Shakes hands, then does that; a client that it does not like gets an alert."""

    def shake(client: socket.socket) -> None:
        tls = TlsPeer(client, context)
        try:
            tls.handshake()
        except ssl.SSLError:
            closes(client)
            return
        serve(tls)

    return shake


def says_in_tls(*flights: bytes, then: Serve = silent) -> Callable[[TlsPeer], None]:
    """The same as ``answers``, inside TLS."""

    def serve(tls: TlsPeer) -> None:
        for flight in flights:
            while tls.receive() == b"":
                pass
            tls.send(flight)
        then(tls.raw)

    return serve


# PostgreSQL

AUTHENTICATION_OK = message(b"R", struct.pack("!i", 0))
READY = message(b"Z", b"I")
BACKEND_KEY = message(b"K", struct.pack("!ii", 4711, 42))
VERSION = message(b"S", b"server_version\x0016.4\0")
LOGGED_IN = AUTHENTICATION_OK + VERSION + BACKEND_KEY + READY
ONE_ROW = (
    message(b"T", b"\x00\x01?column?\0" + struct.pack("!ihihih", 0, 0, 23, 4, -1, 0))
    + message(b"D", struct.pack("!hi", 1, 1) + b"1")
    + message(b"C", b"SELECT 1\0")
    + READY
)


def error(sqlstate: str, text: str = "said so", **fields: str) -> bytes:
    """An ErrorResponse."""
    if not fields:
        return error_response(sqlstate, text)
    parts = {"S": "FATAL", "C": sqlstate, "M": text} | fields
    return message(b"E", b"".join(f"{code}{value}\0".encode() for code, value in parts.items()) + b"\0")


def asks_for(method: int, body: bytes = b"") -> bytes:
    """An authentication request."""
    return message(b"R", struct.pack("!i", method) + body)
