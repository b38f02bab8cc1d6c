import base64
import hashlib
import socket
import struct
import time

import pytest
from pg8000.exceptions import InterfaceError

from probe.dial.clock import Trace
from probe.dial.failures import StageFailure, as_failure
from probe.dial.login import GOODBYE_S, MAX_VERSION, QUERY, Session, login
from probe.dial.stream import CHUNK_BYTES, MAX_RECEIVED_BYTES, AnyStream
from probe.model.facts import LoginFacts, QueryFacts
from probe.model.words import Failure, Outcome, Stage
from probe.sandbox.packets import message
from tests.dial.peers import (
    AUTHENTICATION_OK,
    BUDGET_S,
    LOGGED_IN,
    ONE_ROW,
    READY,
    Serve,
    after,
    answers,
    asks_for,
    bounded_by,
    closes,
    drips,
    error,
    failure_of,
    floods,
    resets,
    says,
    silent,
    stream_to,
    trace,
    unix_stream_to,
)

USER, PASSWORD = "probe", "correct-horse"
UNSUPPORTED = [2, 4, 6, 7, 8, 9, 42]


def log_in(
    stream: AnyStream,
    attempt: Trace | None = None,
    *,
    user: str = USER,
    password: str = PASSWORD,
    budget_s: float = BUDGET_S,
    parameters: dict[str, str] | None = None,
) -> Session:
    return login(
        attempt or trace(),
        stream,
        user=user,
        password=password,
        database="netra",
        application_name="probe/run",
        parameters=parameters or {},
        budget_s=budget_s,
    )


def login_failure(serve: Serve) -> Failure:
    with stream_to(serve) as stream, bounded_by(BUDGET_S):
        return failure_of(log_in, stream)


def query(stream: AnyStream, attempt: Trace) -> None:
    with log_in(stream, attempt, budget_s=2) as session:
        session.query(attempt, BUDGET_S)


def query_failure(serve: Serve) -> Failure:
    with stream_to(after(0, answers(LOGGED_IN, then=serve))) as stream, bounded_by(BUDGET_S):
        return failure_of(query, stream, trace())


# What goes well


def test_a_login_and_a_query_take_one_flight_each_and_say_good_bye() -> None:
    heard: list[bytes] = []

    def serve(client: socket.socket) -> None:
        for flight in (LOGGED_IN, ONE_ROW):
            heard.append(client.recv(65536))
            client.sendall(flight)
        heard.extend(client.recv(65536) for _ in range(2))

    attempt = trace()
    with stream_to(serve) as stream:
        query(stream, attempt)
        attempt.finish()
    assert [record.outcome for record in attempt.records()] == [Outcome.PASSED] * 2
    facts = [record.facts for record in attempt.records()]
    assert facts == [
        LoginFacts(user=USER, database="netra", server_version="16.4", backend_pid=4711),
        QueryFacts(statement=QUERY),
    ]
    assert heard[1:] == [message(b"Q", QUERY.encode() + b"\0"), message(b"X", b""), b""]


def test_the_start_up_packet_carries_the_parameters() -> None:
    heard: list[bytes] = []

    def serve(client: socket.socket) -> None:
        heard.append(client.recv(65536))
        answers(then=silent)(client)

    with stream_to(serve) as stream:
        failure_of(lambda: log_in(stream, parameters={"statement_timeout": "5000"}))
    (packet,) = heard
    assert struct.unpack("!ii", packet[:8]) == (len(packet), 196608)
    fields = packet[8:].rstrip(b"\0").split(b"\0")
    assert dict(zip(fields[::2], fields[1::2], strict=True)) == {
        b"user": b"probe",
        b"database": b"netra",
        b"application_name": b"probe/run",
        b"statement_timeout": b"5000",
    }


@pytest.mark.parametrize(
    ("flights", "sent"),
    [
        ((LOGGED_IN,), []),
        ((asks_for(3), LOGGED_IN), [PASSWORD.encode()]),
        (
            (asks_for(5, b"salt"), LOGGED_IN),
            [
                b"md5"
                + hashlib.md5(  # noqa: S324 - PostgreSQL's own
                    hashlib.md5((PASSWORD + USER).encode()).hexdigest().encode() + b"salt"  # noqa: S324
                )
                .hexdigest()
                .encode()
            ],
        ),
    ],
)
def test_no_password_a_clear_one_and_an_md5_one_are_given_as_asked(
    flights: tuple[bytes, ...], sent: list[bytes]
) -> None:
    heard: list[bytes] = []

    def serve(client: socket.socket) -> None:
        for flight in flights:
            heard.append(client.recv(65536))
            client.sendall(flight)

    with stream_to(serve) as stream:
        log_in(stream)
    assert heard[1:] == [message(b"p", word + b"\0") for word in sent]


