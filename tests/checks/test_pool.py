import contextlib
import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as File
from typing import Any

import pg8000.dbapi
import pytest

from probe.model.application import Application
from probe.model.ramp import AcquisitionOutcome, Ramp, Saturation, StopReason
from probe.model.words import Check, Failure, Outcome, Path, SkipReason
from probe.sandbox import staging
from probe.sandbox.child_environ import refused_credentials
from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.listener import Listener
from probe.sandbox.relay import relay
from probe.sandbox.streams import PlainStream
from tests.checks.ramp.ramping import (
    PATIENT,
    Ramping,
    altered,
    await_none_of_ours,
    load_pid,
    once,
    ramped,
    request,
    request_to,
    server,
)
from tests.dial.peers import silent
from tests.dial.token_server import TokenServer, use_account
from tests.sandbox.bystander import Bystander, SlotWatch

HOLDS_LONG = replace(PATIENT, hold_s=30.0)
HARMED = "a login of somebody else failed"


@pytest.fixture(scope="module", autouse=True)
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For the connector path: a service account, whose token endpoint is ours."""
    folder = tmp_path_factory.mktemp("account")
    with TokenServer() as tokens, pytest.MonkeyPatch.context() as environ:
        made = refused_credentials(folder, "http://127.0.0.1:9/token")
        use_account(environ, made, folder / "key.json", tokens)
        yield


@pytest.fixture(scope="module")
def running() -> Iterator[Environment]:
    with sandbox() as environment:
        yield environment


@pytest.fixture
def environment(running: Environment) -> Environment:
    await_none_of_ours(running)
    return running


@contextlib.contextmanager
def onlookers(environment: Environment) -> Iterator[SlotWatch]:
    """A stranger who logs in every 100 ms must never fail, and five slots must always be free."""
    assert environment.postgres is not None
    with SlotWatch(environment.postgres) as watch, Bystander(environment.postgres) as bystander:
        yield watch
    assert bystander.logins
    assert not bystander.failures, HARMED
    assert watch.least_free >= PATIENT.keep_free


def waits(of: Ramp) -> list[float]:
    return [one.wait_s for one in of.acquisitions if one.connect_s is None]


# The promise


@pytest.mark.parametrize("path", [Path.PRIVATE_IP, Path.CONNECTOR, Path.SOCKET])
def test_a_guarded_ramp_stops_where_others_need_the_slots(environment: Environment, path: Path) -> None:
    with onlookers(environment):
        observation, found = ramped(request(environment, path=path))
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.KEEP_FREE)
    assert found.limits is not None
    assert found.before is not None
    assert (found.limits.usable, found.before.ours, found.wanted, found.workers) == (22, 1, 25, 35)
    assert 4 <= found.held <= 22 - 5 - 2
    assert (found.left_behind, found.parameters_refused, found.overloaded) == (0, False, False)
    assert found.released_s is not None
    assert [step.number for step in found.steps] == list(range(1, len(found.steps) + 1))
    assert found.steps[-1].held == found.held
    assert len(found.canaries) == len(found.steps) + 1
    assert not [canary.failure for canary in found.canaries if canary.failure]
    opened = [one for one in found.acquisitions if one.connect_s is not None]
    assert len(opened) == found.held
    assert found.recovery_s is not None
    assert len(waits(found)) == 35 - found.held
    assert min(waits(found)) >= PATIENT.hold_s
    assert {one.outcome for one in found.acquisitions} == {AcquisitionOutcome.ACQUIRED}
    await_none_of_ours(environment, within_s=3)


def test_a_burst_is_held_and_let_go_as_far_as_the_guard_allows(environment: Environment) -> None:
    with onlookers(environment):
        observation, found = ramped(request(environment, check=Check.CAPACITY))
    assert (observation.outcome, found.wanted, found.workers) == (Outcome.PASSED, 30, 30)
    assert found.stopped is StopReason.KEEP_FREE
    assert len(found.acquisitions) == found.held > 0
    assert found.recovery_s is None


def test_every_instance_of_a_herd_gets_its_first_answer(environment: Environment) -> None:
    small = replace(Application(), max_instances=6)
    observation, found = ramped(request(environment, check=Check.HERD, application=small))
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.COMPLETE)
    assert (found.held, found.wanted, found.left_behind) == (6, 6, 0)


def test_a_pool_that_fits_is_filled_and_its_queue_is_measured(environment: Environment) -> None:
    small = replace(Application(), pool_size=2, max_overflow=2)
    _, found = ramped(request(environment, application=small, pool=replace(PATIENT, workers=9)))
    assert (found.stopped, found.held, len(waits(found))) == (StopReason.COMPLETE, 4, 5)


def test_a_worker_that_waits_longer_than_the_pool_lets_it_times_out(environment: Environment) -> None:
    impatient = replace(Application(), pool_size=2, max_overflow=0, pool_timeout_cloud_sql_s=0.2)
    patient = replace(PATIENT, workers=4, hold_s=1.0)
    observation, found = ramped(request(environment, application=impatient, pool=patient))
    assert observation.outcome is Outcome.PASSED
    late = [one for one in found.acquisitions if one.outcome is AcquisitionOutcome.TIMED_OUT]
    assert len(late) == 2
    assert all(one.wait_s >= 0.2 and one.failure is Failure.TIMEOUT and one.error for one in late)
    assert found.recovery_s is None


# One at a time


def test_of_two_probes_at_different_databases_one_is_told(environment: Environment) -> None:
    first = Ramping(request(environment, pool=HOLDS_LONG), at_held=3)
    first.await_reached()
    observation, second = ramped(request(environment, run_id="second", database="postgres"))
    assert (observation.outcome, observation.skip_reason) == (Outcome.SKIPPED, SkipReason.BUSY)
    assert (second.stopped, second.held, second.limits) == (None, 0, None)
    list(first.sampling.cut_off(SkipReason.INTERRUPTED))


# Logins that the server names nowhere


def test_logins_that_are_never_answered_are_left_behind_and_no_success(environment: Environment) -> None:
    """Sessions go on, and no new one comes about: nothing but the logins themselves shows it."""
    server = environment.postgres
    assert server is not None
    try:
        stop = once(lambda: os.kill(server.pid, signal.SIGSTOP))
        brief = replace(PATIENT, budget_s=8.0)  # it is over before any login has had its own
        observation, found = ramped(request(environment, pool=brief, stepped=stop))
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert (observation.outcome, observation.failure) == (Outcome.FAILED, Failure.TIMEOUT)
    assert (found.stopped, found.released_s, found.harmless) == (StopReason.BUDGET, None, False)
    assert found.left_behind == found.unanswered > 0
    assert found.error


# Limits that are no slots


def test_the_limit_of_our_own_role_stops_a_ramp(environment: Environment) -> None:
    role = staging.ROLE
    with altered(
        environment, f"ALTER ROLE {role} CONNECTION LIMIT 4", f"ALTER ROLE {role} CONNECTION LIMIT -1"
    ):
        observation, found = ramped(request(environment, pool=replace(PATIENT, own_role=True)))
        _, shared = ramped(request(environment))
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.ROLE_LIMIT)
    assert found.limits is not None
    assert (found.limits.role_limit, found.held) == (4, 2)
    assert (shared.stopped, shared.held) == (StopReason.ROLE_LIMIT, 0)


def test_whoever_needs_the_role_as_well_gets_it_back_at_once(environment: Environment) -> None:
    """Of the server's slots there are plenty: nothing but the role is short."""
    alter = f"ALTER ROLE {staging.ROLE} CONNECTION LIMIT"
    with altered(environment, f"{alter} 11", f"{alter} -1"), contextlib.ExitStack() as stack:
        going = Ramping(request(environment, pool=HOLDS_LONG), at_held=3)
        going.await_reached()
        begun = time.monotonic()
        for _ in range(3):
            stack.enter_context(contextlib.closing(session_of_the_role(environment)))
        observation, found = going.end()
        assert time.monotonic() - begun < 15
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.ROLE_LIMIT)
    assert (found.held, found.left_behind) == (3, 0)
    assert "another" in dict(found.crowd)


