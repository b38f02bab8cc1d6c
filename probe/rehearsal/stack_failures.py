"""How the exceptions of the application's own stack become failures: by type, status, SQLSTATE and cause.

The outermost exception that anybody knows decides. Of N callers that fail at once the connector gives N - 1 a
``KeyError`` with the real error as its context, so that contexts are followed like causes.
"""

import ssl
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any

import aiohttp
import google.auth.exceptions
import httpx
import pg8000.exceptions
import redis.exceptions
import scramp
import sqlalchemy.exc
from google.cloud.sql.connector import exceptions as connector_exceptions

from probe.dial.admin_api import STATUS_FAILURES
from probe.dial.failures import ALERT_PREFIXES, StageFailure, as_failure, causes, error_facts
from probe.dial.postgres import server_failure
from probe.model.words import Failure
from probe.rehearsal.way_in import as_fields

QUERY_CANCELED = "57014"
"""SQLSTATE: a ``statement_timeout`` ended the statement, or somebody did; only the words tell which."""
INTERFACE_ERRORS = (
    ("refuses SSL", Failure.TLS_DECLINED),
    ("Authentication method", Failure.AUTHENTICATION_UNSUPPORTED),
    ("", Failure.CLOSED),  # "network error"
)
"""pg8000's one type for whatever is no error of the server's; the first words that fit."""
TRIPS = (
    LookupError,
    UnboundLocalError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
    struct.error,
    scramp.ScramException,
)
"""What a library raises over an answer that is not what it expects ..."""
STUMBLERS = {
    "google.cloud.sql.connector": Failure.MALFORMED,
    "pg8000": Failure.PROTOCOL,
    "redis": Failure.PROTOCOL,
    "scramp": Failure.PROTOCOL,
}
"""... and what that means, by the package that raises it."""
WRAPPERS = (sqlalchemy.exc.DBAPIError, pg8000.exceptions.InterfaceError)
OK = 200
SERVER_ERRORS = 500


def as_stack_failure(error: BaseException, *, metadata_expected: bool) -> StageFailure | None:
    """What the exception says of the other side; None where it is the probe's own fault."""
    for link in causes(error):
        for kind, translate in TRANSLATIONS.items():
            known = translate(link) if isinstance(link, kind) else None
            if known is not None:
                return _named(known, metadata_expected=metadata_expected)
    return _alert(error) or _unwrapped(as_failure(error), error) or _last_resort(error)


def _named(known: StageFailure, *, metadata_expected: bool) -> StageFailure:
    """On Google's own machines there is a metadata server: that no credentials were found is its failure."""
    if known.failure is Failure.CREDENTIALS_MISSING and metadata_expected:
        return StageFailure(Failure.METADATA_UNAVAILABLE, known.error)
    return known


def _alert(error: BaseException) -> StageFailure | None:
    """A server's TLS alert, which pg8000 buries under the end of the connection that follows it."""
    alerts = (
        e for e in causes(error) if isinstance(e, ssl.SSLError) and _reason(e).startswith(ALERT_PREFIXES)
    )
    return next((as_failure(alert) for alert in alerts), None)


def _unwrapped(known: StageFailure | None, error: BaseException) -> StageFailure | None:
    """With the words of whoever knew, not of the layers that passed it on."""
    inner = next((link for link in causes(error) if not isinstance(link, WRAPPERS)), error)
    return StageFailure(known.failure, error_facts(inner)) if known else None


def _reason(error: ssl.SSLError) -> str:
    return getattr(error, "reason", None) or ""


def _is(failure: Failure) -> Callable[[Any], StageFailure]:
    return lambda error: StageFailure(failure, error_facts(error))


def _postgres(error: pg8000.exceptions.DatabaseError) -> StageFailure | None:
    if not isinstance(error.args[0] if error.args else None, dict):
        return None
    known = server_failure(as_fields(error))
    timed_out = known.error.sqlstate == QUERY_CANCELED and "timeout" in known.error.message
    return StageFailure(Failure.TIMEOUT, known.error) if timed_out else known


def _status(error: aiohttp.ClientResponseError) -> StageFailure:
    status = error.status
    failure = STATUS_FAILURES.get(
        status, Failure.SERVER_ERROR if status >= SERVER_ERRORS else Failure.MALFORMED
    )
    if status == OK:  # aiohttp was to decode it, and it says to be something else
        failure = Failure.NOT_JSON
    return StageFailure(failure, replace(error_facts(error), http_status=status))


