import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from probe.dial import paths
from probe.dial.admin_api import AdminApi
from probe.dial.clock import Deadline
from probe.dial.control import DATABASE, Control
from probe.dial.credentials import Identity
from probe.dial.failures import StageFailure
from probe.dial.keys import generate
from probe.dial.login import Session
from probe.dial.parameters import Purpose
from probe.dial.redaction import Redaction
from probe.model.target import Target, Timeouts
from probe.model.words import Failure, Path
from probe.sandbox import staging
from probe.sandbox.environment import Environment, sandbox
from tests.dial.peers import failure_of, trace

AWKWARD = "o'clock \\"


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with sandbox() as running:
        yield running


@contextlib.contextmanager
def session(
    environment: Environment, *, run_id: str = "run", database: str = DATABASE, **values: Any
) -> Iterator[Session]:
    """Over the private_ip path as the probe's own role."""
    options: dict[str, Any] = {"user": staging.ROLE} | values
    target = Target(
        name="db",
        instance=staging.INSTANCE_NAME,
        private_ip=environment.host,
        port=environment.private_front.listener.port,
        tls="disable",
        **options,
    )
    equipment = paths.Equipment(
        timeouts=Timeouts(),
        admin_api=AdminApi("http://127.0.0.1:9", Identity(metadata_expected=False, redaction=Redaction())),
        key=generate,
        run_id=run_id,
        password=environment.password,
        private_context=_tls(),
    )
    begun = trace()
    way = paths.find(begun, Path.PRIVATE_IP, target, equipment)
    purpose = Purpose(statement_s=2)
    with paths.session(begun, way, target, equipment, paths.FULL, purpose, database=database) as opened:
        yield opened


def _tls() -> Any:
    from probe.dial import tls

    return tls.private_context(server_ca_pem=None)


@contextlib.contextmanager
def control(environment: Environment, *, run_id: str = "run", **values: Any) -> Iterator[Control]:
    with session(environment, run_id=run_id, **values) as opened:
        yield Control(opened, run_id=run_id, database=staging.DATABASE)


def superuser(environment: Environment, *statements: str) -> None:
    assert environment.postgres is not None
    environment.postgres.execute(*statements)


def settled(asked: Control, ours: int = 1) -> None:
    """Wait until sessions of earlier tests have gone."""
    until = time.monotonic() + 10
    while (now := asked.headroom().headroom).ours != ours or now.others:
        assert time.monotonic() < until, now
        time.sleep(0.02)


# The lock


def test_the_lock_is_one_for_all_databases_of_the_instance(environment: Environment) -> None:
    with control(environment, run_id="first") as first:
        assert first.lock()
        with control(environment, run_id="second") as second:
            assert not second.lock()
    until = time.monotonic() + 10
    with control(environment, run_id="third") as third:
        while not third.lock():  # the first one's backend takes a moment to end
            assert time.monotonic() < until
            time.sleep(0.02)


def test_a_lock_in_another_database_would_not_be_seen(environment: Environment) -> None:
    """Why the control connection does not go to the application's database."""
    with control(environment) as here, session(environment, database=staging.DATABASE) as there:
        assert here.lock()
        assert Control(there, run_id="run", database=staging.DATABASE).lock()


# Limits


def test_the_limits_are_the_servers_the_roles_and_the_databases(environment: Environment) -> None:
    with control(environment) as asked:
        limits = asked.limits()
        assert limits.server_version.startswith("1")
        assert (limits.max_connections, limits.superuser_reserved, limits.reserved) == (25, 3, 0)
        assert (limits.role_limit, limits.database_limit, limits.usable) == (None, None, 22)
        assert not limits.superuser
        superuser(
            environment,
            f"ALTER ROLE {staging.ROLE} CONNECTION LIMIT 7",
            f"ALTER DATABASE {staging.DATABASE} CONNECTION LIMIT 9",
        )
        try:
            limits = asked.limits()
        finally:
            superuser(
                environment,
                f"ALTER ROLE {staging.ROLE} CONNECTION LIMIT -1",
                f"ALTER DATABASE {staging.DATABASE} CONNECTION LIMIT -1",
            )
    assert (limits.role_limit, limits.database_limit) == (7, 9)


def test_a_superuser_is_held_to_no_limit_of_its_own(environment: Environment) -> None:
    superuser(
        environment,
        f"CREATE ROLE chief SUPERUSER LOGIN PASSWORD '{environment.password}' CONNECTION LIMIT 4",
    )
    with control(environment, user="chief") as asked:
        limits = asked.limits()
    assert (limits.role_limit, limits.superuser) == (None, True)


def test_a_database_that_is_not_there_has_no_limit(environment: Environment) -> None:
    with session(environment) as opened:
        asked = Control(opened, run_id=AWKWARD, database=AWKWARD)
        assert asked.limits().database_limit is None
        assert asked.headroom().headroom.database == 0


