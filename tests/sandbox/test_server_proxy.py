import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pg8000.dbapi
import pytest

from probe.sandbox.certificates import (
    Authority,
    ClientCertificate,
    client_signer,
    make_authority,
    write_server_certificate,
)
from probe.sandbox.cluster import create_cluster
from probe.sandbox.postgres import PostgresServer
from probe.sandbox.server_proxy import ServerProxy, proxy_context
from probe.sandbox.tampering import TAMPERINGS, Moment
from probe.sandbox.workspace import Workspace
from tests.sandbox.client import (
    BROKEN_OFF,
    PUBLIC_KEY_PEM,
    SSL_REQUEST,
    client_context,
    dial,
    select_one,
    sqlstate,
)

CLOSED = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""Pythons differ in which of the two they raise for an end within the handshake."""

PASSWORD = "secret"
AUTHORITY = make_authority("CA")
START_UP_BODY = struct.pack("!i", 196608) + b"user\0probe\0database\0netra\0\0"
START_UP = struct.pack("!i", len(START_UP_BODY) + 4) + START_UP_BODY
SILENCE_S = 0.3


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with Workspace() as workspace:
        cluster = create_cluster(
            workspace, socket_dirs=[workspace.folder("pg")], superuser_password="superuser"
        )
        with PostgresServer(cluster, process_group=workspace.process_group) as server:
            server.await_ready()
            server.execute(f"CREATE ROLE probe LOGIN PASSWORD '{PASSWORD}'", "CREATE DATABASE netra")
            yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    write_server_certificate(AUTHORITY, name="p:db", address="127.0.0.1", path=path)
    return path


Start = Callable[..., Any]


@pytest.fixture
def start(postgres: PostgresServer, certificate: Path) -> Start:
    @contextmanager
    def proxy(tampering: str | None = None, **changes: Any) -> Iterator[tuple[str, int]]:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            arguments = {
                "context": proxy_context(certificate, client_ca_pem=AUTHORITY.pem),
                "upstream": postgres.socket_path,
                "tampering": TAMPERINGS[tampering] if tampering else None,
                **changes,
            }
            with ServerProxy(bound, **arguments) as server:
                yield server.listener.host, server.listener.port

    return proxy


def _context(
    signer: Authority = AUTHORITY, variant: ClientCertificate = "valid", *, trusted: Authority = AUTHORITY
) -> ssl.SSLContext:
    return client_context(trusted.pem, client_signer(signer, variant)(PUBLIC_KEY_PEM))


def _answer(
    address: tuple[str, int], sent: bytes = SSL_REQUEST, *, context: ssl.SSLContext | None = None
) -> bytes:
    with dial(address, context or _context()) as tls:
        tls.settimeout(SILENCE_S)
        tls.sendall(sent)
        return tls.recv(65536)


def test_it_relays_to_postgresql(start: Start) -> None:
    with start() as address:
        assert _answer(address) == b"N"
        assert list(select_one(dial(address, _context()), PASSWORD)[0]) == [1]


def test_a_large_result_comes_whole(start: Start) -> None:
    with start() as address, dial(address, _context()) as tls:
        connection: Any = pg8000.dbapi.Connection(  # type: ignore[no-untyped-call]
            "probe", database="netra", password=PASSWORD, sock=tls, ssl_context=False
        )
        cursor = connection.cursor()
        cursor.execute("SELECT repeat('x', 5000000)")
        assert len(cursor.fetchone()[0]) == 5_000_000
        connection.close()


def test_a_client_without_a_certificate_is_refused(start: Start) -> None:
    with start() as address, pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        _answer(address, context=client_context(AUTHORITY.pem))


def test_it_closes_after_tls_while_postgresql_is_down(start: Start, tmp_path: Path) -> None:
    with start(upstream=tmp_path / "nobody") as address:
        assert _answer(address) == b""


@pytest.mark.parametrize(
    ("signer", "variant", "alert"),
    [
        (AUTHORITY, "expired", "CERTIFICATE_EXPIRED"),
        (make_authority("foreign"), "valid", "UNKNOWN_CA"),
        (AUTHORITY, "wrong-usage", "UNSUPPORTED_CERTIFICATE"),
    ],
)
def test_a_bad_client_certificate_is_answered_with_its_alert(
    start: Start, signer: Authority, variant: ClientCertificate, alert: str
) -> None:
    with start() as address, pytest.raises(ssl.SSLError, match=alert):
        _answer(address, context=_context(signer, variant))


def test_without_alerts_a_bad_client_certificate_is_answered_with_a_reset(start: Start) -> None:
    with start(alerts=False) as address, pytest.raises(BROKEN_OFF):
        _answer(address, context=_context(AUTHORITY, "expired"))


def test_a_certificate_of_another_authority_does_not_verify(start: Start) -> None:
    with start() as address, pytest.raises(ssl.SSLCertVerificationError):
        dial(address, _context(trusted=make_authority("other")))


def test_a_proxy_that_knows_tls_12_at_most_says_so_in_an_alert(start: Start, certificate: Path) -> None:
    old = proxy_context(certificate, client_ca_pem=AUTHORITY.pem, maximum=ssl.TLSVersion.TLSv1_2)
    with start(context=old) as address, pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        dial(address, _context())


@pytest.mark.parametrize(
    ("tampering", "error"),
    [
        ("reset-on-accept", (ConnectionResetError,)),
        ("closed-on-accept", CLOSED),
        ("tls-reset", (ConnectionResetError,)),
        ("tls-closed", CLOSED),
    ],
)
def test_a_handshake_is_broken_off(start: Start, tampering: str, error: tuple[type[Exception], ...]) -> None:
    with start(tampering) as address, pytest.raises(error):
        dial(address, _context())


def test_plain_text_is_no_tls(start: Start) -> None:
    with start("not-tls") as address, pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        dial(address, _context())


@pytest.mark.parametrize("tampering", ["tls-silent", "tls-drip"])
def test_a_handshake_never_ends(start: Start, tampering: str) -> None:
    with (
        start(tampering) as address,
        socket.create_connection(address, timeout=SILENCE_S) as raw,
        pytest.raises(TimeoutError),
    ):
        _context().wrap_socket(raw)


def test_the_drip_goes_on(start: Start) -> None:
    with start("tls-drip") as address, socket.create_connection(address, timeout=1) as raw:
        raw.sendall(b"hello")
        received = b""
        while len(received) < 8:
            received += raw.recv(100)
        assert received.startswith(b"\x16\x03\x03\x3f\xff\0\0")


def test_silence_after_tls(start: Start) -> None:
    with start("silent-after-tls") as address, pytest.raises(TimeoutError):
        _answer(address)


def test_an_end_after_tls(start: Start) -> None:
    with start("closed-after-tls") as address:
        assert _answer(address) == b""


def test_a_reset_after_tls(start: Start) -> None:
    with start("reset-after-tls") as address, pytest.raises(BROKEN_OFF):
        _answer(address)


@pytest.mark.parametrize("first", [SSL_REQUEST, START_UP])
def test_garbage_after_tls(start: Start, first: bytes) -> None:
    with start("garbage-after-tls") as address:
        assert _answer(address, first)[:1] not in b"SNERZ"


def test_an_sslrequest_is_refused_and_a_login_without_it_works(start: Start) -> None:
    with start("sslrequest-refused") as address:
        with pytest.raises(BROKEN_OFF):
            _answer(address)
        assert list(select_one(dial(address, _context()), PASSWORD)[0]) == [1]


@pytest.mark.parametrize(
    ("tampering", "beginning"),
    [
        ("login-closed", b""),
        ("login-garbage", b"\xff"),
        ("login-huge-message", b"R\x7f\xff\xff\xff"),
        ("auth-unsupported", b"R\0\0\0\x08\0\0\0\x07"),
        ("login-drip", b"E\0\0\x7f\xff"),
    ],
)
def test_a_login_is_answered_wrongly_after_an_sslrequest_that_was_not(
    start: Start, tampering: str, beginning: bytes
) -> None:
    with start(tampering) as address, dial(address, _context()) as tls:
        tls.sendall(SSL_REQUEST)
        assert tls.recv(1) == b"N"
        tls.sendall(START_UP)
        answer = tls.recv(100)
        assert answer == beginning if not beginning else answer.startswith(beginning)


def test_a_login_is_reset(start: Start) -> None:
    with start("login-reset") as address, pytest.raises(BROKEN_OFF):
        _answer(address, START_UP)


def test_a_login_is_silent(start: Start) -> None:
    with start("login-silent") as address, pytest.raises(TimeoutError):
        _answer(address, START_UP)


def test_a_login_error_is_reported(start: Start) -> None:
    with start("login-error") as address:
        assert sqlstate(dial(address, _context()), PASSWORD)[0] == "58030"


def test_a_start_up_parameter_is_refused_and_a_login_without_it_works(start: Start) -> None:
    parameters = {"idle_session_timeout": "5s"}
    with start("parameters-refused") as address:
        refused = sqlstate(dial(address, _context()), PASSWORD, startup_params=parameters)
        assert refused[0] == "42704"
        assert list(select_one(dial(address, _context()), PASSWORD)[0]) == [1]


def test_a_query_is_answered_with_an_error_and_the_session_goes_on(start: Start) -> None:
    with start("query-error") as address:
        assert sqlstate(dial(address, _context()), PASSWORD)[0] == "XX000"


@pytest.mark.parametrize("tampering", ["query-closed", "session-terminated"])
def test_a_query_ends_the_session(start: Start, tampering: str) -> None:
    with start(tampering) as address, pytest.raises(pg8000.dbapi.InterfaceError):
        select_one(dial(address, _context()), PASSWORD)


def test_a_query_is_answered_with_what_is_no_message(start: Start) -> None:
    with start("query-garbage") as address, pytest.raises(KeyError, match="xff"):
        select_one(dial(address, _context()), PASSWORD)


def test_a_query_is_silent(start: Start) -> None:
    with start("query-silent") as address:
        tls = dial(address, _context())
        tls.settimeout(SILENCE_S)
        with pytest.raises((TimeoutError, pg8000.dbapi.InterfaceError)):
            select_one(tls, PASSWORD)


def test_a_delay_holds_back_every_exchange(start: Start) -> None:
    with start(delay_s=0.05) as address:
        started = time.monotonic()
        select_one(dial(address, _context()), PASSWORD)
        assert time.monotonic() - started > 5 * 0.05  # TLS, three for the login, the query


def test_every_tampering_before_postgresql_is_reached_needs_no_server(start: Start, tmp_path: Path) -> None:
    for name, tampering in TAMPERINGS.items():
        if tampering.at is Moment.ACCEPT:
            with start(name, upstream=tmp_path / "nobody") as address, pytest.raises(OSError, match=r".*"):
                dial(address, _context())
