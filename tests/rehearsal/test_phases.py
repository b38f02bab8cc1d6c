"""Each phase by itself, against the other side as bad as it can be."""

import base64
import gc
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as File
from typing import Any

import pytest

from probe.dial.failures import StageFailure
from probe.model.application import Application, Cache, PhaseKind, Startup
from probe.model.rehearsal import PhaseOutcome, PhaseRecord
from probe.model.words import Failure, Path, SkipReason
from probe.rehearsal.act import Act
from probe.rehearsal.kit import assemble
from probe.rehearsal.messages import Reporter
from probe.rehearsal.phases import PHASES
from probe.rehearsal.phases.cache import Bounded
from probe.rehearsal.phases.exchange import MAX_BODY_BYTES, Answer, shown
from probe.rehearsal.phases.services import unwell
from probe.rehearsal.phases.websocket import MAGIC
from probe.sandbox.certificates import make_authority
from probe.sandbox.child_environ import refused_credentials
from probe.sandbox.environment import Environment
from probe.sandbox.neighbour import redis_server
from tests.dial.peers import (
    Address,
    Serve,
    TlsPeer,
    after,
    answers,
    asks_for,
    authority,
    blackhole,
    closes,
    drips,
    error,
    floods,
    in_tls,
    peer,
    refusing,
    resets,
    says,
    server_context,
    silent,
)
from tests.dial.token_server import TokenServer, use_account
from tests.rehearsal.rehearsing import CACHE_PASSWORD, PASSWORD, alone, phase, request, sandbox_request, told

INIT, DEPENDENCIES, DATABASE = PhaseKind.INIT, PhaseKind.DEPENDENCIES, PhaseKind.DATABASE
CACHE, SERVICES, WEBSOCKET = PhaseKind.CACHE, PhaseKind.SERVICES, PhaseKind.WEBSOCKET
COMPLETED, FAILED, TIMED_OUT = PhaseOutcome.COMPLETED, PhaseOutcome.FAILED, PhaseOutcome.TIMED_OUT
BUDGET_S = 0.4


pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def stock_sockets_are_gone() -> Iterator[None]:
    """pg8000 leaves a socket open where a login fails: here, not in the test that happens to come next."""
    yield
    for thread in threading.enumerate():
        if thread.name in set(PhaseKind):
            thread.join(10)
    gc.collect()


def steps(record: PhaseRecord) -> list[str]:
    return [step.name for step in record.steps]


def failed(record: PhaseRecord, failure: Failure) -> bool:
    """Whether it ended like this, and its last step says so too."""
    assert (record.outcome, record.failure) == (FAILED, failure), record
    assert record.steps[-1].failure is failure
    assert record.error
    return True


def timed_out(record: PhaseRecord, budget_s: float = BUDGET_S) -> bool:
    assert (record.outcome, record.failure) == (TIMED_OUT, Failure.TIMEOUT), record
    assert record.span
    assert record.steps[-1].failure is Failure.TIMEOUT
    return budget_s - 0.1 <= record.span.duration_s < budget_s + 0.5


# init


def test_init_is_done_where_nothing_of_google_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    assert alone(INIT, request()).outcome is COMPLETED


def test_init_reads_the_credentials_file_that_the_environment_promises(
    monkeypatch: pytest.MonkeyPatch, tmp_path: File
) -> None:
    asked = request(path=Path.CONNECTOR)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    assert alone(INIT, asked).outcome is COMPLETED
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    record = alone(INIT, asked)
    assert failed(record, Failure.CREDENTIALS_MISSING)
    assert record.error
    assert "key.json, which cannot be read: No such file" in record.error.message
    (tmp_path / "key.json").write_text("{}")
    assert alone(INIT, asked).outcome is COMPLETED


# dependencies


def test_without_secrets_and_google_there_is_nothing_to_depend_on() -> None:
    record = alone(DEPENDENCIES, request())
    assert (record.outcome, record.skip_reason) == (PhaseOutcome.SKIPPED, SkipReason.NOT_CONFIGURED)
    assert record.span is None