def session_of_the_role(environment: Environment) -> Any:
    return pg8000.dbapi.connect(  # type: ignore[no-untyped-call]
        user=staging.ROLE,
        password=environment.password,
        database=staging.DATABASE,
        host=environment.host,
        port=environment.private_front.listener.port,
        application_name="another",
    )


def test_what_an_earlier_ramp_of_this_run_left_counts_as_ours(environment: Environment) -> None:
    assert environment.postgres is not None
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            left = environment.postgres.session(application_name="probe/run")
            stack.enter_context(contextlib.closing(left))
        _, found = ramped(request(environment))
    assert found.before is not None
    assert (found.before.others, found.before.ours) == (0, 5)
    assert (found.stopped, found.allowed, found.held) == (StopReason.KEEP_FREE, 10, 10)
    assert found.left_behind == 4


def test_the_limit_of_the_database_stops_a_ramp(environment: Environment) -> None:
    alter = f"ALTER DATABASE {staging.DATABASE} CONNECTION LIMIT"
    with altered(environment, f"{alter} 10", f"{alter} -1"):
        observation, found = ramped(request(environment))
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.DATABASE_LIMIT)
    assert found.limits is not None
    assert (found.limits.database_limit, found.held) == (10, 3)


def test_where_others_hold_the_slots_no_connection_is_opened() -> None:
    with sandbox(["slots-crowded"]) as environment:
        observation, found = ramped(request(environment))
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.KEEP_FREE)
    assert (found.held, found.allowed, found.acquisitions, found.left_behind) == (0, 0, (), 0)
    assert found.before is not None
    assert found.before.others == 15
    assert found.crowd == (("backend", 15),)


