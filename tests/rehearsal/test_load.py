import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from probe.dial.clock import Deadline
from probe.dial.parameters import Known, Purpose
from probe.model.ramp import AcquisitionOutcome
from probe.model.target import Target
from probe.model.words import Failure, Path
from probe.rehearsal.child import Child
from probe.rehearsal.load_request import EXIT_ALONE, LoadRequest
from probe.rehearsal.messages import Event
from probe.rehearsal.way import WayIn
from probe.sandbox import staging
from probe.sandbox.environment import Environment, sandbox

LONG_S = 30.0
NEVER = threading.Event()
ACQUIRED = AcquisitionOutcome.ACQUIRED


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with sandbox() as running:
        yield running


def asked(environment: Environment, **values: Any) -> LoadRequest:
    target = Target(
        name="db",
        instance=staging.INSTANCE_NAME,
        private_ip=environment.host,
        port=environment.private_front.listener.port,
        database=staging.DATABASE,
        user=staging.ROLE,
    )
    way: dict[str, Any] = {
        "target": target,
        "path": Path.PRIVATE_IP,
        "run_id": "load",
        "purpose": Purpose(statement_s=5),
        "password": environment.password,
        "host": environment.host,
        "connector_wait_s": 5.0,
        "sqladmin_endpoint": environment.admin_api.endpoint,
    }
    way |= {name: values.pop(name) for name in tuple(values) if name in way}
    defaults: dict[str, Any] = {
        "way": WayIn(**way),
        "known": Known.ALL,
        "pools": 1,
        "pool_size": 2,
        "max_overflow": 1,
        "wait_s": 20.0,
        "recycle_s": 1800.0,
        "pre_ping": True,
        "first_query": False,
        "metadata_expected": False,
    }
    return LoadRequest(**defaults | values)