def test_a_missing_secret_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERE", "the-value-of-a-secret")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("ABSENT", raising=False)
    startup = Startup(secrets=("THERE", "EMPTY", "ABSENT"))
    record = alone(DEPENDENCIES, request(startup=startup))
    assert failed(record, Failure.SECRET_MISSING)
    assert record.missing == ("EMPTY", "ABSENT")
    assert "the-value" not in str(record)
    assert alone(DEPENDENCIES, request(startup=Startup(secrets=("THERE",)))).outcome is COMPLETED


def test_the_target_s_own_password_is_a_secret_too() -> None:
    target = replace(request().target, password_env="DB_PASSWORD")
    record = alone(DEPENDENCIES, request(target=target, password=None))
    assert (record.failure, record.missing) == (Failure.SECRET_MISSING, ("DB_PASSWORD",))
    assert alone(DEPENDENCIES, request(target=target)).outcome is COMPLETED


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: File) -> Iterator[None]:
    """Credentials in a file, and a server that gives tokens for them."""
    key = refused_credentials(tmp_path, "http://127.0.0.1:9/token")
    with TokenServer() as tokens:
        use_account(monkeypatch, key, tmp_path / "key.json", tokens)
        yield


@pytest.mark.usefixtures("account")
def test_the_admin_api_tells_the_address_and_with_iam_a_login_token(healthy: Environment) -> None:
    asked = sandbox_request(healthy)
    target = replace(asked.target, iam_auth=True, private_ip="", password_env="")
    for path in (Path.CONNECTOR, Path.PRIVATE_IP):
        record = alone(DEPENDENCIES, replace(asked, target=target, path=path))
        assert record.outcome is COMPLETED, record
        assert record.endpoint == asked.sqladmin_endpoint
        assert steps(record) == ["admin_api"]


@pytest.mark.usefixtures("account")
def test_the_admin_api_s_refusal_is_the_dialler_s_word() -> None:
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}"
    with peer(answers(head)) as (host, port):
        asked = request(path=Path.CONNECTOR, sqladmin_endpoint=f"http://{host}:{port}")
        record = alone(DEPENDENCIES, asked)
    assert failed(record, Failure.FORBIDDEN)
    assert record.error
    assert record.error.http_status == 403


@pytest.mark.usefixtures("account")
def test_a_silent_admin_api_times_out() -> None:
    with peer(silent) as (host, port):
        asked = request(path=Path.CONNECTOR, sqladmin_endpoint=f"http://{host}:{port}")
        assert timed_out(alone(DEPENDENCIES, asked, BUDGET_S))


# database


def of_database(address: Address, budget_s: float = 30.0, **target: Any) -> PhaseRecord:
    host, port = address
    asked = request(target=replace(request().target, private_ip=host, port=port, **target))
    return alone(DATABASE, asked, budget_s)


@pytest.mark.parametrize("tls", ["disable", "require"])
@pytest.mark.parametrize("path", [Path.PRIVATE_IP, Path.SOCKET])
def test_the_engine_connects_queries_and_finds_the_tables(healthy: Environment, path: Path, tls: Any) -> None:
    asked = sandbox_request(healthy, path=path)
    tables = (*asked.startup.required_tables, "pg_catalog.pg_class", "information_schema.tables")
    startup = replace(asked.startup, required_tables=tables)
    asked = replace(asked, target=replace(asked.target, tls=tls), startup=startup)
    record = alone(DATABASE, asked)
    assert record.outcome is COMPLETED, record
    assert steps(record) == ["connect", "first_query", "schema_check"]
    assert all(step.finished and step.failure is None for step in record.steps)


def test_the_slot_is_free_again_when_the_phase_is_over(healthy: Environment) -> None:
    asked = replace(sandbox_request(healthy, path=Path.PRIVATE_IP), run_id="slot")
    assert alone(DATABASE, asked).outcome is COMPLETED
    assert healthy.postgres
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'probe/slot'"
    end = time.monotonic() + 5
    while (held := healthy.postgres.execute(query)[-1]) != [0] and time.monotonic() < end:
        time.sleep(0.02)
    assert list(held) in ([0], [[0]])