def _refresh(error: google.auth.exceptions.RefreshError) -> StageFailure:
    unheard = error.retryable or isinstance(error.__cause__, google.auth.exceptions.TransportError)
    failure = Failure.METADATA_UNAVAILABLE if unheard else Failure.TOKEN_REFUSED
    return StageFailure(failure, error_facts(error))


def _http_protocol(error: httpx.RemoteProtocolError) -> StageFailure:
    early = "disconnected" in str(error) or "closed" in str(error)  # httpx has no type for it
    return StageFailure(Failure.CLOSED if early else Failure.PROTOCOL, error_facts(error))


def _name(error: UnicodeError) -> StageFailure | None:
    """A name that cannot even be asked for: Python's codec for host names refuses it."""
    unspeakable = "idna" in str(error)
    return StageFailure(Failure.NAME_NOT_FOUND, error_facts(error)) if unspeakable else None


def _cache_connection(error: redis.exceptions.ConnectionError) -> StageFailure:
    """Redis's client knows one type for a broken connection; most have a cause, a plain end has none."""
    full = "max number of clients" in str(error)
    return as_failure(error) or StageFailure(
        Failure.SLOTS_EXHAUSTED if full else Failure.CLOSED, error_facts(error)
    )


# The first entry that fits decides: special types stand before the general ones that they derive from.
TRANSLATIONS: dict[type[BaseException], Callable[[Any], StageFailure | None]] = {
    StageFailure: lambda error: error,
    pg8000.exceptions.DatabaseError: _postgres,
    sqlalchemy.exc.TimeoutError: _is(Failure.TIMEOUT),
    aiohttp.ClientResponseError: _status,
    aiohttp.ServerDisconnectedError: _is(Failure.CLOSED),
    aiohttp.ClientPayloadError: _is(Failure.PROTOCOL),
    google.auth.exceptions.DefaultCredentialsError: _is(Failure.CREDENTIALS_MISSING),
    google.auth.exceptions.RefreshError: _refresh,
    google.auth.exceptions.TransportError: _is(Failure.METADATA_UNAVAILABLE),
    connector_exceptions.CloudSQLIPTypeError: _is(Failure.NO_ADDRESS),
    connector_exceptions.IncompatibleDriverError: _is(Failure.WRONG_ENGINE),
    connector_exceptions.AutoIAMAuthNotSupported: _is(Failure.WRONG_ENGINE),
    connector_exceptions.RefreshNotValidError: _is(Failure.CLIENT_CERTIFICATE_EXPIRED),
    connector_exceptions.CloudSQLConnectionError: _is(Failure.MALFORMED),
    redis.exceptions.AuthenticationError: _is(Failure.PASSWORD_REJECTED),
    redis.exceptions.NoPermissionError: _is(Failure.NOT_AUTHORISED),
    redis.exceptions.BusyLoadingError: _is(Failure.STARTING_UP),
    redis.exceptions.TimeoutError: _is(Failure.TIMEOUT),
    redis.exceptions.InvalidResponse: _is(Failure.PROTOCOL),
    redis.exceptions.ConnectionError: _cache_connection,
    redis.exceptions.ResponseError: _is(Failure.UNHEALTHY),
    httpx.RemoteProtocolError: _http_protocol,
    FileNotFoundError: _is(Failure.SOCKET_MISSING),
    UnicodeError: _name,
}


def _last_resort(error: BaseException) -> StageFailure | None:
    """What no type tells: pg8000's own words, and what a library stumbled over in an answer."""
    for link in causes(error):
        if isinstance(link, pg8000.exceptions.InterfaceError):
            said = (failure for words, failure in INTERFACE_ERRORS if words in str(link))
            return StageFailure(next(said), error_facts(link))
        if isinstance(link, TRIPS):
            failure = _stumbled(link)
            return StageFailure(failure, error_facts(link)) if failure else None
    return None


def _stumbled(error: BaseException) -> Failure | None:
    """By the innermost frame; the stack may also run out in what the one that goes too deep calls."""
    modules = list(_modules(error.__traceback__))
    asked = modules if isinstance(error, RecursionError) else modules[-1:]
    fits = (failure for module in asked for name, failure in STUMBLERS.items() if module.startswith(name))
    return next(fits, None)


def _modules(trace: TracebackType | None) -> Iterator[str]:
    """Of the frames, the innermost last."""
    while trace is not None:
        yield str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
