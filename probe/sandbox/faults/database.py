"""Faults of PostgreSQL: the server, the login, the query."""

from probe.model.cause import Cause
from probe.sandbox.faults.fault import Fault
from probe.sandbox.staging import Staging

DATABASE_FAULTS: dict[str, Fault] = {
    "server-down": Fault("PostgreSQL is down", Cause.DATABASE_DOWN, Staging(postgres="down")),
    "server-stopped": Fault(
        "PostgreSQL is frozen by SIGSTOP", Cause.DATABASE_SILENT, Staging(postgres="frozen")
    ),
    "server-starting": Fault(
        "PostgreSQL is starting up", Cause.DATABASE_STARTING, Staging(postgres="starting")
    ),
    "server-stopping": Fault(
        "PostgreSQL is shutting down", Cause.DATABASE_STOPPING, Staging(postgres="stopping")
    ),
    "server-not-accepting": Fault(
        "PostgreSQL is a standby that takes no queries",
        Cause.DATABASE_NOT_ACCEPTING,
        Staging(postgres="standby"),
    ),
    "login-silent": Fault(
        "a lock on pg_authid holds every login up", Cause.LOGIN_SILENT, Staging(locked_table="pg_authid")
    ),
    "login-slow": Fault("every login takes 3 s", Cause.LOGIN_SILENT, Staging(login_delay_s=3)),
    "login-drip": Fault(
        "the login is answered a byte at a time, for ever",
        Cause.LOGIN_SILENT,
        Staging(tampering="login-drip"),
    ),
    "login-closed": Fault(
        "the connection is closed in the login", Cause.LOGIN_BROKEN_OFF, Staging(tampering="login-closed")
    ),
    "login-reset": Fault(
        "the connection is reset in the login", Cause.LOGIN_BROKEN_OFF, Staging(tampering="login-reset")
    ),
    "login-garbage": Fault(
        "the login is answered with garbage", Cause.LOGIN_PROTOCOL, Staging(tampering="login-garbage")
    ),
    "login-huge-message": Fault(
        "the login is answered with a message of 2 GB",
        Cause.LOGIN_PROTOCOL,
        Staging(tampering="login-huge-message"),
    ),
    "auth-unsupported": Fault(
        "the server asks for GSSAPI", Cause.LOGIN_REJECTED, Staging(tampering="auth-unsupported")
    ),
    "cannot-fork": Fault(
        "the server cannot fork a process for the connection",
        Cause.LOGIN_REJECTED,
        Staging(tampering="cannot-fork"),
    ),
    "login-error": Fault(
        "the server reports an I/O error in the login", Cause.LOGIN_REJECTED, Staging(tampering="login-error")
    ),
    "parameters-refused": Fault(
        "the server does not know idle_session_timeout",
        Cause.PARAMETERS_REFUSED,
        Staging(tampering="parameters-refused"),
    ),
    "wrong-password": Fault(
        "the role has another password",
        Cause.PASSWORD_REJECTED,
        Staging(sql=("ALTER ROLE probe PASSWORD 'another'",)),
    ),
    "nologin": Fault(
        "the role may not log in", Cause.ROLE_NOT_PERMITTED, Staging(sql=("ALTER ROLE probe NOLOGIN",))
    ),
    "hba-rejected": Fault(
        "pg_hba.conf rejects the role", Cause.HBA_REJECTED, Staging(hba=("local all probe reject",))
    ),
    "database-missing": Fault(
        "the database does not exist", Cause.DATABASE_MISSING, Staging(sql=("DROP DATABASE netra",))
    ),
    "database-closed": Fault(
        "the database accepts no connections",
        Cause.DATABASE_CLOSED,
        Staging(sql=("ALTER DATABASE netra ALLOW_CONNECTIONS false",)),
    ),
    "no-connect-privilege": Fault(
        "the role may not connect to the database",
        Cause.NOT_AUTHORISED,
        Staging(sql=("REVOKE CONNECT ON DATABASE netra FROM PUBLIC",)),
    ),
    "slots-exhausted": Fault(
        "all 25 connection slots are taken", Cause.SLOTS_EXHAUSTED, Staging(held_sessions=25)
    ),
    "only-reserved-slots": Fault(
        "only the superusers' 3 connection slots are left",
        Cause.ONLY_RESERVED_SLOTS,
        Staging(held_sessions=22),
    ),
    "role-limit": Fault(
        "the role's connection limit is reached",
        Cause.ROLE_LIMIT_REACHED,
        Staging(sql=("ALTER ROLE probe CONNECTION LIMIT 0",)),
    ),
    "database-limit": Fault(
        "the database's connection limit is reached",
        Cause.DATABASE_LIMIT_REACHED,
        Staging(sql=("ALTER DATABASE netra CONNECTION LIMIT 0",)),
    ),
    "session-terminated": Fault(
        "the server ends the session at the query",
        Cause.QUERY_BROKEN_OFF,
        Staging(tampering="session-terminated"),
    ),
    "query-silent": Fault(
        "the query is never answered", Cause.QUERY_SILENT, Staging(tampering="query-silent")
    ),
    "query-closed": Fault(
        "the connection is closed at the query", Cause.QUERY_BROKEN_OFF, Staging(tampering="query-closed")
    ),
    "query-garbage": Fault(
        "the query is answered with garbage", Cause.QUERY_PROTOCOL, Staging(tampering="query-garbage")
    ),
    "query-error": Fault(
        "the query is answered with an error", Cause.QUERY_FAILED, Staging(tampering="query-error")
    ),
    "slow": Fault(
        "every exchange over 3307 takes 200 ms longer", Cause.SLOW_CONNECTION, Staging(delay_s=0.2)
    ),
}