def test_a_missing_table_is_named_as_it_was_written(healthy: Environment) -> None:
    startup = Startup(required_tables=("pg_class", "pg_catalog.pg_class", "no_such", "other.pg_class"))
    record = alone(DATABASE, sandbox_request(healthy, path=Path.PRIVATE_IP, startup=startup))
    assert failed(record, Failure.TABLE_MISSING)
    assert record.missing == ("pg_class", "no_such", "other.pg_class")
    assert record.steps[-1].name == "schema_check"


def test_without_required_tables_there_is_no_schema_check(healthy: Environment) -> None:
    record = alone(DATABASE, sandbox_request(healthy, path=Path.SOCKET, startup=Startup()))
    assert steps(record) == ["connect", "first_query"]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (error("28P01", 'password authentication failed for user "probe"'), Failure.PASSWORD_REJECTED),
        (error("3D000", 'database "x" does not exist'), Failure.DATABASE_MISSING),
        (error("53300", "sorry, too many clients already"), Failure.SLOTS_EXHAUSTED),
        (error("53300", "too many connections for role"), Failure.ROLE_LIMIT),
        (error("57P03", "the database system is starting up"), Failure.STARTING_UP),
        (error("57014", "canceling statement due to statement timeout"), Failure.TIMEOUT),
        (error("57014", "canceling statement due to user request"), Failure.SQL_ERROR),
    ],
)
def test_postgresql_s_own_words_decide(answer: bytes, failure: Failure) -> None:
    with peer(answers(answer)) as address:
        record = of_database(address)
    assert failed(record, failure)
    assert record.endpoint == f"{address[0]}:{address[1]}"


@pytest.mark.parametrize(
    ("serve", "failure"), [(closes, Failure.CLOSED), (answers(b"", then=resets), Failure.RESET)]
)
def test_a_server_that_leaves_is_told(serve: Serve, failure: Failure) -> None:
    with peer(serve) as address:
        assert of_database(address).failure in {failure, Failure.CLOSED}


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"R\0\0\0\x08\0\0\0\x07", Failure.AUTHENTICATION_UNSUPPORTED),
        (b"R\0\0\0\x05\0", Failure.PROTOCOL),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Failure.TIMEOUT),
    ],
)
def test_a_server_that_speaks_something_else_is_told(answer: bytes, failure: Failure) -> None:
    with peer(answers(answer)) as address:
        assert of_database(address, 1.0).failure is failure


def test_a_byte_that_is_no_answer_to_the_ssl_request_is_not_the_protocol() -> None:
    with peer(answers(b"\xff")) as address:
        assert failed(of_database(address, tls="require"), Failure.PROTOCOL)


def test_nobody_there_is_refused() -> None:
    with refusing() as address:
        assert failed(of_database(address), Failure.REFUSED)


def test_a_server_without_tls_declines_it() -> None:
    with peer(answers(b"N")) as address:
        assert failed(of_database(address, tls="require"), Failure.TLS_DECLINED)


def test_a_foreign_certificate_is_told(tmp_path: File, healthy: Environment) -> None:
    (tmp_path / "ca.pem").write_text(make_authority("Somebody else").pem)
    asked = sandbox_request(healthy, path=Path.PRIVATE_IP)
    target = replace(asked.target, tls="verify-ca", server_ca=str(tmp_path / "ca.pem"))
    assert failed(alone(DATABASE, replace(asked, target=target)), Failure.SERVER_CERTIFICATE)


def test_a_missing_socket_is_told(tmp_path: File) -> None:
    target = replace(request().target, socket_dir=str(tmp_path))
    record = alone(DATABASE, request(path=Path.SOCKET, target=target))
    assert failed(record, Failure.SOCKET_MISSING)
    assert record.endpoint == f"{tmp_path}/p:r:i/.s.PGSQL.9"


LOGGED_IN = asks_for(0) + b"Z\0\0\0\x05I"