@pytest.mark.parametrize(("key", "pid"), [(b"", None), (b"\0", None), (struct.pack("!ii", 7, 8), 7)])
def test_a_pooler_that_names_no_server_process_is_no_failure(key: bytes, pid: int | None) -> None:
    attempt = trace()
    with stream_to(answers(AUTHENTICATION_OK + message(b"K", key) + READY)) as stream:
        log_in(stream, attempt)
    assert attempt.records()[-1].facts == LoginFacts(user=USER, database="netra", backend_pid=pid)


def test_a_version_without_end_is_cut() -> None:
    attempt = trace()
    endless = message(b"S", b"server_version\0" + b"9" * 60000 + b"\0")
    with stream_to(answers(AUTHENTICATION_OK + endless + READY), budget_s=2) as stream:
        log_in(stream, attempt)
    facts = attempt.records()[-1].facts
    assert isinstance(facts, LoginFacts)
    assert facts.server_version == "9" * MAX_VERSION


# Time and size


@pytest.mark.parametrize(
    "serve",
    [
        silent,
        drips(),
        drips(b"E\0\0\x40\0"),
        after(1, drips(b"R\0\0\0\x08\0\0\0\0")),
        answers(AUTHENTICATION_OK),
        answers(asks_for(3)),
        answers(asks_for(10, b"SCRAM-SHA-256\0\0")),
        answers(b"N\0\x0f\xff\xff"),
    ],
)
def test_no_silence_and_no_drip_outlives_the_logins_budget(serve: Serve) -> None:
    assert login_failure(serve) in {Failure.TIMEOUT, Failure.PROTOCOL}


FLOODS = [
    message(b"N", b""),
    message(b"N", b"SNOTICE\0Mfar too long\0\0"),
    message(b"S", b"name\0value\0"),
    message(b"S", b"n" * 60000 + b"\0v\0"),
    message(b"A", struct.pack("!i", 1) + b"channel\0payload\0"),
    message(b"K", b"12345678"),
]


@pytest.mark.parametrize("flood", FLOODS)
def test_no_flood_outlives_the_logins_budget_or_bound(flood: bytes) -> None:
    with stream_to(floods(flood)) as stream, bounded_by(BUDGET_S):
        assert failure_of(log_in, stream) in {Failure.PROTOCOL, Failure.TIMEOUT}
        assert stream.received_bytes <= MAX_RECEIVED_BYTES + CHUNK_BYTES


ROWS = message(b"T", b"\0\0")
ROW = message(b"D", b"\0\0")


@pytest.mark.parametrize(
    "serve", [silent, drips(), after(1, drips(ONE_ROW[:20])), answers(ONE_ROW[: -len(READY)])]
)
def test_no_silence_and_no_drip_outlives_the_querys_budget(serve: Serve) -> None:
    assert query_failure(serve) in {Failure.TIMEOUT, Failure.PROTOCOL}


@pytest.mark.parametrize("flood", [*FLOODS, ROW, error("XX000"), message(b"C", b"SELECT 1\0")])
def test_no_flood_outlives_the_querys_budget_or_bound(flood: bytes) -> None:
    outcomes = {Failure.PROTOCOL, Failure.TIMEOUT, Failure.SQL_ERROR}  # of errors without end, what they say
    assert query_failure(floods(flood, before=ROWS)) in outcomes


def test_a_server_that_takes_no_good_bye_holds_us_no_longer_than_its_bound() -> None:
    with stream_to(answers(LOGGED_IN)) as stream:
        session = log_in(stream)
        with bounded_by(GOODBYE_S), session:
            pass


# What the server says


@pytest.mark.parametrize("method", UNSUPPORTED)
def test_a_method_that_we_do_not_speak_is_unsupported(method: int) -> None:
    assert login_failure(answers(asks_for(method))) is Failure.AUTHENTICATION_UNSUPPORTED


