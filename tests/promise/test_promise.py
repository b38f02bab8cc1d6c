"""The promise not to harm, on a real PostgreSQL with 25 slots, of which 3 are reserved."""

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pg8000.dbapi
import pytest

from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.postgres import PostgresServer
from probe.sandbox.settings_file import Pace
from probe.sandbox.staging import DATABASE, ROLE
from tests.promise.runs import end, ramps, report, running, sessions, until
from tests.sandbox.bystander import Bystander, SlotWatch

KEEP_FREE = 5
FREE_AGAIN_S = 12.0
PACE = Pace(samples=1, confirm_after_s=0.0, interval_s=0.1)
EVERY_RAMP = (
    "--profile=load",
    "--check=cloudsql",
    "--check=pool",
    "--check=capacity",
    "--check=herd",
)
SLOW = {"PROBE_POOL__HOLD_S": "30", "PROBE_POOL__BUDGET_S": "60", "PROBE_DEADLINE_S": "120"}
"""Long enough for something to happen while the pool is held."""
WAYS = ("connector", "private_ip")


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with sandbox((), pace=PACE) as started:
        yield started


def server_of(environment: Environment) -> PostgresServer:
    assert environment.postgres is not None
    return environment.postgres


@contextmanager
def watched(environment: Environment) -> Iterator[tuple[Bystander, SlotWatch]]:
    server = server_of(environment)
    with Bystander(server) as bystander, SlotWatch(server) as slots:
        until(lambda: len(bystander.logins) > 2)
        yield bystander, slots


def another_database(environment: Environment, folder: Path) -> Path:
    """The same instance and role, in a database of its own."""
    server_of(environment).execute("CREATE DATABASE other")
    text = environment.settings_path.read_text()
    settings = folder / "other.toml"
    settings.write_text(re.sub(r'^database = "netra"$', 'database = "other"', text, flags=re.MULTILINE))
    return settings


@pytest.mark.parametrize("way", WAYS)
def test_no_guarded_ramp_ever_harms_a_bystander(environment: Environment, way: str) -> None:
    """A pool of 25, twelve instances at once, 30 raw connections: more than the server has."""
    wishes = {
        "PROBE_APPLICATION__PATH": way,
        "PROBE_APPLICATION__POOL_SIZE": "10",
        "PROBE_APPLICATION__MAX_OVERFLOW": "15",
        "PROBE_APPLICATION__MAX_INSTANCES": "12",
        "PROBE_POOL__WORKERS": "35",
    }
    with (
        watched(environment) as (bystander, slots),
        running(environment, *EVERY_RAMP, wishes=wishes) as process,
    ):
        seen = ramps(report(process))
    assert bystander.failures == []
    assert slots.least_free >= KEEP_FREE
    assert {check: one["outcome"] for check, one in seen.items()} == dict.fromkeys(
        ("pool", "capacity", "herd"), "passed"
    )
    for one in seen.values():
        ramp = one["facts"]["ramp"]
        assert ramp["held"] > 5, "a ramp that never fills anything harms nobody either"
        assert (ramp["left_behind"], ramp["overloaded"]) == (0, False)
        assert all(canary["failure"] is None for canary in ramp["canaries"])


def test_of_two_probes_at_once_the_second_is_told_and_opens_nothing(
    environment: Environment, tmp_path: Path
) -> None:
    """Advisory locks are per database: these two use different ones."""
    server, elsewhere = server_of(environment), another_database(environment, tmp_path)
    only = ("--check", "pool")
    with watched(environment) as (bystander, slots), running(environment, *only, wishes=SLOW) as first:
        until(lambda: sessions(server) >= 6)
        with running(environment, *only, settings=elsewhere) as second:
            told = ramps(report(second))["pool"]
        end(first, signal.SIGTERM)
        filled = ramps(report(first))["pool"]
    assert (told["outcome"], told["facts"]["skip_reason"]) == ("skipped", "busy")
    assert filled["facts"]["ramp"]["held"] > 5
    assert bystander.failures == []
    assert slots.least_free >= KEEP_FREE


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP], ids=lambda s: s.name)
def test_all_slots_are_free_again_soon_after_the_probe_has_ended_in_whatever_way(
    environment: Environment, way: str, number: signal.Signals
) -> None:
    """SIGSTOP: a container whose processor was taken away; its kernel goes on answering."""
    server = server_of(environment)
    until(lambda: sessions(server) == 0)
    wishes = {"PROBE_APPLICATION__PATH": way, **SLOW}
    with running(environment, "--check", "pool", wishes=wishes) as process:
        until(lambda: sessions(server) >= 6)
        end(process, number) if number is not signal.SIGTERM else process.send_signal(number)
        took_s = until(lambda: sessions(server) == 0, limit_s=FREE_AGAIN_S)
    assert took_s < FREE_AGAIN_S