def test_a_server_that_is_silent_after_the_login_is_told_at_the_first_query() -> None:
    with peer(answers(LOGGED_IN)) as (host, port):
        target = replace(request().target, private_ip=host, port=port)
        application = Application(environment="test", initialization_timeout_s=1.5)
        record = alone(DATABASE, request(target=target, application=application))
    assert timed_out(record, 1.5)
    assert steps(record) == ["connect", "first_query"]
    connect, first_query = record.steps
    assert (connect.finished, connect.failure, first_query.failure) == (True, None, Failure.TIMEOUT)
    assert connect.span.ended_ns <= first_query.span.started_ns


def test_a_server_that_leaves_after_the_login_is_told_at_the_first_query() -> None:
    with peer(answers(LOGGED_IN, then=after(1, closes))) as address:
        record = of_database(address)
    assert record.failure in {Failure.CLOSED, Failure.RESET}, record
    assert [(step.name, step.failure) for step in record.steps] == [
        ("connect", None),
        ("first_query", record.failure),
    ]


def test_a_login_that_comes_too_late_is_given_back() -> None:
    heard: list[bytes] = []
    gone = threading.Event()

    def late(client: socket.socket) -> None:
        client.recv(65536)
        time.sleep(1.0)
        client.sendall(LOGGED_IN)
        heard.append(client.recv(65536))
        gone.set()

    with peer(late) as address:
        record = of_database(address, BUDGET_S)
        assert gone.wait(10)
    assert (record.outcome, steps(record)) == (TIMED_OUT, ["connect"])
    assert heard == [b"X\0\0\0\x04"]


@pytest.mark.parametrize(("initialisation_s", "schema_s"), [(7.0, 3.0), (3.0, 7.0)])
def test_the_probe_s_own_statement_timeout_is_longer_than_any_step(
    initialisation_s: float, schema_s: float
) -> None:
    seen: list[bytes] = []

    def listen(client: socket.socket) -> None:
        seen.append(client.recv(65536))
        client.sendall(error("28P01"))
        silent(client)

    with peer(listen) as (host, port):
        application = Application(initialization_timeout_s=initialisation_s, table_setup_timeout_s=schema_s)
        target = replace(request().target, private_ip=host, port=port)
        alone(DATABASE, request(target=target, application=application))
    assert b"statement_timeout\x007000\0" in seen[0]


def test_a_silent_server_times_out_at_the_first_budget_that_ends() -> None:
    with peer(silent) as (host, port):
        target = replace(request().target, private_ip=host, port=port)
        application = Application(environment="test", initialization_timeout_s=BUDGET_S)
        early = alone(DATABASE, request(target=target, application=application))
        assert timed_out(early)
        assert early.steps[-1].budget_s == pytest.approx(BUDGET_S)
        assert not early.steps[-1].finished
        late = alone(DATABASE, request(target=target), BUDGET_S)
        assert timed_out(late)
        assert late.steps[-1].budget_s == pytest.approx(BUDGET_S, abs=0.05)


def test_parameters_that_the_server_does_not_know_are_left_out_and_said() -> None:
    def old(client: socket.socket) -> None:
        if b"statement_timeout" in client.recv(65536):
            client.sendall(error("08P01", "unsupported startup parameter: statement_timeout"))
        else:
            client.sendall(error("28P01", "this far"))
        silent(client)

    with peer(old) as address:
        assert failed(of_database(address), Failure.PASSWORD_REJECTED)


@pytest.mark.usefixtures("account")
def test_without_the_phase_before_the_database_phase_asks_for_the_address(healthy: Environment) -> None:
    asked = sandbox_request(healthy, path=Path.PRIVATE_IP)
    record = alone(DATABASE, replace(asked, target=replace(asked.target, private_ip="")))
    assert record.outcome is COMPLETED, record
    assert record.endpoint == f"{healthy.host}:{asked.target.port}"


@pytest.mark.usefixtures("account")
def test_an_iam_login_shows_the_token_and_not_the_whole_name() -> None:
    seen: list[bytes] = []

    def listen(client: socket.socket) -> None:
        seen.append(client.recv(65536))
        client.sendall(b"R\0\0\0\x08\0\0\0\x03")
        seen.append(client.recv(65536))
        client.sendall(error("28P01"))
        silent(client)

    with peer(listen) as (host, port):
        target = replace(
            request().target, private_ip=host, port=port, iam_auth=True, user="me@p.iam.gserviceaccount.com"
        )
        assert failed(alone(DATABASE, request(target=target)), Failure.PASSWORD_REJECTED)
    assert b"user\0me@p.iam\0" in seen[0]
    assert PASSWORD.encode() not in seen[1]


