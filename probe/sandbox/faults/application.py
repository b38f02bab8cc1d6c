"""Faults that the application meets on its way up or under load; the way to the database is in order."""

from probe.model.cause import Cause
from probe.sandbox.faults.fault import Fault
from probe.sandbox.rehearsal_killer import cannot_watch_processes
from probe.sandbox.staging import Staging

APPLICATION_FAULTS: dict[str, Fault] = {
    "table-missing": Fault(
        "a required table does not exist",
        Cause.REQUIRED_TABLE_MISSING,
        Staging(application_sql=("DROP TABLE messages",)),
    ),
    "schema-slow": Fault(
        "a lock on pg_statistic holds every query with a join up",
        Cause.SCHEMA_CHECK_SLOW,
        Staging(locked_catalogue="pg_statistic"),
    ),
    "cache-wrong-password": Fault(
        "the cache has another password", Cause.CACHE_PASSWORD_REJECTED, Staging(cache="wrong-password")
    ),
    "cache-mute": Fault("the cache accepts and never answers", Cause.CACHE_SILENT, Staging(cache="silent")),
    "service-unavailable": Fault(
        "the auth service answers 503", Cause.SERVICE_UNAVAILABLE, Staging(auth_service="503")
    ),
    "websocket-unready": Fault(
        "the WebSocket endpoint answers 503", Cause.WEBSOCKET_NOT_READY, Staging(websocket="503")
    ),
    "application-unhealthy": Fault(
        "the application's own health answers 503", Cause.APPLICATION_UNHEALTHY, Staging(backend="503")
    ),
    "secret-missing": Fault(
        "a variable that the application needs is not set",
        Cause.SECRET_MISSING,
        Staging(secrets=("JWT_SECRET_KEY",)),
    ),
    "rehearsal-killed": Fault(
        "the rehearsal's process is killed",
        Cause.REHEARSAL_CRASHED,
        Staging(rehearsal_killed=True),
        cannot_watch_processes,
    ),
    "slots-crowded": Fault(
        "other clients hold 15 of the 22 usable slots",
        Cause.CONNECTIONS_UNDER_PRESSURE,
        Staging(held_sessions=15),
    ),
    "role-limit-small": Fault(
        "the probe's role may have 4 connections",
        Cause.ROLE_LIMIT_BELOW_POOL,
        Staging(sql=("ALTER ROLE probe CONNECTION LIMIT 4",)),
    ),
    "database-limit-small": Fault(
        "the database takes 6 connections",
        Cause.POOL_EXCEEDS_SERVER_LIMIT,
        Staging(sql=("ALTER DATABASE netra CONNECTION LIMIT 6",)),
    ),
    "crowd": Fault(
        "somebody takes the slots while the ramp goes on", Cause.LOGINS_FAIL_BESIDE_RAMP, Staging(crowd_at=4)
    ),
}