# What ends a ramp


def test_the_first_connection_without_a_slot_ends_a_ramp(environment: Environment) -> None:
    assert environment.postgres is not None
    limit = f"ALTER ROLE {staging.ROLE} CONNECTION LIMIT"
    server = environment.postgres
    with altered(environment, f"{limit} -1", f"{limit} -1"):
        stepped = once(lambda: server.execute(f"{limit} 5"))
        observation, found = ramped(request(environment, stepped=stepped))
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.REFUSED)
    refused = [one for one in found.acquisitions if one.outcome is AcquisitionOutcome.REFUSED]
    assert refused
    assert refused[0].failure is Failure.ROLE_LIMIT
    assert found.error == refused[0].error
    assert found.error is not None
    assert found.error.sqlstate == "53300"
    assert found.left_behind == 0


def test_a_canary_that_does_not_get_through_ends_a_ramp(environment: Environment) -> None:
    assert environment.postgres is not None
    limit = f"ALTER ROLE {staging.ROLE} CONNECTION LIMIT"
    server = environment.postgres
    with altered(environment, f"{limit} -1", f"{limit} -1"):
        stepped = once(lambda: server.execute(f"{limit} 4"))
        observation, found = ramped(request(environment, stepped=stepped))
    assert (observation.outcome, observation.failure) == (Outcome.FAILED, Failure.ROLE_LIMIT)
    assert (found.stopped, found.left_behind) == (StopReason.CANARY_FAILED, 0)
    assert [canary.failure for canary in found.canaries] == [None, Failure.ROLE_LIMIT]


def test_a_crowd_that_no_reading_shows_is_noticed_by_the_canary() -> None:
    with sandbox(["crowd"]) as environment:
        observation, found = ramped(request(environment))
    outcomes = {StopReason.CANARY_FAILED: Outcome.FAILED, StopReason.REFUSED: Outcome.PASSED}
    assert found.stopped in outcomes
    assert observation.outcome is outcomes[found.stopped]
    assert found.left_behind == 0