def test_a_server_that_echoes_the_password_is_cleaned() -> None:
    def echo(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"R\0\0\0\x08\0\0\0\x03")
        client.sendall(error("28P01", f"no: {client.recv(65536)[5:-1].decode()}"))
        silent(client)

    with peer(echo) as address:
        record = of_database(address)
    assert failed(record, Failure.PASSWORD_REJECTED)
    assert "***" in str(record)
    assert "correct" not in str(record)


# cache


def of_cache(
    address: Address, budget_s: float = 30.0, *, password: str | None = None, **cache: Any
) -> PhaseRecord:
    settings = Cache(address=f"{address[0]}:{address[1]}", **cache)
    return alone(CACHE, request(startup=Startup(cache=settings), cache_password=password), budget_s)


def test_without_an_address_the_cache_is_skipped() -> None:
    assert alone(CACHE, request()).skip_reason is SkipReason.NOT_CONFIGURED


def test_the_cache_takes_the_password_and_answers_the_ping() -> None:
    with peer(redis_server(CACHE_PASSWORD)) as address:
        record = of_cache(address, password=CACHE_PASSWORD)
        assert record.outcome is COMPLETED, record
        assert steps(record) == ["connect", "auth", "ping"]
        assert record.endpoint == f"{address[0]}:{address[1]}"
        for password in ("wrong-password", None):
            wrong = of_cache(address, password=password)
            assert failed(wrong, Failure.PASSWORD_REJECTED)
            assert "wrong-password" not in str(wrong)
    with peer(redis_server()) as address:
        assert steps(of_cache(address)) == ["connect", "ping"]


@pytest.mark.parametrize(
    ("serve", "failure"),
    [
        (closes, Failure.CLOSED),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Failure.PROTOCOL),
        (answers(b"+NO\r\n"), Failure.PROTOCOL),
        (answers(b"*1\r\n$4\r\nPONG\r\n"), Failure.PROTOCOL),
        (answers(b"$abc\r\n"), Failure.PROTOCOL),
        (answers(b"*1\r\n" * 5000), Failure.PROTOCOL),
        (answers(b"-ERR not today\r\n"), Failure.UNHEALTHY),
        (answers(b"-LOADING Redis is loading the dataset in memory\r\n"), Failure.STARTING_UP),
        (answers(b"-NOPERM this user has no permissions\r\n"), Failure.NOT_AUTHORISED),
        (answers(b"-ERR max number of clients reached\r\n"), Failure.SLOTS_EXHAUSTED),
        (floods(b"$1000000000\r\nxxxx"), Failure.PROTOCOL),
        (floods(b"+x"), Failure.PROTOCOL),
    ],
)
def test_what_a_cache_does_wrong_is_told(serve: Serve, failure: Failure) -> None:
    with peer(serve) as address:
        assert failed(of_cache(address), failure)


def test_what_a_cache_answers_is_quoted_as_text() -> None:
    with peer(answers(b"+NO\x1b[2J\r\n")) as address:
        record = of_cache(address)
    assert record.error
    assert record.error.message == "the cache answered NO [2J to PING"


def test_the_bound_on_a_cache_holds_however_its_client_reads() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        bounded = Bounded(ours)
        theirs.sendall(b"x" * 40_000)
        theirs.sendall(b"x" * 40_000)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(StageFailure):
            read_to_the_end(bounded)


def read_to_the_end(connection: Bounded) -> None:
    buffer = bytearray(1000)
    while connection.recv_into(buffer):
        pass


def test_a_cache_that_is_not_there_is_told() -> None:
    with refusing() as address:
        assert failed(of_cache(address), Failure.REFUSED)


