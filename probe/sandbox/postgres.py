"""The embedded PostgreSQL: real in everything but its size. It listens on Unix sockets only."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pg8000.dbapi

from probe.sandbox.binaries import SandboxError
from probe.sandbox.cluster import SUPERUSER, Cluster, start_server_program

START_S = 20.0
STOP_S = 8.0
SQL_S = 10.0
POLL_S = 0.01

STRANGER = "backend"
"""The application name of whoever else holds connections."""


class PostgresServer:
    """One postmaster on a cluster, from entering to leaving; ``start`` and ``stop`` in between.

    ``socket_path`` is where everything in front of it connects. Raises ``SandboxError`` when it does not
    start.
    """

    def __init__(self, cluster: Cluster, *, process_group: int) -> None:
        self._cluster = cluster
        self._process_group = process_group
        self._log = cluster.data / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._sessions = ExitStack()
        self.socket_path = cluster.socket_dirs[0] / ".s.PGSQL.5432"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The postmaster's. Raises ``SandboxError`` while it is stopped."""
        if self._process is None:
            raise SandboxError("PostgreSQL is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the postmaster and return once its socket answers, whatever the answer is."""
        with self._log.open("ab") as log:
            self._process = start_server_program(
                [self._cluster.home / "bin" / "postgres", "-D", self._cluster.data],
                process_group=self._process_group,
                output=log.fileno(),
                cwd=self._cluster.data,
            )
        self._until(lambda: _accepts(self.socket_path))

    def stop(self) -> None:
        """Stop at once, also when frozen: no checkpoint, since nothing here is kept."""
        self._sessions.close()
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGQUIT)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """SIGSTOP: the kernel goes on accepting connections, nobody answers them."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo ``freeze``."""
        os.kill(self.pid, signal.SIGCONT)

    def shut_down_smartly(self) -> None:
        """Begin a shutdown that waits for the held sessions; return once new ones are refused."""
        os.kill(self.pid, signal.SIGTERM)
        self.await_refusal("the database system is shutting down")

    def await_ready(self) -> None:
        """Return once a superuser can log in."""
        self._until(lambda: self._login_answer() == "")

    def await_refusal(self, message: str) -> None:
        """Return once a login is answered with ``message``."""
        self._until(lambda: self._login_answer() == message)

    def execute(self, *statements: str, database: str = SUPERUSER) -> list[Any]:
        """Run statements as the superuser, each in its own transaction; return the last one's rows."""
        rows: list[Any] = []
        with closing(self.session(database)) as connection, closing(connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall()) if cursor.description else []
        return rows

    def delay_logins(self, delay_s: int) -> None:
        """Let every login from now on take that much longer, behind the password."""
        with closing(self.session()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("SELECT pg_conf_load_time()")
            before = cursor.fetchone()
            cursor.execute(f"ALTER SYSTEM SET post_auth_delay = {delay_s}")
            cursor.execute("SELECT pg_reload_conf()")

            def reloaded() -> bool:  # the postmaster, from which new sessions have it, is first
                cursor.execute("SELECT pg_conf_load_time()")
                return bool(cursor.fetchone() != before)

            self._until(reloaded)

    def hold_sessions(self, count: int) -> None:
        """Keep ``count`` superuser sessions, as of a backend, open until the server stops."""
        for _ in range(count):
            self._until(self._holds_one_more)

    def hold_lock(self, table: str, *, database: str = SUPERUSER) -> None:
        """Keep ``table`` locked against readers until the server stops."""
        connection = self.session(database)
        self._hold(connection)
        with closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

    def session(self, database: str = SUPERUSER, *, application_name: str | None = None) -> Any:
        """Log in as the superuser and return the connection, in autocommit; the caller closes it.

        Raises ``OSError`` or ``pg8000.dbapi.Error``.
        """
        # The socket is ours, so that it is closed whatever becomes of the login.
        sock = _connect_unix(self.socket_path)
        try:
            connection: Any = pg8000.dbapi.Connection(  # type: ignore[no-untyped-call]
                SUPERUSER,
                database=database,
                password=self._cluster.superuser_password,
                sock=sock,
                application_name=application_name,
            )
        except BaseException:
            sock.close()
            raise
        connection.autocommit = True
        return connection

    def _holds_one_more(self) -> bool:
        try:
            self._hold(self.session(application_name=STRANGER))
        except pg8000.dbapi.Error:  # the slot of a session that has just ended is not free yet
            return False
        return True

    def _hold(self, connection: Any) -> None:
        def close() -> None:
            with suppress(OSError, pg8000.dbapi.Error):
                connection.close()

        self._sessions.callback(close)

    def _login_answer(self) -> str:
        try:
            self.session().close()
        except (OSError, pg8000.dbapi.Error) as error:
            return server_message(error)
        return ""

    def _until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + START_S
        while not condition():
            if time.monotonic() > end or self._process is None or self._process.poll() is not None:
                raise SandboxError(f"PostgreSQL does not come up: {_last_line(self._log)}")
            time.sleep(POLL_S)


def server_message(error: BaseException | None) -> str:
    """Return what the server said: the driver hides it behind an error of its own after a hang-up."""
    while error is not None:
        if isinstance(error, pg8000.dbapi.DatabaseError) and isinstance(error.args[0], dict):
            return str(error.args[0].get("M"))
        error = error.__context__
    return "no answer"


def _connect_unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(SQL_S)
        sock.connect(str(path))
    except BaseException:
        sock.close()
        raise
    return sock


def _accepts(path: Path) -> bool:
    try:
        _connect_unix(path).close()
    except OSError:
        return False
    return True


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"
