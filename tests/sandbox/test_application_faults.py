"""Each fault that the application meets, seen by a visitor of the tests' own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pg8000.dbapi
import pytest
import redis
import sqlalchemy
from redis.backoff import NoBackoff
from redis.retry import Retry

from probe.sandbox.binaries import SandboxError
from probe.sandbox.crowd import Crowd
from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.faults import FAULTS
from probe.sandbox.postgres import PostgresServer
from tests.sandbox.client import (
    SSL_REQUEST,
    built_in_socket,
    dial_connector,
    dial_unix,
    log_in,
    select_one,
    settings,
    sqlstate,
)

NO_POSTGRES = "server-down"
"""Starts in a tenth of the time, where PostgreSQL plays no part."""
LIMIT_S = 15.0
SILENCE_S = 0.4
SCHEMA_CHECK = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relname IN ('users', 'threads', 'messages')
"""


def test_a_required_table_is_missing_and_the_others_are_there() -> None:
    with sandbox(["table-missing"]) as environment, _engine(environment).connect() as connection:
        assert {name for _, name in connection.exec_driver_sql(SCHEMA_CHECK)} == {"users", "threads"}
        assert "messages" in settings(environment)["startup"]["required_tables"]


def test_a_locked_catalogue_holds_the_schema_check_up_and_nothing_before_it() -> None:
    with sandbox(["schema-slow"]) as environment:
        assert list(select_one(dial_connector(environment), environment.password)[0]) == [1]
        # The stack of the application: its own questions at the first connect, then SELECT 1.
        with _engine(environment).connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
            with pytest.raises(TimeoutError):
                connection.exec_driver_sql(SCHEMA_CHECK)
            connection.invalidate()
        # Whoever looks after the server from its other database is not held up.
        with closing(log_in(_dial(environment), environment.password, database="postgres")) as other:
            assert _ask(other, "SELECT count(*) FROM pg_stat_activity")
            assert _ask(other, SCHEMA_CHECK) == []


def _engine(environment: Environment) -> sqlalchemy.Engine:
    def connect() -> Any:
        return log_in(_dial(environment), environment.password)

    return sqlalchemy.create_engine("postgresql+pg8000://", creator=connect, poolclass=sqlalchemy.NullPool)


def _dial(environment: Environment) -> socket.socket:
    return dial_unix(built_in_socket(environment))


def _ask(connection: Any, question: str) -> list[Any]:
    with closing(connection.cursor()) as cursor:
        cursor.execute(question)
        return list(cursor.fetchall())


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("cache-wrong-password", redis.AuthenticationError),
        ("cache-mute", redis.TimeoutError),
        ("neighbour-down", redis.ConnectionError),
    ],
)
def test_the_cache_lets_nobody_in(name: str, error: type[Exception]) -> None:
    with sandbox([name, NO_POSTGRES]) as environment:
        host, port = settings(environment)["startup"]["cache"]["address"].split(":")
        with (
            redis.Redis(
                host,
                int(port),
                password=environment.cache_password,
                socket_timeout=SILENCE_S,
                retry=Retry(NoBackoff(), 0),
            ) as client,
            pytest.raises(error),
        ):
            client.ping()


@pytest.mark.parametrize(
    ("name", "unwell"),
    [
        ("service-unavailable", "auth"),
        ("websocket-unready", "websocket"),
        ("application-unhealthy", "health"),
    ],
)
def test_one_endpoint_answers_503_and_the_others_do_not(name: str, unwell: str) -> None:
    with sandbox([name, NO_POSTGRES]) as environment:
        startup = settings(environment)["startup"]
        analytics, auth = startup["services"]
        websocket = startup["websocket"].replace("ws:", "http:")
        urls = {"analytics": analytics, "auth": auth, "websocket": websocket, "health": startup["health"]}
        statuses = {part: _status(url) for part, url in urls.items()}
    usual = {"analytics": 200, "auth": 200, "websocket": 426, "health": 200}
    assert statuses == usual | {unwell: 503}


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=3) as response:  # noqa: S310 - the sandbox's own address
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_variable_that_the_settings_demand_is_not_set() -> None:
    with sandbox(["secret-missing", NO_POSTGRES]) as environment:
        assert settings(environment)["startup"]["secrets"] == ["JWT_SECRET_KEY"]
        assert "JWT_SECRET_KEY" not in environment.environ