class Told:
    """A load and what it has said so far."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.events: list[Event] = []

    def until(self, done: Callable[[], bool]) -> None:
        stayed = time.monotonic()
        for event in self.child.events(Deadline.after(LONG_S), NEVER):
            if event is not None:
                self.events.append(event)
            if done():
                return
            if time.monotonic() - stayed > 0.5:
                self.child.send({"do": "stay"})
                stayed = time.monotonic()
        raise AssertionError(f"{[event.kind for event in self.events]}\n{self.child.last_words()}")

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def count(self, kind: str, count: int = 1) -> None:
        self.until(lambda: len(self.of(kind)) >= count)

    def open(self, *workers: int, allowed: int) -> None:
        now_ns = time.monotonic_ns()
        self.child.send(
            {"do": "open", "workers": workers, "step": 1, "intended_ns": now_ns, "allowed": allowed}
        )

    def exit_code(self) -> int | None:
        """Once it has ended: its last word is not its end."""
        until_s = time.monotonic() + LONG_S
        while (code := self.child.exit_code()) is None and time.monotonic() < until_s:
            time.sleep(0.02)
        return code

    def outcomes(self) -> list[str]:
        return [event.fields["outcome"] for event in self.of("ended")]


@contextlib.contextmanager
def load(request: LoadRequest) -> Iterator[Told]:
    with Child("load", request) as child:
        told = Told(child)
        told.count("ready")
        yield told


def sessions(environment: Environment) -> int:
    assert environment.postgres is not None
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'probe/load'"
    return int(environment.postgres.execute(count)[0][0])


def await_sessions(environment: Environment, count: int) -> None:
    until = time.monotonic() + 10
    while sessions(environment) != count:
        assert time.monotonic() < until, sessions(environment)
        time.sleep(0.02)


def test_workers_open_hold_hand_over_and_let_go(environment: Environment) -> None:
    with load(asked(environment)) as told:
        told.open(0, 1, 2, allowed=3)
        told.count("ended", 3)
        assert told.outcomes() == [ACQUIRED] * 3
        assert all(event.fields["connect_s"] > 0 for event in told.of("ended"))
        assert sessions(environment) == 3
        told.child.send({"do": "fill"})
        told.count("filled")
        told.open(3, 4, allowed=0)
        told.count("asked", 5)
        time.sleep(0.2)
        assert len(told.of("ended")) == 3
        told.child.send({"do": "hand_over"})
        told.count("ended", 5)
        assert told.outcomes() == [ACQUIRED] * 5
        assert [event.fields["connect_s"] for event in told.of("ended")[3:]] == [None, None]
        assert len(told.of("opened")) == 3
        told.child.send({"do": "release"})
        told.count("released")
        assert len(told.of("closed")) == 3
        await_sessions(environment, 0)
        assert told.exit_code() == 0


def test_no_worker_gets_past_the_gate(environment: Environment) -> None:
    with load(asked(environment)) as told:
        told.open(0, 1, 2, allowed=2)
        told.count("ended", 3)
        assert sorted(told.outcomes()) == sorted([ACQUIRED, ACQUIRED, AcquisitionOutcome.CUT_OFF])
        assert sessions(environment) == 2


def test_a_pool_that_closes_a_connection_may_open_another_for_whoever_waits(
    environment: Environment,
) -> None:
    with load(asked(environment, recycle_s=1.0)) as told:
        told.open(0, allowed=1)
        told.count("ended")
        told.child.send({"do": "fill"})
        told.count("filled")
        told.open(1, allowed=1)
        told.count("asked", 2)
        time.sleep(1.5)
        told.child.send({"do": "hand_over"})
        told.count("ended", 2)
        assert told.outcomes() == [ACQUIRED, ACQUIRED]
        assert len(told.of("opening")) == len(told.of("opened")) == 2


def test_places_that_are_not_allowed_are_filled_with_nobody(environment: Environment) -> None:
    with load(asked(environment, wait_s=0.3)) as told:
        told.open(0, allowed=1)
        told.count("ended")
        told.child.send({"do": "fill"})
        told.open(1, 2, 3, allowed=0)
        told.count("ended", 4)
        assert told.outcomes()[1:] == [AcquisitionOutcome.TIMED_OUT] * 3
        assert (
            "QueuePool limit of size 2 overflow 1 reached" in told.of("ended")[1].fields["error"]["message"]
        )
        assert sessions(environment) == 1


def test_a_held_connection_outlives_the_servers_time_out_for_idle_ones(environment: Environment) -> None:
    with load(asked(environment, purpose=Purpose(statement_s=5, idle_s=3.0))) as told:
        told.open(0, allowed=1)
        told.count("ended")
        until = time.monotonic() + 5
        told.until(lambda: time.monotonic() > until)
        assert not told.of("lost")
        assert sessions(environment) == 1


def test_a_load_that_hears_nothing_lets_go_by_itself(environment: Environment) -> None:
    with load(asked(environment)) as told:
        told.open(0, 1, allowed=2)
        told.count("ended", 2)
        await_sessions(environment, 0)
        for _event in told.child.events(Deadline.after(5), NEVER):
            pass
        assert told.child.exit_code() == EXIT_ALONE


def test_a_connection_that_breaks_says_why(environment: Environment) -> None:
    assert environment.postgres is not None
    with load(asked(environment)) as told:
        told.open(0, allowed=1)
        told.count("ended")
        environment.postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'probe/load'"
        )
        told.count("lost")
        assert told.of("lost")[0].fields["failure"] in {Failure.TERMINATED, Failure.CLOSED}


def test_every_pool_of_a_herd_gets_one_worker_and_its_first_answer(environment: Environment) -> None:
    herd = asked(environment, pools=3, pool_size=1, max_overflow=0, first_query=True)
    with load(herd) as told:
        told.open(0, 1, 2, allowed=3)
        told.count("ended", 3)
        assert told.outcomes() == [ACQUIRED] * 3


@pytest.mark.parametrize(
    ("values", "failure"),
    [
        ({"password": "wrong-password"}, Failure.PASSWORD_REJECTED),
        ({"path": Path.SOCKET}, Failure.SOCKET_MISSING),
    ],
)
def test_what_a_worker_runs_into_is_classified(
    environment: Environment, values: dict[str, Any], failure: Failure
) -> None:
    with load(asked(environment, **values)) as told:
        told.open(0, allowed=1)
        told.count("ended")
        (ended,) = told.of("ended")
    assert (ended.fields["outcome"], ended.fields["failure"]) == (AcquisitionOutcome.FAILED, failure)
    assert ended.fields["error"]["message"]
    assert "wrong-password" not in str(ended.fields)


def test_a_mistake_of_ours_is_told_as_one(environment: Environment) -> None:
    with load(asked(environment, purpose="not a purpose")) as told:
        told.open(0, allowed=1)
        told.count("ended")
        (ended,) = told.of("ended")
    assert ended.fields["failure"] is None
    assert "statement_s" in ended.fields["error"]["message"]
