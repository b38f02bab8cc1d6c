"""Stages ``tls`` and ``proxy``: handshakes, and the one SSLRequest."""

import contextlib
import os
import ssl
import struct
import tempfile
from collections.abc import Iterator

from probe.dial.clock import Trace
from probe.dial.failures import stage_failure
from probe.dial.postgres import read_error_response
from probe.dial.stream import AnyStream, Stream, TlsStream
from probe.model.facts import ProxyFacts, TlsFacts
from probe.model.words import Failure, Stage

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
CURVE = "prime256v1"
"""What PostgreSQL takes by default: any other first offer costs a round trip more (HelloRetryRequest)."""


def connector_context(*, server_ca_pem: str, certificate_pem: str, key_pem: str) -> ssl.SSLContext:
    """As the Cloud SQL connectors do: TLS 1.3, the instance's CA, our certificate; not the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=server_ca_pem)
    with _as_file(key_pem + certificate_pem) as chain:
        context.load_cert_chain(chain)
    return context


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    """A file that only this process can read, since OpenSSL takes no key from memory; gone afterwards.

    In memory where Linux offers it: a container's file system may be read-only.
    """
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("chain"), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            yield file.name


def private_context(*, server_ca_pem: str | None, curve: str | None = CURVE) -> ssl.SSLContext:
    """For PostgreSQL's own port: ``require`` without a CA, ``verify-ca`` with one; never the name.

    ``curve`` None offers every curve, for a server that does not take the usual one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if curve is not None:
        context.set_ecdh_curve(curve)
    if server_ca_pem is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=server_ca_pem)
    return context


def handshake(trace: Trace, stream: Stream, context: ssl.SSLContext, host: str, budget_s: float) -> TlsStream:
    """TLS at once, as the server proxy wants it."""
    stream.deadline = trace.begin(Stage.TLS, budget_s)
    return _shake_hands(trace, stream, context, host)


def upgrade(trace: Trace, stream: Stream, context: ssl.SSLContext, host: str, budget_s: float) -> TlsStream:
    """PostgreSQL's own way: an SSLRequest in clear, then TLS. Raises StageFailure (tls_declined)."""
    stream.deadline = trace.begin(Stage.TLS, budget_s)
    answer = ssl_request(stream)
    if answer == "N":
        raise stage_failure(Failure.TLS_DECLINED, "the server answered N to the SSLRequest")
    if answer != "S":
        raise stage_failure(Failure.PROTOCOL, f"the server answered {answer!r} to the SSLRequest")
    return _shake_hands(trace, stream, context, host)


def _shake_hands(trace: Trace, stream: Stream, context: ssl.SSLContext, host: str) -> TlsStream:
    tls = TlsStream(stream, context, host)
    tls.handshake()
    trace.learn(TlsFacts(version=tls.version(), cipher=tls.cipher()))
    return tls


def ask_proxy(trace: Trace, tls: TlsStream, budget_s: float) -> None:
    """Stage ``proxy``: under TLS 1.3 the client is done before the server judges its certificate.

    One SSLRequest inside TLS makes the server's judgement, an alert, arrive here, instead of as a
    nameless network error in the login.
    """
    tls.deadline = trace.begin(Stage.PROXY, budget_s)
    answer = ssl_request(tls)
    trace.learn(ProxyFacts(answer=answer))
    if answer != "N":
        raise stage_failure(Failure.PROTOCOL, f"the server answered {answer!r} to the SSLRequest inside TLS")


def ssl_request(stream: AnyStream) -> str:
    """The one byte that answers. Raises StageFailure with the server's own error where it sends one."""
    stream.send(SSL_REQUEST)
    answer = stream.receive()
    if answer[:1] == b"E":
        raise read_error_response(stream, answer)
    if len(answer) > 1:
        raise stage_failure(Failure.PROTOCOL, f"expected one byte, got {answer[:32]!r}")
    return answer.decode("latin-1")