def test_what_was_measured_before_a_signal_is_told(environment: Environment) -> None:
    server = server_of(environment)
    with running(environment, "--check", "pool", wishes=SLOW) as process:
        until(lambda: sessions(server) >= 6)
        process.send_signal(signal.SIGTERM)
        pool = ramps(report(process))["pool"]
        assert process.returncode == 128 + signal.SIGTERM
    assert (pool["outcome"], pool["facts"]["skip_reason"]) == ("skipped", "interrupted")
    assert pool["facts"]["ramp"]["steps"]


def test_a_killed_probe_takes_its_child_along(environment: Environment) -> None:
    server = server_of(environment)
    with running(environment, "--check", "pool", wishes=SLOW) as process:
        until(lambda: sessions(server) >= 6)
        process.kill()
        until(lambda: sessions(server) == 0, limit_s=3.0)


def test_the_next_run_reports_what_an_earlier_one_left(environment: Environment) -> None:
    left: Any = pg8000.dbapi.Connection(  # type: ignore[no-untyped-call]
        ROLE,
        database=DATABASE,
        password=environment.password,
        unix_sock=str(server_of(environment).socket_path),
        application_name="probe/0123456789ab",
    )
    try:
        time.sleep(FREE_AGAIN_S + 0.5)  # what is younger may belong to a run that is still going on
        with running(environment, "--check", "pool") as process:
            document = report(process)
    finally:
        left.close()
    (finding,) = [f for f in document["findings"] if f["cause"] == "connections_left_behind"]
    assert "1" in finding["summary"]
    assert ramps(document)["pool"]["facts"]["ramp"]["before"]["leftovers"] == 1


def test_after_a_failed_stage_nothing_is_filled(environment: Environment) -> None:
    wrong = {**environment.environ, "PROBE_DB_PASSWORD": "wrong"}
    with running(environment, "--check", "cloudsql", "--check", "pool", wishes=wrong) as process:
        pool = ramps(report(process))["pool"]
    assert (pool["outcome"], pool["facts"]["skip_reason"]) == ("skipped", "earlier_stage_failed")


def test_saturation_is_refused_for_an_instance_that_is_not_on_the_list(environment: Environment) -> None:
    nobody = {"PROBE_POOL__SATURATION_ALLOWED": json.dumps([])}
    with running(environment, "--saturate", "full", "--check", "pool", wishes=nobody) as process:
        output, said = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, b"")
    assert b"pool.saturation_allowed" in said


def test_full_saturation_meets_the_servers_limit_and_lets_go_within_seconds(environment: Environment) -> None:
    server = server_of(environment)
    wishes = {
        "PROBE_APPLICATION__POOL_SIZE": "10",
        "PROBE_APPLICATION__MAX_OVERFLOW": "15",
        "PROBE_POOL__WORKERS": "35",
    }
    with SlotWatch(server) as slots:
        with running(environment, "--saturate", "full", "--check", "pool", wishes=wishes) as process:
            ramp = ramps(report(process))["pool"]["facts"]["ramp"]
        until(lambda: sessions(server) == 0, limit_s=3.0)
        full = [count for count in slots.counts if count.free <= 1]
    assert (ramp["saturation"], ramp["left_behind"]) == ("full", 0)
    assert ramp["waits"]["refused"] > 0
    assert full, "nothing was ever saturated"
    assert full[-1].at_s - full[0].at_s < 2.0 + 1.5, "held for longer than it may be"