def test_everything_is_let_go_when_others_need_the_slots_that_are_held(environment: Environment) -> None:
    assert environment.postgres is not None
    with contextlib.ExitStack() as stack:
        going = Ramping(request(environment, pool=HOLDS_LONG), at_held=9)
        going.await_reached()
        begun = time.monotonic()
        for _ in range(8):
            stack.enter_context(contextlib.closing(environment.postgres.session(application_name="app")))
        observation, found = going.end()
        assert time.monotonic() - begun < 10
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.KEEP_FREE)
    assert found.left_behind == 0
    assert [name for name, _count in found.crowd] == ["app"]  # they came after the first reading


def test_a_ramp_that_has_become_too_large_lets_go_and_does_not_hold(environment: Environment) -> None:
    """Thirteen came and went: they may come again, and would find the slots taken that they had."""
    server = environment.postgres
    assert server is not None

    def crowd() -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(13):
                stack.enter_context(contextlib.closing(server.session(application_name="app")))
            time.sleep(0.5)  # some readings' time
        time.sleep(0.5)  # and they are seen to have gone

    begun = time.monotonic()
    observation, found = ramped(request(environment, pool=HOLDS_LONG, stepped=once(crowd)))
    assert time.monotonic() - begun < HOLDS_LONG.hold_s
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.KEEP_FREE)
    assert (found.held, len(found.acquisitions), found.left_behind) == (3, 3, 0)


@contextlib.contextmanager
def swallowing(environment: Environment, first: int, last: int) -> Iterator[int]:
    """A way on which these connections, counted from 1, are accepted and never answered: its port."""
    front = environment.private_front.listener
    numbers = itertools.count(1)

    def serve(client: socket.socket) -> None:
        if first <= next(numbers) <= last:
            silent(client)
            return
        with socket.create_connection((front.host, front.port)) as upstream:
            relay(PlainStream(client), PlainStream(upstream))

    with socket.socket() as bound:
        bound.bind((environment.host, 0))
        with Listener(bound, serve) as listener:
            yield listener.port


BEFORE_THE_SECOND_STEP = 1 + 1 + 3 + 1
"""The control connection, a canary, the first step and the canary after it."""


@pytest.mark.parametrize(("last", "stopped"), [(9, StopReason.FAILED), (10**6, StopReason.CANARY_FAILED)])
def test_a_step_that_hangs_ends_the_ramp_within_a_connections_budget(
    environment: Environment, last: int, stopped: StopReason
) -> None:
    with swallowing(environment, BEFORE_THE_SECOND_STEP + 1, last) as port:
        asked = request_to(server(environment, port=port), pool=HOLDS_LONG)
        hasty = replace(asked.equipment, timeouts=replace(asked.equipment.timeouts, connection_s=3.0))
        begun = time.monotonic()
        observation, found = ramped(replace(asked, equipment=hasty))
    assert time.monotonic() - begun < 20
    assert (observation.outcome, observation.failure) == (Outcome.FAILED, Failure.TIMEOUT)
    assert (found.stopped, found.held) == (stopped, 3)
    swallowed = 0 if last == 9 else 3 + 1  # where others are answered, ours will have been as well
    assert (found.left_behind, found.unanswered) == (swallowed, swallowed)
    assert found.error
    cut_off = [one for one in found.acquisitions if one.outcome is AcquisitionOutcome.CUT_OFF]
    assert len(cut_off) == 3
    beside = found.canaries[2:]
    assert beside
    assert {canary.failure is None for canary in beside} == {stopped is StopReason.FAILED}


@contextlib.contextmanager
def throttled(environment: Environment) -> Iterator[int]:
    """A way on which each connection that is open already holds the next one up: its port."""
    front = environment.private_front.listener

    def serve(client: socket.socket) -> None:
        time.sleep(0.15 * listener.sessions)
        with socket.create_connection((front.host, front.port)) as upstream:
            relay(PlainStream(client), PlainStream(upstream))

    with socket.socket() as bound:
        bound.bind((environment.host, 0))
        with Listener(bound, serve) as listener:
            yield listener.port


