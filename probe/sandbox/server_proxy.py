"""Cloud SQL's server proxy: mTLS on port 3307 in front of PostgreSQL, right or wrong."""

import socket
import ssl
from pathlib import Path
from types import TracebackType
from typing import Self

from probe.sandbox.listener import Listener, PortState
from probe.sandbox.relay import connect_unix, relay
from probe.sandbox.streams import CHUNK_BYTES, PlainStream, Stream, TlsStream, close_in_order, reset
from probe.sandbox.tampering import Moment, Tampering, act, interceptor

PORT = 3307


class ServerProxy:
    """Asks for a client certificate, then relays to PostgreSQL's socket, which it dials after the handshake.

    ``delay_s`` holds back every flight of the client. Without ``alerts`` a refused client certificate ends in
    a reset that says nothing.
    """

    def __init__(
        self,
        bound: socket.socket,
        *,
        context: ssl.SSLContext,
        upstream: Path,
        tampering: Tampering | None = None,
        delay_s: float = 0.0,
        alerts: bool = True,
        state: PortState = "open",
    ) -> None:
        self.listener = Listener(bound, self._serve, state=state)
        self._context = context
        self._upstream = upstream
        self._tampering = tampering
        self._delay_s = delay_s
        self._alerts = alerts

    def __enter__(self) -> Self:
        self.listener.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.listener.__exit__(kind, error, trace)

    def _serve(self, client: socket.socket) -> None:
        plain = PlainStream(client)
        if self._tampers(Moment.ACCEPT, plain):
            return
        if self._tampering and self._tampering.at is Moment.CLIENT_HELLO:
            client.recv(CHUNK_BYTES)
            self._tampers(Moment.CLIENT_HELLO, plain)
            return
        self._hold_back()
        tls = TlsStream(client, self._context)
        early = self._handshake(tls)
        if early is not None and not self._tampers(Moment.AFTER_TLS, tls):
            self._relay(tls, early)

    def _handshake(self, tls: TlsStream) -> bytes | None:
        """Return what came behind it; None: it failed, and the client knows as much as it shall."""
        try:
            return tls.handshake(alerts=self._alerts)
        except ssl.SSLError:
            plain = PlainStream(tls.raw)
            if self._alerts:
                close_in_order(plain)  # a reset would overtake the alert
            else:
                reset(plain)
            return None

    def _relay(self, tls: TlsStream, early: bytes) -> None:
        try:
            upstream = connect_unix(self._upstream)
        except OSError:
            close_in_order(tls)
            return
        with upstream:
            intercept = None
            if self._tampering is not None:
                intercept = interceptor(self._tampering, tls, self.listener.stopping)

            def pass_on(sent: bytes) -> bytes | None:
                self._hold_back()
                return intercept(sent) if intercept else sent

            relay(tls, PlainStream(upstream), early=early, intercept=pass_on)
        if tls.fileno() >= 0:
            close_in_order(tls)

    def _tampers(self, moment: Moment, stream: Stream) -> bool:
        if self._tampering is None or self._tampering.at is not moment:
            return False
        act(self._tampering, stream, self.listener.stopping)
        return True

    def _hold_back(self) -> None:
        if self._delay_s:
            self.listener.stopping.wait(self._delay_s)


def proxy_context(
    certificate: Path, *, client_ca_pem: str, maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLContext:
    """TLS 1.3, or ``maximum`` if that is older; a client certificate of the CA is required."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(cadata=client_ca_pem)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = maximum
    return context