# Headroom


def test_an_ordinary_role_counts_everybodys_sessions(environment: Environment) -> None:
    with control(environment) as asked:
        settled(asked)
        with session(environment, run_id="run", database=staging.DATABASE):
            superuser(environment)
            reading = asked.headroom()
    now = reading.headroom
    assert (now.ours, now.role, now.database, now.leftovers) == (2, 2, 1, 0)
    assert reading.sessions


def test_a_session_that_comes_after_the_first_reading_is_in_the_second(environment: Environment) -> None:
    """Inside a transaction pg_stat_activity is a snapshot: the second reading would be the first again."""
    with control(environment) as asked:
        settled(asked)
        before = asked.headroom().headroom
        with session(environment, run_id="another"):
            after = asked.headroom().headroom
        assert (after.others, after.role) == (before.others + 1, before.role + 1)


def test_a_snapshot_would_hide_it(environment: Environment) -> None:
    """What the test above would see, were the control connection ever to leave autocommit."""
    with session(environment) as opened:
        asked = Control(opened, run_id="run", database=staging.DATABASE)
        settled(asked)
        opened.rows("BEGIN", Deadline.after(2))
        before = asked.headroom().headroom
        with session(environment, run_id="another"):
            assert asked.headroom().headroom.others == before.others


def test_other_roles_sessions_of_which_we_see_little_count_as_well(environment: Environment) -> None:
    assert environment.postgres is not None
    with control(environment) as asked:
        settled(asked)
        before = asked.headroom().headroom
        with contextlib.closing(environment.postgres.session(application_name="\x01 stranger" * 20)):
            now = asked.headroom().headroom
            crowd = asked.crowd()
    assert (now.others, now.ours) == (before.others + 1, 1)
    ((name, count),) = crowd
    assert count == 1
    assert name.isprintable()
    assert len(name) <= 64


def test_the_crowd_is_five_names_with_the_largest_first(environment: Environment) -> None:
    assert environment.postgres is not None
    with contextlib.ExitStack() as stack:
        asked = stack.enter_context(control(environment))
        settled(asked)
        for number in range(6):
            for _ in range(2 if number == 3 else 1):
                opened = environment.postgres.session(application_name=f"app {number}")
                stack.enter_context(contextlib.closing(opened))
        crowd = asked.crowd()
    assert crowd[0] == ("app 3", 2)
    assert len(crowd) == 5


class Scripted:
    """Answers each statement with the next of these rows."""

    def __init__(self, *answers: list[list[Any]]) -> None:
        self._answers = list(answers)

    def rows(self, statement: str, deadline: Deadline) -> list[list[Any]]:
        assert statement
        assert deadline.left_s() > 0
        return self._answers.pop(0)


def scripted(*answers: list[list[Any]]) -> Control:
    return Control(Scripted(*answers), run_id="run", database="netra")


def read(left: int, pids: str, sessions: int | None = None) -> list[list[Any]]:
    return [[0, 1, 1, 0, left, pids, sessions]]


def test_what_an_earlier_run_left_counts_once_it_is_old(environment: Environment) -> None:
    with control(environment) as asked, session(environment, run_id="earlier"):
        assert asked.headroom().headroom.leftovers == 0
    assert scripted(read(2, "")).headroom().headroom.leftovers == 2


def test_a_leftover_of_unknown_age_counts_when_it_is_seen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.dial.control.LEFT_OVER_S", 0.0)
    asked = scripted(read(1, "7 8"), read(1, "8 9"))
    assert asked.headroom().headroom.leftovers == 3
    monkeypatch.undo()
    assert asked.headroom().headroom.leftovers == 1


def test_a_server_without_counted_sessions_says_so() -> None:
    assert scripted(read(0, "")).headroom().sessions is None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (Control.lock, []),
        (Control.lock, [[True], [True]]),
        (Control.limits, [["16", 25, 3]]),
        (Control.limits, [["16", "25", 3, 0, -1, -1, False]]),
        (Control.limits, [["16", 25, 3, 0, -2, -1, False]]),
        (Control.limits, [["16", 25, 3, 0, -1, -1, None]]),
        (Control.headroom, [[0, -1, 1, 0, 0, "", None]]),
        (Control.headroom, [[0, 1, 1, 0, 0, "pid", None]]),
        (Control.crowd, [["name"]]),
        (Control.crowd, [["name", None]]),
    ],
)
def test_an_answer_that_was_not_asked_for_is_no_postgresql(question: Any, answer: Any) -> None:
    asked = scripted(answer)
    assert failure_of(lambda: question(asked)) is Failure.PROTOCOL


def test_a_session_that_the_server_ended_says_why(environment: Environment) -> None:
    with control(environment) as asked:
        superuser(
            environment,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'probe/run'",
        )
        with pytest.raises(StageFailure) as raised:
            asked.headroom()
        assert raised.value.failure is Failure.TERMINATED
