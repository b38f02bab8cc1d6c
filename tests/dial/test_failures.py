import errno
import socket
import ssl

import pytest

from probe.dial.failures import (
    CLIENT_CERTIFICATE_ALERTS,
    ERRNO_FAILURES,
    MAX_CHAIN,
    MAX_MESSAGE,
    as_failure,
    causes,
    error_facts,
    stage_failure,
)
from probe.model.words import Failure


def failure_of(error: BaseException) -> Failure | None:
    known = as_failure(error)
    return known.failure if known else None


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] {reason.lower()} (_ssl.c:1006)")
    error.reason = reason
    return error


def wrapped(error: BaseException) -> Exception:
    outer = RuntimeError("network error")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(("number", "failure"), ERRNO_FAILURES.items())
def test_the_networks_errnos_are_the_other_sides_failures(number: int, failure: Failure) -> None:
    assert failure_of(OSError(number, "said the kernel")) is failure


@pytest.mark.parametrize(
    "number",
    [
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.EAGAIN,
        errno.EBADF,
        errno.EINVAL,
    ],
)
def test_the_probes_own_wants_are_nobody_elses_failure(number: int) -> None:
    assert failure_of(OSError(number, "ours")) is None


@pytest.mark.parametrize(
    "error", [OSError("no errno"), ValueError("x"), KeyError("y"), MemoryError(), AssertionError()]
)
def test_what_is_not_known_is_the_probes_own(error: Exception) -> None:
    assert failure_of(error) is None


def test_a_timeout_is_a_timeout_with_or_without_an_errno() -> None:
    assert failure_of(TimeoutError("the read operation timed out")) is Failure.TIMEOUT
    assert failure_of(OSError(errno.ETIMEDOUT, "by the kernel")) is Failure.TIMEOUT


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (socket.EAI_NONAME, Failure.NAME_NOT_FOUND),
        (socket.EAI_NODATA, Failure.NAME_NOT_FOUND),
        (socket.EAI_AGAIN, Failure.NAME_SERVER_FAILED),
        (socket.EAI_FAIL, Failure.NAME_SERVER_FAILED),
    ],
)
def test_a_name_that_is_not_there_differs_from_a_name_server_that_fails(
    number: int, failure: Failure
) -> None:
    assert failure_of(socket.gaierror(number, "name")) is failure


@pytest.mark.parametrize(("alert", "failure"), CLIENT_CERTIFICATE_ALERTS.items())
@pytest.mark.parametrize("prefix", ["SSLV3", "TLSV1", "TLSV13"])
def test_alerts_about_our_certificate_are_told_apart(prefix: str, alert: str, failure: Failure) -> None:
    assert failure_of(tls_error(f"{prefix}_ALERT_{alert}")) is failure


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (tls_error("TLSV1_ALERT_PROTOCOL_VERSION"), Failure.TLS_ALERT),
        (tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE"), Failure.TLS_ALERT),
        (tls_error("TLSV1_UNRECOGNIZED_NAME"), Failure.TLS_ALERT),
        (tls_error("TLSV1_UNSUPPORTED_EXTENSION"), Failure.TLS_ALERT),
        (tls_error("TLSV13_ALERT_MISSING_EXTENSION"), Failure.TLS_ALERT),
        (tls_error("WRONG_VERSION_NUMBER"), Failure.NOT_TLS),
        (tls_error("UNEXPECTED_MESSAGE"), Failure.NOT_TLS),
        (ssl.SSLError("no reason at all"), Failure.NOT_TLS),
        (ssl.SSLCertVerificationError("self-signed"), Failure.SERVER_CERTIFICATE),
        (ssl.SSLEOFError(8, "EOF occurred"), Failure.CLOSED),
        (ssl.SSLZeroReturnError(6, "closed"), Failure.CLOSED),
    ],
)
def test_tls_errors_are_told_apart(error: ssl.SSLError, failure: Failure) -> None:
    assert failure_of(error) is failure


def test_a_cause_inside_another_exception_is_found() -> None:
    error = wrapped(wrapped(ConnectionRefusedError(errno.ECONNREFUSED, "refused")))
    assert failure_of(error) is Failure.REFUSED
    assert error_facts(error).errno == "ECONNREFUSED"


def test_a_failure_stays_the_failure_that_it_is() -> None:
    failure = stage_failure(Failure.MALFORMED, "no", cause=ValueError())
    assert as_failure(failure) is failure
    assert (failure.error.type, str(failure)) == ("ValueError", "malformed: no")
    assert stage_failure(Failure.CLOSED, "gone").error.type == "probe"


def test_a_chain_that_loops_ends() -> None:
    first, second = ValueError(1), ValueError(2)
    first.__cause__, second.__cause__ = second, first
    assert list(causes(first)) == [first, second]


def test_a_chain_without_end_is_cut() -> None:
    error: Exception = ValueError()
    for _ in range(3 * MAX_CHAIN):
        error = wrapped(error)
    assert len(list(causes(error))) == MAX_CHAIN
    assert failure_of(error) is None


def test_facts_name_the_type_and_cut_the_message() -> None:
    assert error_facts(ValueError("x" * 9999)).message == "x" * MAX_MESSAGE
    assert error_facts(TimeoutError()).message == "TimeoutError"
    assert error_facts(tls_error("UNKNOWN_CA")).type == "ssl.SSLError"
    assert error_facts(OSError(errno.ECONNRESET, "x")).errno == "ECONNRESET"
    assert error_facts(socket.gaierror(socket.EAI_NONAME, "x")).errno is None


def test_openssls_own_number_is_no_errno() -> None:
    assert error_facts(ssl.SSLEOFError(8, "EOF occurred in violation of protocol")).errno is None