def test_a_ramp_that_makes_connecting_slower_ends(environment: Environment) -> None:
    with throttled(environment) as port:
        asked = request_to(server(environment, port=port), pool=replace(PATIENT, slower_s=0.2))
        observation, found = ramped(asked)
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.SLOWER)
    assert 3 < found.held < found.allowed


def test_a_ramp_goes_on_where_connecting_becomes_no_slower_than_the_settings_mind(
    environment: Environment,
) -> None:
    with throttled(environment) as port:
        asked = request_to(server(environment, port=port), pool=replace(PATIENT, slower_s=30.0))
        _observation, found = ramped(asked)
    assert found.stopped is not StopReason.SLOWER
    assert found.held == found.allowed


def test_a_ramp_ends_with_its_budget(environment: Environment) -> None:
    begun = time.monotonic()
    observation, found = ramped(request(environment, pool=replace(HOLDS_LONG, budget_s=8.0)))
    assert time.monotonic() - begun < 16
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.BUDGET)
    assert found.left_behind == 0
    late = [one for one in found.acquisitions if one.outcome is AcquisitionOutcome.CUT_OFF]
    assert all(one.finished_ns > one.started_ns for one in late)


def test_a_server_that_ends_the_control_connection_ends_the_ramp(environment: Environment) -> None:
    assert environment.postgres is not None
    going = Ramping(request(environment, pool=HOLDS_LONG), at_held=6)
    going.await_reached()
    environment.postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name LIKE 'probe/%' AND datname = 'postgres'"
    )
    observation, found = going.end()
    assert (observation.outcome, observation.failure) == (Outcome.FAILED, Failure.TERMINATED)
    assert (found.stopped, found.left_behind) == (StopReason.CONTROL_LOST, None)
    await_none_of_ours(environment, within_s=3)


def test_a_connection_that_breaks_while_it_is_held_ends_the_ramp(environment: Environment) -> None:
    assert environment.postgres is not None
    going = Ramping(request(environment, pool=HOLDS_LONG), at_held=6)
    going.await_reached()
    environment.postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name LIKE 'probe/%' AND datname = 'netra' LIMIT 1"
    )
    observation, found = going.end()
    assert (observation.outcome, found.stopped) == (Outcome.FAILED, StopReason.FAILED)
    assert observation.failure in {Failure.TERMINATED, Failure.CLOSED}
    assert found.left_behind == 0


# Whatever happens, the slots come free


def test_a_ramp_that_is_cut_off_lets_go_within_two_seconds(environment: Environment) -> None:
    going = Ramping(request(environment, pool=HOLDS_LONG), at_held=9)
    going.await_reached()
    (cut_off,) = going.sampling.cut_off(SkipReason.INTERRUPTED)
    await_none_of_ours(environment, within_s=2)
    assert (cut_off.outcome, cut_off.skip_reason) == (Outcome.SKIPPED, SkipReason.INTERRUPTED)
    assert isinstance(cut_off.result, Ramp)
    assert cut_off.result.held >= 9
    assert cut_off.result.steps
    assert cut_off.result.limits


def test_a_load_that_is_killed_is_the_probes_own_fault(environment: Environment) -> None:
    going = Ramping(request(environment, pool=HOLDS_LONG), at_held=9)
    going.await_reached()
    os.kill(load_pid(), signal.SIGKILL)
    observation, found = going.end()
    assert observation.outcome is Outcome.CRASHED
    assert observation.error
    last_line = observation.error.message.strip().splitlines()[-1]
    assert last_line == "RuntimeError: the load was killed by signal 9 (SIGKILL): it said nothing"
    assert found.held >= 9
    await_none_of_ours(environment, within_s=3)


