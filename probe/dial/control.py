"""The control connection of a ramp: the lock, the server's limits, and who is connected, in autocommit.

Never inside a transaction: ``pg_stat_activity`` is a snapshot there, and a ramp that believes an old one
takes the server's last slots. One statement each, so that a reading is of one instant.
"""

import time
from dataclasses import dataclass
from typing import Any, Protocol

from probe.dial.clock import Deadline
from probe.dial.failures import stage_failure
from probe.model.ramp import Headroom, Limits
from probe.model.words import Failure

DATABASE = "postgres"
"""Advisory locks are per database: probes of different databases must meet in one that every instance has."""
LOCK_KEY = (0x434C5350, 0x50524F42)  # "CLSP", "PROB"
"""Ours alone, of all programs that lock in this instance."""
STATEMENT_S = 2.0
"""The most that one statement may take."""
LEFT_OVER_S = 12.0
"""A connection of another run that is older should have been gone: the server lets go before. Of one whose
age an ordinary role may not see counts how long we have seen it."""
UNKNOWN_AGES = 100
"""Of those, so many are followed."""
CROWD = 5
MAX_NAME = 64

LOCK = f"SELECT pg_catalog.pg_try_advisory_lock({LOCK_KEY[0]}, {LOCK_KEY[1]})"

# A superuser has no limit of its own, and is not held to a database's.
LIMITS = """
SELECT pg_catalog.current_setting('server_version'),
    pg_catalog.current_setting('max_connections')::int,
    pg_catalog.current_setting('superuser_reserved_connections')::int,
    coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int,
    CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END,
    CASE WHEN r.rolsuper THEN -1 ELSE coalesce(d.datconnlimit, -1) END,
    r.rolsuper
FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_database d ON d.datname = {database}
WHERE r.rolname = session_user
"""

# Of other roles' sessions an ordinary role sees the database, the user and the name, neither kind nor age.
# What has a database and a user and is not known to be something else counts as a client. Replication has
# slots of its own and no database.
CLIENTS = """
WITH clients AS (
    SELECT pid, datid, usesysid, coalesce(application_name, '') AS name, backend_start
    FROM pg_catalog.pg_stat_activity
    WHERE datid IS NOT NULL AND usesysid IS NOT NULL
        AND coalesce(backend_type, 'client backend') = 'client backend'
)"""

# ``sessions`` is there from PostgreSQL 14 on; as JSON a missing column is no error.
HEADROOM = (
    CLIENTS  # noqa: S608 - what is put in are literals
    + """, strangers AS (SELECT * FROM clients WHERE name LIKE 'probe/%' AND name <> {ours})
SELECT count(*) FILTER (WHERE name <> {ours}),
    count(*) FILTER (WHERE name = {ours}),
    count(*) FILTER (WHERE usesysid =
        (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)),
    count(*) FILTER (WHERE datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = {database})),
    (SELECT count(*) FROM strangers
        WHERE backend_start < clock_timestamp() - interval '{left_over_s} seconds'),
    (SELECT coalesce(string_agg(pid::text, ' '), '') FROM
        (SELECT pid FROM strangers WHERE backend_start IS NULL ORDER BY pid LIMIT {unknown}) AS unknown),
    (SELECT sum((to_jsonb(d) ->> 'sessions')::bigint)::bigint FROM pg_catalog.pg_stat_database d)
FROM clients
"""
)

CROWDED = (
    CLIENTS
    + """
SELECT left(name, {length}), count(*) FROM clients WHERE name <> {ours}
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}
"""
)


class Asks(Protocol):
    """What a session does for us."""

    def rows(self, statement: str, deadline: Deadline) -> list[list[Any]]:
        """What one statement gives, in autocommit. Raises StageFailure, OSError, TimeoutError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The headroom at one instant."""

    asked_ns: int
    """When it was asked for: everything that happened before is in it."""
    headroom: Headroom
    sessions: int | None
    """Logins to the instance since its statistics began; None: the server does not count them."""


class Control:
    """The questions to the server. Each raises StageFailure, OSError or TimeoutError, and is bounded."""

    def __init__(self, session: Asks, *, run_id: str, database: str) -> None:
        self._session = session
        self._ours = _literal(f"probe/{run_id}")
        self._database = _literal(database)
        self._unknown_ns: dict[int, int] = {}
        """Sessions of other runs whose age we may not see: when we saw them first."""

    def lock(self) -> bool:
        """Whether we are the only one that fills pools of this instance, from now to the session's end."""
        return self._row(LOCK) == [True]

    def limits(self) -> Limits:
        """What the server, our role and the application's database allow."""
        row = self._row(LIMITS.format(database=self._database), width=7)
        version, *numbers, superuser_role = row
        if type(superuser_role) is not bool:
            raise _unexpected(superuser_role)
        most, superuser, reserved, role, database = (_count(number, least=-1) for number in numbers)
        return Limits(
            server_version=_printable(str(version)),
            max_connections=most,
            superuser_reserved=superuser,
            reserved=reserved,
            role_limit=None if role < 0 else role,
            database_limit=None if database < 0 else database,
            superuser=superuser_role,
        )

    def headroom(self) -> Reading:
        """Who is connected now."""
        asked_ns = time.monotonic_ns()
        statement = HEADROOM.format(
            ours=self._ours,
            database=self._database,
            left_over_s=LEFT_OVER_S,
            unknown=UNKNOWN_AGES,
        )
        *numbers, unknown, sessions = self._row(statement, width=7)
        others, ours, role, database, left = (_count(number) for number in numbers)
        headroom = Headroom(
            others=others,
            ours=ours,
            role=role,
            database=database,
            leftovers=left + self._seen_again(str(unknown), asked_ns),
        )
        return Reading(
            asked_ns=asked_ns,
            headroom=headroom,
            sessions=None if sessions is None else _count(sessions),
        )

    def crowd(self) -> tuple[tuple[str, int], ...]:
        """The application names of others with most connections, and how many."""
        rows = self._rows(CROWDED.format(ours=self._ours, length=MAX_NAME, most=CROWD))
        if any(len(row) != 2 for row in rows):  # noqa: PLR2004 - the two that were asked for
            raise _unexpected(rows)
        return tuple((_printable(str(name)), _count(count)) for name, count in rows[:CROWD])

    def _seen_again(self, pids: str, now_ns: int) -> int:
        try:
            present = [int(pid) for pid in pids.split()]
        except ValueError as error:
            raise _unexpected(pids) from error
        self._unknown_ns = {pid: self._unknown_ns.get(pid, now_ns) for pid in present[:UNKNOWN_AGES]}
        return sum(now_ns - first >= LEFT_OVER_S * 1e9 for first in self._unknown_ns.values())

    def _row(self, statement: str, width: int = 1) -> list[Any]:
        rows = self._rows(statement)
        if len(rows) != 1 or len(rows[0]) != width:
            raise _unexpected(rows)
        return rows[0]

    def _rows(self, statement: str) -> list[list[Any]]:
        return self._session.rows(statement, Deadline.after(STATEMENT_S))


def _literal(text: str) -> str:
    """A string constant, however the server reads backslashes."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


def _count(value: object, least: int = 0) -> int:
    if type(value) is not int or value < least:
        raise _unexpected(value)
    return value


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:MAX_NAME])


def _unexpected(answer: object) -> Exception:
    return stage_failure(Failure.PROTOCOL, f"the server answered {answer!r:.100}")
