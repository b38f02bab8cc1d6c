"""From a failed phase of the application's start-up to a cause, as far as the rehearsal alone can tell."""

from collections.abc import Callable

from probe.diagnosis.stages import (
    ADMIN_API,
    BY_STAGE,
    CERTIFICATES,
    DNS,
    OTHERWISE,
    POSTGRES,
    TCP,
    UNIX_SOCKET,
)
from probe.model.application import PhaseKind
from probe.model.cause import Cause
from probe.model.rehearsal import PhaseOutcome, PhaseRecord, Step
from probe.model.words import Failure, Stage

CONNECT = "connect"
FIRST_QUERY = "first_query"
SCHEMA_CHECK = "schema_check"
AFTER_THE_LOGIN = (FIRST_QUERY, SCHEMA_CHECK)
CLIENTS_OF_GOOGLE = ("aiohttp.", "httpx.")
"""Whose exceptions these are, in the database phase they speak of the Admin API: nobody else is asked over
HTTP there."""

OF_ANY_CONNECTION = frozenset(
    {
        Failure.TIMEOUT,
        Failure.REFUSED,
        Failure.RESET,
        Failure.CLOSED,
        Failure.UNREACHABLE,
        Failure.PROTOCOL,
        Failure.NAME_NOT_FOUND,
        Failure.NAME_SERVER_FAILED,
        Failure.NOT_TLS,
        Failure.TLS_ALERT,
        Failure.SERVER_CERTIFICATE,
    }
)
"""In the database phase these may speak of the Admin API as well as of the server: the dialler tells."""

CONTROL_PLANE = {failure: cause for failure, cause in ADMIN_API.items() if failure not in OF_ANY_CONNECTION}
SAID_OUTRIGHT = POSTGRES | CONTROL_PLANE | CERTIFICATES | {Failure.TLS_DECLINED: Cause.TLS_DECLINED}
"""What PostgreSQL, the Admin API or a certificate say so themselves, whatever else goes on."""

UNPLACED = frozenset({Failure.TIMEOUT, Failure.RESET, Failure.CLOSED, Failure.PROTOCOL})
"""Ends of a connect of which the stock stack does not tell how far it had come."""
AT_CONNECT = (
    BY_STAGE[Stage.LOGIN]
    | BY_STAGE[Stage.TLS]
    | CONTROL_PLANE
    | {failure: DNS[failure] for failure in (Failure.NAME_NOT_FOUND, Failure.NAME_SERVER_FAILED)}
    | {failure: TCP[failure] for failure in (Failure.REFUSED, Failure.UNREACHABLE)}
    | dict.fromkeys({*UNPLACED, Failure.SOCKET_MISSING}, Cause.STARTUP_DATABASE_FAILED)
)
"""The stock stack's connect to a network endpoint, which is everything up to the login."""


def cause_of_phase(phase: PhaseRecord) -> Cause:
    """The cause that this end of a phase stands for, given nothing else."""
    if failure_of(phase) is Failure.SECRET_MISSING:
        return Cause.SECRET_MISSING
    return _BY_KIND[phase.kind](phase)


def failure_of(phase: PhaseRecord) -> Failure | None:
    """Why it ended; one that outlived its budget timed out, whatever its parts say."""
    return Failure.TIMEOUT if phase.outcome is PhaseOutcome.TIMED_OUT else phase.failure


def ending_step(phase: PhaseRecord) -> Step | None:
    """The step in which a phase ended: the one that failed or was under way, else the last one."""
    open_ones = (step for step in phase.steps if step.failure or not step.finished)
    return next(open_ones, phase.steps[-1] if phase.steps else None)


def by_google(phase: PhaseRecord) -> bool:
    """Whether a database phase failed over what it asked the Admin API."""
    database = phase.kind is PhaseKind.DATABASE
    return database and phase.error is not None and phase.error.type.startswith(CLIENTS_OF_GOOGLE)


def _init(phase: PhaseRecord) -> Cause:
    failure = failure_of(phase)
    return CONTROL_PLANE.get(failure, Cause.REHEARSAL_CRASHED) if failure else Cause.REHEARSAL_CRASHED


def _dependencies(phase: PhaseRecord) -> Cause:
    failure, otherwise = failure_of(phase), OTHERWISE[Stage.ADMIN_API]
    return ADMIN_API.get(failure, otherwise) if failure else otherwise


def _database(phase: PhaseRecord) -> Cause:
    failure, step = failure_of(phase), ending_step(phase)
    if failure is None:
        return Cause.STARTUP_DATABASE_FAILED
    if failure is Failure.TABLE_MISSING:
        return Cause.REQUIRED_TABLE_MISSING
    if step is not None and step.name in AFTER_THE_LOGIN:
        return _after_the_login(failure, step.name)
    if by_google(phase):
        return ADMIN_API.get(failure, OTHERWISE[Stage.ADMIN_API])
    if phase.endpoint.startswith("/") and failure not in UNPLACED:
        return (AT_CONNECT | UNIX_SOCKET).get(failure, OTHERWISE[Stage.LOGIN])
    return AT_CONNECT.get(failure, OTHERWISE[Stage.LOGIN])


def _after_the_login(failure: Failure, step: str) -> Cause:
    """The connection had come about: what fails is a query."""
    if (failure, step) == (Failure.TIMEOUT, SCHEMA_CHECK):
        return Cause.SCHEMA_CHECK_SLOW
    return BY_STAGE[Stage.QUERY].get(failure, OTHERWISE[Stage.QUERY])


def _cache(phase: PhaseRecord) -> Cause:
    failure, step = failure_of(phase), ending_step(phase)
    if failure is Failure.PASSWORD_REJECTED:
        return Cause.CACHE_PASSWORD_REJECTED
    connected = step is not None and step.name != CONNECT
    return Cause.CACHE_SILENT if failure is Failure.TIMEOUT and connected else Cause.CACHE_UNREACHABLE


def _services(_phase: PhaseRecord) -> Cause:
    return Cause.SERVICE_UNAVAILABLE


def _websocket(_phase: PhaseRecord) -> Cause:
    return Cause.WEBSOCKET_NOT_READY


def _finalize(_phase: PhaseRecord) -> Cause:
    return Cause.APPLICATION_UNHEALTHY


_BY_KIND: dict[PhaseKind, Callable[[PhaseRecord], Cause]] = {
    PhaseKind.INIT: _init,
    PhaseKind.DEPENDENCIES: _dependencies,
    PhaseKind.DATABASE: _database,
    PhaseKind.CACHE: _cache,
    PhaseKind.SERVICES: _services,
    PhaseKind.WEBSOCKET: _websocket,
    PhaseKind.FINALIZE: _finalize,
}
