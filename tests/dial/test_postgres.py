import struct

import pytest

from probe.dial.failures import StageFailure
from probe.dial.postgres import (
    MAX_MESSAGE_BYTES,
    MAX_UNFRAMED_BYTES,
    MESSAGE_FAILURES,
    ROUTINE_FAILURES,
    SQLSTATE_FAILURES,
    message_length,
    read_error_response,
    server_failure,
)
from probe.model.words import Failure
from tests.dial.peers import Serve, after, closes, error, resets, says, stream_to


@pytest.mark.parametrize(("sqlstate", "failure"), SQLSTATE_FAILURES.items())
def test_a_sqlstate_tells_enough_where_only_one_thing_has_it(sqlstate: str, failure: Failure) -> None:
    assert server_failure({"C": sqlstate, "M": "in any words"}).failure is failure


@pytest.mark.parametrize(("where", "failure"), ROUTINE_FAILURES.items())
def test_a_routine_tells_in_any_language(where: tuple[str, str], failure: Failure) -> None:
    sqlstate, routine = where
    told = server_failure({"C": sqlstate, "R": routine, "M": "zu viele Verbindungen"})
    assert told.failure is failure


@pytest.mark.parametrize(
    ("sqlstate", "message", "failure"),
    [
        ("53300", 'too many connections for role "x"', Failure.ROLE_LIMIT),
        ("53300", 'too many connections for database "x"', Failure.DATABASE_LIMIT),
        (
            "53300",
            "remaining connection slots are reserved for roles with the SUPERUSER attribute",
            Failure.ONLY_RESERVED_SLOTS,
        ),
        ("53300", "sorry, too many clients already", Failure.SLOTS_EXHAUSTED),
        ("53300", "tut mir leid, schon zu viele Clients", Failure.SLOTS_EXHAUSTED),
        ("28000", 'role "x" is not permitted to log in', Failure.ROLE_NOT_PERMITTED),
        ("28000", 'no pg_hba.conf entry for host "10.8.0.3"', Failure.HBA_REJECTED),
        ("28000", "pg_hba.conf rejects connection", Failure.HBA_REJECTED),
        ("28000", 'role "x" does not exist', Failure.PASSWORD_REJECTED),
        ("08P01", "unsupported startup parameter: idle_session_timeout", Failure.PARAMETER_REFUSED),
        ("57P03", "the database system is starting up", Failure.STARTING_UP),
        ("57P03", "the database system is shutting down", Failure.SHUTTING_DOWN),
        ("57P03", "the database system is not accepting connections", Failure.NOT_ACCEPTING),
    ],
)
def test_a_message_tells_apart_what_shares_a_sqlstate(sqlstate: str, message: str, failure: Failure) -> None:
    assert server_failure({"C": sqlstate, "M": message, "R": "ProcessInterrupts"}).failure is failure


def test_every_message_that_is_known_leads_somewhere() -> None:
    for sqlstate, text, failure in MESSAGE_FAILURES:
        assert server_failure({"C": sqlstate, "M": text}).failure is failure


@pytest.mark.parametrize(("sqlstate", "message"), [("XX000", "odd"), ("28000", "anders"), ("", "")])
def test_any_other_error_keeps_its_sqlstate_and_words(sqlstate: str, message: str) -> None:
    told = server_failure({"C": sqlstate, "M": message})
    assert told.failure is Failure.SQL_ERROR
    assert told.error.sqlstate == (sqlstate or None)
    assert told.error.message == (message or "no message")


def test_an_error_that_comes_in_pieces_is_read_whole() -> None:
    octets = error("53300", "sorry, too many clients already", R="InitProcess")
    with stream_to(says(octets[3:])) as stream:
        assert read_error_response(stream, octets[:3]).failure is Failure.SLOTS_EXHAUSTED


def test_an_error_that_is_never_finished_is_broken_off() -> None:
    with stream_to(says(b"\0\0", then=closes)) as stream, pytest.raises(StageFailure) as caught:
        read_error_response(stream, b"E\0")
    assert caught.value.failure is Failure.CLOSED


def test_an_error_without_a_length_is_read_to_its_nul() -> None:
    with stream_to(says(b" fork new process\n\0more")) as stream:
        told = read_error_response(stream, b"Ecould not")
    assert (told.failure, told.error.message) == (Failure.SQL_ERROR, "could not fork new process")
    assert told.error.sqlstate is None


@pytest.mark.parametrize("rest", [b" at all", b"!" * 2 * MAX_UNFRAMED_BYTES])
@pytest.mark.parametrize("then", [closes, resets])
def test_a_text_that_no_nul_ends_is_not_the_protocol(rest: bytes, then: Serve) -> None:
    # Not before it has heard of us: a reset at once may come before the connection is ours.
    with stream_to(after(1, says(rest, then=then))) as stream:
        stream.send(b"?")
        with pytest.raises(StageFailure) as caught:
            read_error_response(stream, b"Error")
    assert caught.value.failure is Failure.PROTOCOL


@pytest.mark.parametrize("length", [-1, 0, 3, MAX_MESSAGE_BYTES + 1, 2**31 - 1, -(2**31)])
def test_a_length_that_cannot_be_is_not_the_protocol(length: int) -> None:
    with pytest.raises(StageFailure) as caught:
        message_length(b"R" + struct.pack("!i", length))
    assert caught.value.failure is Failure.PROTOCOL


@pytest.mark.parametrize("kind", [b"\xff", b"v", b"Q", b"\0", b"X"])
def test_a_type_that_no_server_sends_is_not_the_protocol(kind: bytes) -> None:
    with pytest.raises(StageFailure) as caught:
        message_length(kind + struct.pack("!i", 8))
    assert caught.value.failure is Failure.PROTOCOL


def test_a_message_as_long_as_may_be_is_taken() -> None:
    assert message_length(b"R" + struct.pack("!i", MAX_MESSAGE_BYTES)) == MAX_MESSAGE_BYTES