@pytest.mark.parametrize(
    "offered", [b"SCRAM-NEW\0\0", b"OAUTHBEARER\0\0", b"SCRAM-SHA-256-PLUS\0\0", b"A\0SCRAM-SHA-256\0\0"]
)
def test_mechanisms_that_we_do_not_speak_are_unsupported(offered: bytes) -> None:
    assert login_failure(answers(asks_for(10, offered))) is Failure.AUTHENTICATION_UNSUPPORTED


@pytest.mark.parametrize(("user", "password"), [("probe", "a\tb"), ("probe", "\U0001f511"), ("a\tb", "x")])
def test_a_name_or_password_that_no_scram_can_carry_is_our_own_fault(user: str, password: str) -> None:
    with (
        stream_to(answers(asks_for(10, b"SCRAM-SHA-256\0\0"))) as stream,
        pytest.raises(RuntimeError, match="cannot be sent") as caught,
    ):
        log_in(stream, user=user, password=password)
    assert as_failure(caught.value) is None
    assert password not in str(caught.value)


CANNOT_FORK = b"Ecould not fork new process for connection: Cannot allocate memory\n\0"


@pytest.mark.parametrize("then", [silent, closes, resets])
def test_a_server_that_cannot_fork_is_told_in_its_own_words(then: Serve) -> None:
    with stream_to(answers(CANNOT_FORK, then=then)) as stream, pytest.raises(StageFailure) as caught:
        log_in(stream)
    assert caught.value.failure is Failure.SQL_ERROR
    error = caught.value.error
    assert (error.message, error.sqlstate) == (CANNOT_FORK[1:-2].decode(), None)