@pytest.mark.parametrize(
    ("name", "sessions", "words"),
    [
        ("slots-crowded", 7, "remaining connection slots are reserved"),
        ("role-limit-small", 4, "too many connections for role"),
        ("database-limit-small", 6, "too many connections for database"),
    ],
)
def test_so_many_sessions_and_no_more(name: str, sessions: int, words: str) -> None:
    with sandbox([name]) as environment, _sessions(environment, sessions):
        code, message = sqlstate(dial_connector(environment), environment.password)
        assert (code, words in message) == ("53300", True)


def test_the_slots_are_held_by_a_backend() -> None:
    with sandbox(["slots-crowded"]) as environment:
        assert environment.postgres is not None
        assert _backends(environment.postgres) == 15


@contextmanager
def _sessions(environment: Environment, count: int, **arguments: Any) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            connection = log_in(_dial(environment), environment.password, **arguments)
            stack.enter_context(closing(connection))
        yield


def _backends(server: PostgresServer) -> int:
    question = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backend'"
    return int(server.execute(question)[0][0])


def test_a_slow_login_answers_the_sslrequest_at_once_and_gets_through_in_the_end() -> None:
    with sandbox(["login-slow"]) as environment:
        with dial_connector(environment) as tls:
            tls.sendall(SSL_REQUEST)
            assert tls.recv(1) == b"N"
        sock = dial_connector(environment)
        sock.settimeout(LIMIT_S)
        begun = time.monotonic()
        assert list(select_one(sock, environment.password)[0]) == [1]
        assert time.monotonic() - begun >= 3


def test_a_crowd_takes_every_slot_once_the_probe_has_four_sessions() -> None:
    with sandbox() as environment:
        server = environment.postgres
        assert server is not None
        with Crowd(server, at=4) as crowd, _sessions(environment, 3, application_name="probe/pool"):
            assert not crowd.came.wait(0.2)
            with _sessions(environment, 1, application_name="probe/pool"):
                assert crowd.came.wait(LIMIT_S)
                assert _refuses(environment)
            # What the probe lets go of is free again. Nobody sees the crowd: it is about to log in.
            _await(lambda: not _refuses(environment))
            assert _backends(server) == 1
        _await(lambda: _climb(environment, 20) == 20)


def test_who_climbs_step_by_step_beside_a_crowd_is_refused_early() -> None:
    with sandbox(["crowd"]) as environment:
        assert 4 <= _climb(environment, 20, pause_s=0.1) < 20


def _climb(environment: Environment, wanted: int, *, pause_s: float = 0.0) -> int:
    """How many sessions of the probe's come about, held side by side, before one is refused."""
    with ExitStack() as sessions:
        for climbed in range(wanted):
            try:
                sessions.enter_context(_sessions(environment, 1, application_name="probe/pool"))
            except pg8000.dbapi.Error:
                return climbed
            time.sleep(pause_s)
    return wanted


def test_a_crowd_does_not_mind_other_sessions() -> None:
    with sandbox(["crowd"]) as environment:
        server = environment.postgres
        assert server is not None
        _await(lambda: _backends(server) == 1)
        with (
            _sessions(environment, 6, application_name="somebody"),
            _sessions(environment, 6, application_name="probe/pool", database="postgres"),
        ):
            time.sleep(0.2)
            assert _backends(server) == 1


def _refuses(environment: Environment) -> bool:
    try:
        select_one(_dial(environment), environment.password)
    except pg8000.dbapi.Error:
        return True
    return False


SLEEPER = "import time; time.sleep(60)"


@pytest.mark.skipif(FAULTS["rehearsal-killed"].needs() is not None, reason="processes cannot be watched here")
def test_the_rehearsal_is_killed_and_nobody_else() -> None:
    with sandbox(["rehearsal-killed", NO_POSTGRES]) as environment, ExitStack() as stack:

        def start(*words: str, group: int) -> subprocess.Popen[bytes]:
            process = subprocess.Popen([sys.executable, "-c", SLEEPER, *words], process_group=group)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        ours = environment.process_group
        spared = [
            start("probe.rehearsal", "load", group=ours),
            start("probe", "startup", group=ours),
            start("probe.rehearsal", "startup", group=os.getpgrp()),
        ]
        for _ in range(2):
            assert start("probe.rehearsal", "startup", "7", group=ours).wait(LIMIT_S) == -signal.SIGKILL
        assert [process.poll() for process in spared] == [None, None, None]


def test_faults_of_the_database_that_exclude_each_other_are_told_in_one_line() -> None:
    with (
        pytest.raises(SandboxError, match="these faults cannot be had together"),
        sandbox(["schema-slow", "database-missing"]),
    ):
        pass


def _await(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