@pytest.mark.parametrize("serve", [silent, drips(b"+")])
def test_a_cache_that_does_not_come_to_the_point_times_out(serve: Serve) -> None:
    with peer(serve) as address:
        record = of_cache(address, BUDGET_S)
    assert timed_out(record)
    assert steps(record) == ["connect", "ping"]


def test_a_cache_behind_a_blackhole_times_out_in_its_connect() -> None:
    with blackhole() as address:
        record = of_cache(address, BUDGET_S)
    assert timed_out(record)
    assert steps(record) == ["connect"]


def test_a_cache_over_tls(tmp_path: File) -> None:
    def pong(tls: TlsPeer) -> None:
        while tls.receive() == b"":
            pass
        tls.send(b"+PONG\r\n")
        silent(tls.raw)

    (tmp_path / "ca.pem").write_text(authority().pem)
    with peer(in_tls(pong, server_context())) as address:
        assert of_cache(address, tls=True).outcome is COMPLETED
        assert of_cache(address, tls=True, server_ca=str(tmp_path / "ca.pem")).outcome is COMPLETED
    with peer(redis_server()) as address:
        assert of_cache(address, tls=True).failure in {Failure.NOT_TLS, Failure.CLOSED}


# services


def http(status: int, body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def of_services(address: Address, budget_s: float = 30.0, path: str = "/health") -> PhaseRecord:
    url = f"http://{address[0]}:{address[1]}{path}"
    return alone(SERVICES, request(startup=Startup(services=(url,))), budget_s)


def test_without_addresses_services_and_finalize_are_skipped() -> None:
    for kind in (SERVICES, WEBSOCKET, PhaseKind.FINALIZE):
        assert alone(kind, request()).skip_reason is SkipReason.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("status", "body", "well"),
    [
        (200, b'{"status": "healthy"}', True),
        (200, b'{"status": "OK", "more": 1}', True),
        (200, b'{"uptime": 5}', True),
        (200, b"[1]", True),
        (200, b"Ok.\n", True),
        (200, b"", True),
        (200, b"[" * 100_000, True),
        (200, b'{"status": "degraded"}', False),
        (200, b'{"status": null}', False),
        (204, b"", True),
        (201, b'{"status": "Healthy"}', True),
        (201, b'{"status": "down"}', False),
        (302, b"", False),
        (503, b'{"status": "healthy"}', False),
    ],
)
def test_a_health_answer_is_2xx_and_a_good_status_where_it_names_one(
    status: int, body: bytes, *, well: bool
) -> None:
    complaint = unwell(Answer(status, body))
    assert (complaint is None) == well
    if complaint:
        assert complaint.http_status == status
        assert f"HTTP {status}" in complaint.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "HTTP 503: no body"),
        (b"not today\r\n\x1b[31m\xff", "HTTP 503: not today [31m\ufffd"),
        (b"n" * 500, "HTTP 503: " + "n" * 64),
    ],
)
def test_what_a_service_says_is_quoted_as_text(body: bytes, said: str) -> None:
    complaint = unwell(Answer(503, body))
    assert complaint
    assert complaint.message == said


@pytest.mark.parametrize("kind", ["application/json", "Application/Health+JSON; charset=utf-8"])
def test_json_that_goes_on_behind_the_bound_is_not_well(kind: str) -> None:
    body = b'{"pad": "' + b"x" * MAX_BODY_BYTES + b'", "status": "down"}'
    with peer(answers(http(200, body, kind))) as address:
        record = of_services(address)
    assert failed(record, Failure.UNHEALTHY)
    assert record.error
    assert f"its body of more than {MAX_BODY_BYTES} bytes was not read" in record.error.message
    with peer(answers(http(200, body, "text/plain"))) as address:
        assert of_services(address).outcome is COMPLETED


def test_json_as_long_as_the_bound_is_read() -> None:
    end = b'", "status": "ok"}'
    body = b'{"pad": "' + b"x" * (MAX_BODY_BYTES - 9 - len(end)) + end
    assert len(body) == MAX_BODY_BYTES
    with peer(answers(http(200, body))) as address:
        assert of_services(address).outcome is COMPLETED