def test_a_load_that_is_frozen_is_overload_and_no_database(environment: Environment) -> None:
    quick = replace(HOLDS_LONG, start_delay_s=3.0)
    going = Ramping(request(environment, pool=quick), at_held=9)
    going.await_reached()
    frozen = load_pid()
    os.kill(frozen, signal.SIGSTOP)
    observation, found = going.end()
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.OVERLOADED)
    assert (found.overloaded, found.left_behind) == (True, 0)
    assert not File(f"/proc/{frozen}").exists()


def test_a_load_that_was_frozen_for_a_second_is_not_believed(environment: Environment) -> None:
    going = Ramping(request(environment, pool=replace(HOLDS_LONG, start_delay_s=0.8)), at_held=3)
    if going.reached.wait(20) and not going.observations:
        with contextlib.suppress(ProcessLookupError, AssertionError):
            frozen = load_pid()
            os.kill(frozen, signal.SIGSTOP)
            time.sleep(1.2)
            os.kill(frozen, signal.SIGCONT)
    _, found = going.end()
    assert (found.stopped, found.overloaded) == (StopReason.OVERLOADED, True)


def test_a_ramp_that_was_away_itself_blames_nobody_for_what_was_lost_meanwhile(
    environment: Environment,
) -> None:
    """The control connection ends as well; that is what our absence did."""
    server = environment.postgres
    assert server is not None

    def away() -> None:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'probe/%' AND datname = 'postgres'"
        )
        time.sleep(2.5)

    asked = request(environment, pool=replace(HOLDS_LONG, start_delay_s=2.0), stepped=once(away))
    observation, found = ramped(asked)
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.OVERLOADED)
    assert (found.overloaded, found.left_behind) == (True, None)
    assert found.lag_s >= 2.5


def test_a_ramp_whose_time_is_over_at_once_waits_for_no_child(environment: Environment) -> None:
    observation, found = ramped(request(environment, pool=replace(PATIENT, budget_s=0.7)))
    assert (observation.outcome, found.stopped, found.held) == (Outcome.PASSED, StopReason.BUDGET, 0)
    assert found.acquisitions == ()


# All the way up


def test_full_saturation_counts_who_was_refused_and_lasts_two_seconds_at_most(
    environment: Environment,
) -> None:
    assert environment.postgres is not None
    with SlotWatch(environment.postgres) as watch:
        greedy = replace(PATIENT, saturation_hold_s=30.0)
        asked = request(environment, check=Check.CAPACITY, saturation=Saturation.FULL, pool=greedy)
        observation, found = ramped(asked)
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.COMPLETE)
    assert (found.saturation, found.left_behind) == (Saturation.FULL, 0)
    outcomes = [one.outcome for one in found.acquisitions]
    assert outcomes.count(AcquisitionOutcome.REFUSED) >= 30 - 22
    assert outcomes.count(AcquisitionOutcome.ACQUIRED) == found.held >= 15
    few = [count.at_s for count in watch.counts if count.free < PATIENT.keep_free]
    assert few[-1] - few[0] < 2 + 3
    assert found.canaries[-1].failure in {Failure.SLOTS_EXHAUSTED, Failure.ONLY_RESERVED_SLOTS}


@contextlib.contextmanager
def silenced(environment: Environment, silence: threading.Event) -> Iterator[int]:
    """A way on which the application's database hears nothing any more, once that is set: its port."""
    front = environment.private_front.listener

    def serve(client: socket.socket) -> None:
        begun: list[bytes] = []

        def hear(sent: bytes) -> bytes:
            begun.append(sent)
            of_the_application = staging.DATABASE.encode() in begun[0]
            return b"" if silence.is_set() and of_the_application else sent

        with socket.create_connection((front.host, front.port)) as upstream:
            relay(PlainStream(client), PlainStream(upstream), intercept=hear)

    with socket.socket() as bound:
        bound.bind((environment.host, 0))
        with Listener(bound, serve) as listener:
            yield listener.port


