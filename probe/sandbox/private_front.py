"""PostgreSQL's own port at the private address, with TLS as Cloud SQL has it."""

import socket
import ssl
from pathlib import Path
from types import TracebackType
from typing import Self

from probe.sandbox.listener import Listener, PortState
from probe.sandbox.packets import HEADER_BYTES, SSL_REQUEST
from probe.sandbox.relay import ask, connect_unix, relay
from probe.sandbox.streams import PlainStream, TlsStream, close_in_order, reset

PORT = 5432


class PrivateFront:
    """Relays to PostgreSQL's socket, and adds the TLS that the embedded server was built without.

    An SSLRequest goes to PostgreSQL first, so that a server that is silent is silent here too; its ``N`` is
    turned into ``S`` if there is a ``context``.
    """

    def __init__(
        self,
        bound: socket.socket,
        *,
        upstream: Path,
        context: ssl.SSLContext | None,
        state: PortState = "open",
    ) -> None:
        self.listener = Listener(bound, self._serve, state=state)
        self._upstream = upstream
        self._context = context

    def __enter__(self) -> Self:
        self.listener.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.listener.__exit__(kind, error, trace)

    def _serve(self, client: socket.socket) -> None:
        plain = PlainStream(client)
        try:
            upstream = connect_unix(self._upstream)
        except OSError:
            reset(plain)
            return
        with upstream:
            self._converse(plain, PlainStream(upstream))
        close_in_order(plain)

    def _converse(self, client: PlainStream, server: PlainStream) -> None:
        first = client.raw.recv(HEADER_BYTES, socket.MSG_WAITALL)
        if first != SSL_REQUEST:
            relay(client, server, early=first)
            return
        answer = ask(client.raw, server, first)
        if answer != b"N" or self._context is None:
            client.send(answer)
            relay(client, server)
            return
        client.send(b"S")
        self._converse_in_tls(TlsStream(client.raw, self._context), server)

    def _converse_in_tls(self, tls: TlsStream, server: PlainStream) -> None:
        try:
            early = tls.handshake()
        except ssl.SSLError:
            return
        relay(tls, server, early=early)


def private_context(certificate: Path) -> ssl.SSLContext:
    """TLS 1.2 or later; no client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