def scram(final: str, *, nonce: str = "") -> Serve:
    """A server that does not know the password."""

    def serve(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(asks_for(10, b"SCRAM-SHA-256\0\0"))
        first = client.recv(65536)
        ours = nonce or first.decode("latin-1").partition(",r=")[2]
        salt = base64.b64encode(b"salt" * 4).decode()
        client.sendall(asks_for(11, f"r={ours}server,s={salt},i=4096".encode()))
        client.recv(65536)
        client.sendall(asks_for(12, final.encode()) + LOGGED_IN)
        silent(client)

    return serve


@pytest.mark.parametrize(
    "serve",
    [
        scram("v=" + base64.b64encode(b"x" * 32).decode()),
        scram("e=other-error"),
        scram("nonsense"),
        scram("v=x", nonce="not-ours"),
        answers(asks_for(11, b"r=x,s=eA==,i=1")),
        answers(asks_for(12, b"v=x")),
        answers(asks_for(10, b"\xff\0\0")),
    ],
)
def test_a_scram_exchange_that_proves_nothing_is_not_the_protocol(serve: Serve) -> None:
    assert login_failure(serve) is Failure.PROTOCOL


@pytest.mark.parametrize(
    "octets",
    [
        b"\xff\xfe\xfd\xfc this is not PostgreSQL",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"R\x7f\xff\xff\xff",
        b"R\xff\xff\xff\xff\0",
        b"R\0\0\0\x03",
        message(b"R", b"\0"),
        message(b"R", struct.pack("!i", 5) + b"x"),
        message(b"v", b"\0\0\0\0"),
        message(b"G", b"\0\0\0"),
        message(b"H", b"\0\0\0"),
        message(b"d", b"copied"),
        message(b"A", b"\0"),
        message(b"T", b"\0\x09"),
        message(b"S", b"\xff\xff\0x\0"),
        message(b"S", b"client_encoding\0no-such-encoding\0") + message(b"S", b"a\0b\0"),
        message(b"E", b"\xffbroken\0\0"),
    ],
)
def test_what_is_no_answer_to_a_login_is_not_the_protocol(octets: bytes) -> None:
    assert login_failure(answers(octets)) is Failure.PROTOCOL


@pytest.mark.parametrize(
    "octets",
    [
        message(b"d", b"copied") + READY,
        message(b"G", b"\0\0\0") + READY,
        message(b"D", b"\0\x01\xff") + READY,
        ROWS[:-2] + b"\0\x01" + READY,
        ONE_ROW[: -len(READY) - len(message(b"C", b"SELECT 1\0"))].replace(b"\x011", b"\x01x") + READY,
        b"junk!",
    ],
)
def test_what_is_no_answer_to_a_query_is_not_the_protocol(octets: bytes) -> None:
    assert query_failure(answers(octets)) is Failure.PROTOCOL


@pytest.mark.parametrize(
    ("octets", "failure"),
    [
        (error("28P01", 'password authentication failed for user "probe"'), Failure.PASSWORD_REJECTED),
        (error("53300", "zu viele", R="InitProcess"), Failure.SLOTS_EXHAUSTED),
        (error("42704", "unrecognized configuration parameter"), Failure.PARAMETER_REFUSED),
        (AUTHENTICATION_OK + error("3D000", 'database "netra" does not exist'), Failure.DATABASE_MISSING),
    ],
)
@pytest.mark.parametrize("then", [silent, closes, resets])
def test_a_login_that_is_refused_says_why_however_the_server_leaves(
    octets: bytes, failure: Failure, then: Serve
) -> None:
    assert login_failure(answers(octets, then=then)) is failure


@pytest.mark.parametrize(
    ("serve", "failure"), [(answers(b"", then=closes), Failure.CLOSED), (after(1, resets), Failure.RESET)]
)
def test_a_login_that_is_broken_off_says_how(serve: Serve, failure: Failure) -> None:
    assert login_failure(serve) is failure


@pytest.mark.parametrize("then", [closes, after(0, resets), silent])
def test_a_terminated_session_is_told_from_one_that_broke_off(then: Serve) -> None:
    last_words = error("57P01", "terminating connection due to administrator command")
    assert query_failure(answers(last_words, then=then)) is Failure.TERMINATED


@pytest.mark.parametrize(
    ("serve", "failure"),
    [
        (answers(b"", then=closes), Failure.CLOSED),
        (after(1, resets), Failure.RESET),
        (answers(error("XX000", "cache lookup failed") + READY), Failure.SQL_ERROR),
        (answers(error("42501", "permission denied") + READY), Failure.NOT_AUTHORISED),
    ],
)
def test_a_query_that_fails_says_how(serve: Serve, failure: Failure) -> None:
    assert query_failure(serve) is failure


def test_an_error_that_waits_on_a_unix_socket_is_read_though_its_sender_is_gone() -> None:
    with unix_stream_to(lambda server: server.sendall(error("53300", "sorry, too many clients"))) as stream:
        assert failure_of(log_in, stream) is Failure.SLOTS_EXHAUSTED


def test_a_unix_socket_whose_other_end_left_without_a_word_is_reset() -> None:
    with unix_stream_to(lambda _server: None) as stream:
        assert failure_of(log_in, stream) is Failure.RESET


def test_a_session_that_was_terminated_before_its_query_says_so_on_a_unix_socket() -> None:
    with unix_stream_to(lambda server: server.sendall(LOGGED_IN + error("57P01", "bye"))) as stream:
        assert failure_of(query, stream, trace()) is Failure.TERMINATED


def test_a_budget_that_is_used_up_sends_nothing() -> None:
    with stream_to(silent) as stream:
        assert failure_of(lambda: log_in(stream, budget_s=0)) is Failure.TIMEOUT


def test_a_text_that_cannot_be_sent_is_our_own_fault() -> None:
    with stream_to(silent) as stream, pytest.raises(UnicodeEncodeError) as caught:
        log_in(stream, parameters={"x": "\ud800"})
    assert as_failure(caught.value) is None


def test_a_wrong_argument_is_our_own_fault() -> None:
    with stream_to(silent) as stream, pytest.raises(InterfaceError) as caught:
        log_in(stream, parameters={"user": "twice"})
    assert as_failure(caught.value) is None


def test_the_stage_that_failed_is_the_one_under_way() -> None:
    attempt = trace()
    with stream_to(answers(LOGGED_IN)) as stream, pytest.raises(TimeoutError):
        query(stream, attempt)
    assert [record.stage for record in attempt.records()] == [Stage.LOGIN, Stage.QUERY]


def test_a_failure_of_the_protocol_names_what_it_was() -> None:
    begun = time.monotonic()
    with stream_to(says(b"SSH-2.0-OpenSSH_9.6\r\n")) as stream, pytest.raises(StageFailure) as caught:
        log_in(stream)
    assert "SSH-2" in caught.value.error.message
    assert time.monotonic() - begun < BUDGET_S