def test_full_saturation_waits_for_no_server_that_has_become_slow(environment: Environment) -> None:
    """Those that wait for their turn do not get it, and those that close do not get to."""
    assert environment.postgres is not None
    silence = threading.Event()
    brief = replace(PATIENT, saturation_hold_s=0.5)
    eighteen = replace(Application(), pool_size=18, max_overflow=0)
    with silenced(environment, silence) as port, SlotWatch(environment.postgres) as watch:
        asked = request_to(server(environment, port=port), pool=brief, application=eighteen)
        asked = replace(
            asked,
            saturation=Saturation.FULL,
            stepped=once(silence.set),
            target=replace(asked.target, tls="disable"),
            equipment=replace(asked.equipment, private_context=None),
        )
        _observation, found = ramped(asked)
        await_none_of_ours(environment)
    assert (found.stopped, found.held, found.recovery_s) == (StopReason.COMPLETE, 18, None)
    few = [count.at_s for count in watch.counts if count.free < PATIENT.keep_free]
    assert few[-1] - few[0] < 2 + 2


def test_a_server_that_would_not_let_go_by_itself_is_never_saturated() -> None:
    with sandbox(["parameters-refused"]) as environment:
        asked = request(environment, path=Path.CONNECTOR, saturation=Saturation.FULL)
        observation, found = ramped(asked)
    assert (observation.outcome, found.stopped) == (Outcome.PASSED, StopReason.UNGUARDED)
    assert (found.saturation, found.parameters_refused) == (Saturation.GUARDED, True)
    assert (len(found.steps), found.held, found.left_behind) == (1, 3, 0)
    assert found.harmless


def test_a_superuser_never_saturates(environment: Environment) -> None:
    role = staging.ROLE
    with altered(environment, f"ALTER ROLE {role} SUPERUSER", f"ALTER ROLE {role} NOSUPERUSER"):
        observation, found = ramped(
            request(environment, check=Check.CAPACITY, saturation=Saturation.FULL, pool=PATIENT)
        )
    assert (observation.outcome, found.saturation) == (Outcome.PASSED, Saturation.GUARDED)
    assert found.stopped is StopReason.KEEP_FREE
    assert found.held <= 22 - 5 - 2
    assert found.error
    assert "superuser" in found.error.message


# No guard, no ramp


def test_without_the_database_in_which_probes_meet_nothing_is_ramped(environment: Environment) -> None:
    with altered(
        environment,
        "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC",
        "GRANT CONNECT ON DATABASE postgres TO PUBLIC",
    ):
        observation, found = ramped(request(environment))
    assert (observation.outcome, observation.skip_reason) == (Outcome.SKIPPED, SkipReason.NO_GUARD)
    assert observation.error is not None
    assert observation.error.sqlstate == "42501"
    assert found.held == 0


def test_limits_that_may_not_be_read_are_no_guard(environment: Environment) -> None:
    with altered(
        environment,
        "REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC",
        "GRANT SELECT ON pg_catalog.pg_roles TO PUBLIC",
    ):
        observation, _found = ramped(request(environment))
    assert (observation.outcome, observation.skip_reason) == (Outcome.SKIPPED, SkipReason.NO_GUARD)


def test_a_password_that_is_wrong_fails_before_anything_is_opened(environment: Environment) -> None:
    observation, found = ramped(request(environment, password="wrong-password"))
    assert (observation.outcome, observation.failure) == (Outcome.FAILED, Failure.PASSWORD_REJECTED)
    assert (found.stopped, found.limits) == (None, None)


def test_a_ramp_reports_what_an_earlier_one_left(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment.postgres is not None
    small = replace(Application(), pool_size=1, max_overflow=0)
    with contextlib.closing(environment.postgres.session(application_name="probe/earlier")):
        _, found = ramped(request(environment, application=small))
    assert found.before is not None
    assert found.before.leftovers == 0  # its age is hidden from us, and we were not there for long enough
    monkeypatch.setattr("probe.dial.control.LEFT_OVER_S", 0.1)
    with contextlib.closing(environment.postgres.session(application_name="probe/earlier")):
        _, found = ramped(request(environment, application=small))
    assert found.before is not None
    assert found.before.leftovers == 1