def test_what_is_secret_in_the_environment_and_in_addresses_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("API_KEY", "key-of-the-api")
    for body in (b"bad key-of-the-api", b"no token=w0rd%2Fin-query", b"no w0rd/in-query", b"no pass:me-by"):
        with peer(answers(http(503, body))) as (host, port):
            url = f"http://me:pass%3Ame-by@{host}:{port}/health?token=w0rd%2Fin-query"
            asked = request(startup=Startup(services=(url,), secrets=("API_KEY", "NOT_SET")))
            record = alone(SERVICES, asked)
        assert failed(record, Failure.UNHEALTHY)
        assert record.error
        assert "***" in record.error.message
        assert not any(word in str(record) for word in ("key-of", "w0rd", "me-by"))


def test_each_service_is_a_step_and_the_first_that_is_not_well_ends_the_phase() -> None:
    with peer(answers(http(200, b"Ok.\n"))) as good, peer(answers(http(503, b"no" * 500))) as bad:
        urls = tuple(f"http://me:secret-word@{host}:{port}/?key=secret" for host, port in (good, bad, good))
        record = alone(SERVICES, request(startup=Startup(services=urls)))
    assert failed(record, Failure.UNHEALTHY)
    assert steps(record) == [f"http://{host}:{port}/" for host, port in (good, bad)]
    assert record.endpoint == record.steps[-1].name
    assert record.error
    assert len(record.error.message) < 200
    assert "secret" not in str(record)


@pytest.mark.parametrize(
    ("serve", "failure"),
    [
        (closes, Failure.CLOSED),
        (answers(b"", then=resets), Failure.RESET),
        (answers(b"220 mail ESMTP\r\n"), Failure.PROTOCOL),
    ],
)
def test_a_service_that_speaks_no_http_is_told(serve: Serve, failure: Failure) -> None:
    with peer(serve) as address:
        assert of_services(address).failure in {failure, Failure.CLOSED}


def test_a_service_that_is_not_there_is_told() -> None:
    with refusing() as address:
        assert failed(of_services(address), Failure.REFUSED)


@pytest.mark.parametrize(
    "serve", [silent, answers(b"", then=drips(b"HTTP/1.1 200 OK\r\nX: ", b"x")), drips(b"HTTP/1.1 200", b"x")]
)
def test_a_service_that_drips_does_not_outlive_the_budget(serve: Serve) -> None:
    with peer(serve) as address:
        assert timed_out(of_services(address, BUDGET_S))


def test_a_service_that_never_stops_is_heard_as_far_as_the_bound() -> None:
    with peer(floods(b"x", b"HTTP/1.1 200 OK\r\n\r\n")) as address:
        assert of_services(address).outcome is COMPLETED


def test_one_health_request_has_a_budget_of_its_own() -> None:
    with peer(silent) as (host, port):
        asked = request(
            startup=Startup(health=f"http://{host}:{port}/health"),
            application=Application(health_check_timeout_s=BUDGET_S),
        )
        record = alone(PhaseKind.FINALIZE, asked)
    assert timed_out(record)
    assert steps(record) == ["health"]


def test_addresses_are_shown_without_what_may_be_secret() -> None:
    assert shown("https://user:word@host:8/a/b?token=x#y") == "https://host:8/a/b"


# websocket


def of_websocket(address: Address, budget_s: float = 30.0) -> PhaseRecord:
    url = f"ws://{address[0]}:{address[1]}/ws"
    return alone(WEBSOCKET, request(startup=Startup(websocket=url)), budget_s)


def test_a_real_handshake_completes(healthy: Environment) -> None:
    asked = sandbox_request(healthy)
    assert asked.startup.websocket
    record = alone(WEBSOCKET, asked)
    assert record.outcome is COMPLETED, record
    assert record.endpoint == asked.startup.websocket


@pytest.mark.parametrize("status", [400, 401, 403, 426])
def test_an_endpoint_that_refuses_in_proper_words_is_there(status: int) -> None:
    with peer(answers(http(status, b""))) as address:
        assert of_websocket(address).outcome is COMPLETED


@pytest.mark.parametrize("status", [200, 404, 503])
def test_any_other_answer_is_unhealthy(status: int) -> None:
    with peer(answers(http(status, b""))) as address:
        assert failed(of_websocket(address), Failure.UNHEALTHY)


