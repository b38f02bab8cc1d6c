"""Exceptions as the stock stack raises them; its real ones are met in the tests of the phases."""

import socket
import ssl
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import google.auth.exceptions
import httpx
import pg8000.exceptions
import pytest
import redis.exceptions
import sqlalchemy.exc
from google.cloud.sql.connector import exceptions as connector
from google.cloud.sql.connector.connection_name import _parse_connection_name

from probe.dial.failures import stage_failure
from probe.model.words import Failure
from probe.rehearsal.stack_failures import as_stack_failure

AUTH: Any = google.auth.exceptions  # typed in part


def response_error(status: int) -> aiohttp.ClientResponseError:
    info: Any = SimpleNamespace(real_url="http://admin/connectSettings")
    return aiohttp.ClientResponseError(info, (), status=status, message="said so")


def chained(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


def in_the_context_of(outer: Exception, inner: Exception) -> Exception:
    outer.__context__ = inner
    return outer


def server_says(**fields: str) -> Exception:
    return pg8000.exceptions.DatabaseError(fields)


def dns_failure() -> Exception:
    key: Any = SimpleNamespace(ssl=True, host="h", port=1)
    return aiohttp.ClientConnectorDNSError(key, socket.gaierror(socket.EAI_NONAME, "unknown"))


ENDED = ssl.SSLZeroReturnError("TLS/SSL connection has been closed (EOF)")
ALERT = ssl.SSLError(1, "alert")
ALERT.reason = "SSLV3_ALERT_CERTIFICATE_EXPIRED"
REJECTED = server_says(C="28P01", M="password authentication failed")
KNOWN: list[tuple[Exception, Failure]] = [
    (
        UnicodeError("encoding with 'idna' codec failed (UnicodeError: label empty or too long)"),
        Failure.NAME_NOT_FOUND,
    ),
    (stage_failure(Failure.NO_ADDRESS, "none"), Failure.NO_ADDRESS),
    (REJECTED, Failure.PASSWORD_REJECTED),
    (server_says(C="57014", M="canceling statement due to statement timeout"), Failure.TIMEOUT),
    (server_says(C="57014", M="canceling statement due to user request"), Failure.SQL_ERROR),
    (
        chained(sqlalchemy.exc.ProgrammingError("x", None, REJECTED), REJECTED),
        Failure.PASSWORD_REJECTED,
    ),
    (in_the_context_of(KeyError(("p:r:i", False)), response_error(403)), Failure.FORBIDDEN),
    (sqlalchemy.exc.TimeoutError("QueuePool limit reached"), Failure.TIMEOUT),
    (response_error(401), Failure.UNAUTHENTICATED),
    (response_error(503), Failure.SERVER_ERROR),
    (response_error(418), Failure.MALFORMED),
    (response_error(200), Failure.NOT_JSON),
    (aiohttp.ServerDisconnectedError(), Failure.CLOSED),
    (aiohttp.ClientPayloadError("half of it"), Failure.PROTOCOL),
    (chained(OSError("as the loop says it"), ConnectionRefusedError(111, "refused")), Failure.REFUSED),
    (AUTH.RefreshError("invalid_grant"), Failure.TOKEN_REFUSED),
    (AUTH.RefreshError("later", retryable=True), Failure.METADATA_UNAVAILABLE),
    (
        chained(AUTH.RefreshError("no"), AUTH.TransportError("out of reach")),
        Failure.METADATA_UNAVAILABLE,
    ),
    (AUTH.TransportError("out of reach"), Failure.METADATA_UNAVAILABLE),
    (AUTH.DefaultCredentialsError("none"), Failure.CREDENTIALS_MISSING),
    (connector.CloudSQLIPTypeError("no private address"), Failure.NO_ADDRESS),
    (connector.IncompatibleDriverError("mysql"), Failure.WRONG_ENGINE),
    (connector.CloudSQLConnectionError("no CA"), Failure.MALFORMED),
    (connector.RefreshNotValidError("expired already"), Failure.CLIENT_CERTIFICATE_EXPIRED),
    (connector.AutoIAMAuthNotSupported("no IAM"), Failure.WRONG_ENGINE),
    (
        chained(pg8000.exceptions.InterfaceError("network error"), in_the_context_of(ENDED, ALERT)),
        Failure.CLIENT_CERTIFICATE_EXPIRED,
    ),
    (redis.exceptions.AuthenticationError("WRONGPASS"), Failure.PASSWORD_REJECTED),
    (redis.exceptions.TimeoutError("reading"), Failure.TIMEOUT),
    (redis.exceptions.ConnectionError("closed by server"), Failure.CLOSED),
    (
        in_the_context_of(redis.exceptions.ConnectionError("Error 111"), ConnectionRefusedError(111, "no")),
        Failure.REFUSED,
    ),
    (httpx.RemoteProtocolError("Server disconnected without sending a response."), Failure.CLOSED),
    (httpx.RemoteProtocolError("illegal status line"), Failure.PROTOCOL),
    (chained(httpx.ConnectError("x"), chained(OSError("y"), ConnectionResetError(104, "z"))), Failure.RESET),
    (
        chained(pg8000.exceptions.InterfaceError("communication error"), FileNotFoundError(2, "no socket")),
        Failure.SOCKET_MISSING,
    ),
    (pg8000.exceptions.InterfaceError("Server refuses SSL"), Failure.TLS_DECLINED),
    (pg8000.exceptions.InterfaceError("network error"), Failure.CLOSED),
    (
        pg8000.exceptions.InterfaceError("Authentication method 7 not supported"),
        Failure.AUTHENTICATION_UNSUPPORTED,
    ),
    (TimeoutError(), Failure.TIMEOUT),
]


@pytest.mark.parametrize(("error", "failure"), KNOWN)
def test_what_the_stack_raises_is_known(error: Exception, failure: Failure) -> None:
    known = as_stack_failure(error, metadata_expected=False)
    assert known
    assert known.failure is failure


def test_a_name_that_nobody_knows_is_told() -> None:
    known = as_stack_failure(dns_failure(), metadata_expected=False)
    assert known is None or known.failure is Failure.NAME_NOT_FOUND


def test_the_words_are_those_of_whoever_knew() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    inner = chained(pg8000.exceptions.InterfaceError("communication error"), refused)
    outer = chained(sqlalchemy.exc.InterfaceError("connect", None, inner), inner)
    known = as_stack_failure(outer, metadata_expected=False)
    assert known
    assert (known.failure, known.error.type) == (Failure.REFUSED, "ConnectionRefusedError")
    assert known.error.errno == "ECONNREFUSED"


def test_a_status_is_kept() -> None:
    known = as_stack_failure(response_error(429), metadata_expected=False)
    assert known
    assert (known.failure, known.error.http_status) == (Failure.RATE_LIMITED, 429)


def test_where_a_metadata_server_is_expected_its_absence_is_its_failure() -> None:
    error = AUTH.DefaultCredentialsError("none")
    known = as_stack_failure(error, metadata_expected=True)
    assert known
    assert known.failure is Failure.METADATA_UNAVAILABLE


def raised_by(call: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        call()
    return caught.value


def test_what_the_connector_stumbles_over_is_a_malformed_answer() -> None:
    known = as_stack_failure(raised_by(lambda: _parse_connection_name("nonsense")), metadata_expected=False)
    assert known
    assert known.failure is Failure.MALFORMED


@pytest.mark.parametrize(
    "error", [KeyError("ours"), RuntimeError("ours"), pg8000.exceptions.DatabaseError("of pg8000's own")]
)
def test_what_nobody_knows_is_ours(error: Exception) -> None:
    assert as_stack_failure(raised_by(lambda: _raise(error)), metadata_expected=False) is None


def _raise(error: Exception) -> None:
    raise error
