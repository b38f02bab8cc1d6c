"""Two onlookers for tests of the probe's promise: one who only wants to log in, and one who counts slots.

Both are threads of a fixed pace, bounded in time, and say what they saw in instants of ``time.monotonic``.
"""

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import pg8000.dbapi

from probe.sandbox.cluster import MAX_CONNECTIONS, RESERVED_CONNECTIONS
from probe.sandbox.postgres import PostgresServer, server_message

USABLE = MAX_CONNECTIONS - RESERVED_CONNECTIONS
LIMIT_S = 300.0
"""None watches for longer."""
ANSWER_S = 5.0
"""The longest wait for an answer; a bystander who waits longer has failed."""
JOIN_S = 15.0
ROLE = "bystander"
PROVISION = """
DO $$ BEGIN
IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bystander') THEN CREATE ROLE bystander LOGIN; END IF;
END $$
"""
OTHERS = """
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One attempt to log in, ask ``SELECT 1`` and leave."""

    at_s: float
    duration_s: float
    error: str | None = None
    """None: it succeeded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """One count of the server's client backends."""

    at_s: float
    others: int
    """All but the watch's own session."""

    @property
    def free(self) -> int:
        """What an ordinary role could still get: the watch's own session takes one of them."""
        return USABLE - self.others - 1


class _Onlooker:
    """A thread that does something again and again, from entering to leaving."""

    def __init__(self, *, every_s: float) -> None:
        self._every_s = every_s
        self._leaving = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def watching(self) -> bool:
        """Whether it still is."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the watching. Raises what ended it before; ``TimeoutError`` where it does not end."""
        self._leaving.set()
        self._thread.join(JOIN_S)
        if self.watching:
            raise TimeoutError(f"{self._thread.name} does not end")
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException as error:  # shown where the test stops it
            self._failure = error

    def _watch(self) -> None:
        raise NotImplementedError

    def _beats(self) -> Iterator[None]:
        """Yield at planned instants; one that is missed is left out, so that nothing piles up."""
        begun = time.monotonic()
        due = begun
        while not self._leaving.wait(max(0.0, due - time.monotonic())):
            if time.monotonic() - begun > LIMIT_S:
                raise TimeoutError(f"{self._thread.name} was not stopped within {LIMIT_S:g} s")
            yield
            due = max(due + self._every_s, time.monotonic())


class Bystander(_Onlooker):
    """Logs in as a role of its own, asks ``SELECT 1``, and leaves, every ``every_s`` seconds.

    The role ``bystander`` is provisioned by the superuser, with a password of this bystander's own.
    """

    def __init__(self, server: PostgresServer, *, every_s: float = 0.1, database: str = "netra") -> None:
        super().__init__(every_s=every_s)
        self.logins: list[Login] = []
        self._server = server
        self._database = database
        self._password = secrets.token_urlsafe(16)

    def __enter__(self) -> Self:
        self._server.execute(PROVISION, f"ALTER ROLE {ROLE} PASSWORD '{self._password}'")
        return super().__enter__()

    @property
    def failures(self) -> list[Login]:
        """The attempts that did not get through."""
        return [login for login in self.logins if login.error is not None]

    def _watch(self) -> None:
        for _ in self._beats():
            begun = time.monotonic()
            error = self._log_in()
            self.logins.append(Login(at_s=begun, duration_s=time.monotonic() - begun, error=error))

    def _log_in(self) -> str | None:
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(ANSWER_S)
                sock.connect(str(self._server.socket_path))
                connection: Any = pg8000.dbapi.Connection(  # type: ignore[no-untyped-call]
                    ROLE, database=self._database, password=self._password, sock=sock
                )
                with closing(connection), closing(connection.cursor()) as cursor:
                    cursor.execute("SELECT 1")
        except (OSError, pg8000.dbapi.Error) as error:
            return f"{server_message(error)} ({type(error).__name__})"
        return None


class SlotWatch(_Onlooker):
    """Counts client backends every ``every_s`` seconds, over one superuser session in autocommit.

    The session is there before entering ends: pg_stat_activity shows it like any other client's.
    """

    def __init__(self, server: PostgresServer, *, every_s: float = 0.02) -> None:
        super().__init__(every_s=every_s)
        self.counts: list[Slots] = []
        self._server = server

    def __enter__(self) -> Self:
        self._session = self._server.session(application_name="slot watch")
        return super().__enter__()

    @property
    def least_free(self) -> int:
        """The fewest slots that an ordinary role could get, of all counts."""
        return min(count.free for count in self.counts)

    def _watch(self) -> None:
        with closing(self._session), closing(self._session.cursor()) as cursor:
            for _ in self._beats():
                cursor.execute(OTHERS)
                counted = int(cursor.fetchone()[0])
                self.counts.append(Slots(at_s=time.monotonic(), others=counted))