def in_websocket(
    then: Serve, *, switch: bytes = b"Upgrade: WebSocket\r\nConnection: x, upgrade\r\n"
) -> Serve:
    """Answers a handshake as it should be, and then does that."""

    def serve(client: socket.socket) -> None:
        head = client.recv(65536)
        key = next(
            line.split(b": ")[1]
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())  # noqa: S324 - the protocol's own
        client.sendall(b"HTTP/1.1 101 X\r\n" + switch + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        then(client)

    return serve


def test_a_handshake_passes_and_costs_no_good_bye(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PHASES[WEBSOCKET].__globals__, "GOODBYE_S", 3.0)
    with peer(in_websocket(silent)) as address:
        record = of_websocket(address, 2.5)
    assert record.outcome is COMPLETED, record
    assert record.span
    assert record.span.duration_s < 2.5


@pytest.mark.parametrize("then", [closes, resets, floods(b"\x81\x7e\xff\xff")])
def test_whatever_happens_at_the_good_bye_the_handshake_has_passed(then: Serve) -> None:
    with peer(in_websocket(then)) as address:
        assert of_websocket(address).outcome is COMPLETED


def test_the_good_bye_is_said() -> None:
    heard: list[bytes] = []
    gone = threading.Event()

    def listen(client: socket.socket) -> None:
        while octets := client.recv(100):
            heard.append(octets)
        gone.set()

    with peer(in_websocket(listen)) as address:
        assert of_websocket(address).outcome is COMPLETED
        assert gone.wait(10)
    assert b"".join(heard) == b"\x88\x82\0\0\0\0\x03\xe8"


@pytest.mark.parametrize(
    "switch",
    [b"", b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n", b"Upgrade: h2c\r\nConnection: upgrade\r\n"],
)
def test_a_101_that_switches_to_no_websocket_is_not_the_protocol(switch: bytes) -> None:
    with peer(in_websocket(silent, switch=switch)) as address:
        record = of_websocket(address)
    assert failed(record, Failure.PROTOCOL)
    assert record.error
    assert record.error.http_status == 101


def test_a_switch_without_the_right_word_is_not_our_handshake() -> None:
    head = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n"
    with peer(answers(head)) as address:
        record = of_websocket(address)
    assert failed(record, Failure.UNHEALTHY)
    assert record.error
    assert "'no'" in record.error.message


def test_a_silent_websocket_times_out() -> None:
    with peer(silent) as address:
        assert timed_out(of_websocket(address, BUDGET_S))


# The probe's own fault


def test_what_nobody_knows_is_a_crash_with_a_bounded_and_clean_traceback() -> None:
    cache = Cache(address="127.0.0.1:not-a-port-correct-horse-battery")
    record = alone(CACHE, request(startup=Startup(cache=cache)))
    assert (record.outcome, record.failure) == (PhaseOutcome.CRASHED, None)
    assert not record.steps[-1].finished
    assert record.error
    assert "ValueError" in record.error.message
    assert "correct-horse" not in str(record)
    assert len(record.error.message) <= 2000


def test_a_phase_that_was_left_behind_begins_nothing_more() -> None:
    ended: list[BaseException] = []

    def work(act: Act) -> bool:
        act.begin("short", 0.1)
        time.sleep(0.4)
        try:
            act.begin("next")
        except TimeoutError as error:
            ended.append(error)
        return True

    only = phase(INIT)
    asked = request(startup=Startup(phases=(only,)))
    kit = assemble(asked)

    def tell(reporter: Reporter) -> None:
        Act(kit, only, reporter).play(work)
        time.sleep(0.6)

    (record,) = told(asked, tell).phases
    assert (record.outcome, steps(record)) == (TIMED_OUT, ["short"])
    assert [str(error) for error in ended] == ["left behind"]


def test_a_phase_without_time_times_out() -> None:
    record = alone(INIT, request(), 0.0)
    assert (record.outcome, record.steps) == (TIMED_OUT, ())
    assert record.error
    assert "init: not done within 0 s" in record.error.message
