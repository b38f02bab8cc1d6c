from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from probe.model.application import PhaseKind
from probe.model.observation import Observation
from probe.model.ramp import AcquisitionOutcome, Limits, StopReason
from probe.model.rehearsal import PhaseOutcome, Rehearsal
from probe.model.words import Check, Failure, Outcome, SkipReason
from probe.sinks.application_metrics import APPLICATION_METRICS
from probe.sinks.catalogue import BY_NAME
from probe.sinks.points import series
from tests.factories import acquisition, phase, pool, ramp, rehearsal, report, startup

NAMES = {metric.name for metric in APPLICATION_METRICS}
POOL = "check=pool target=staging-db"
TARGET = "target=staging-db"


def values(*observations: Observation) -> dict[tuple[str, str], Any]:
    """Value by metric and labels, of the metrics of the application alone."""
    points = [each for each in series(report(observations)) if each.metric in NAMES]
    found = {(each.metric, _said(each.labels.items())): each.value for each in points}
    assert len(found) == len(points)
    for each in points:
        assert each.labels.keys() == BY_NAME[each.metric].labels.keys()
        assert isinstance(each.value, int) == (BY_NAME[each.metric].value_type == "INT64")
    return found


def _said(labels: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(labels) if key != "profile")


def test_a_start_up_and_a_pool_give_every_metric() -> None:
    assert {metric for metric, _ in values(startup(), pool())} == NAMES


def test_a_start_up_is_told_phase_by_phase() -> None:
    found = values(startup())
    database = f"phase=phase_3_database {TARGET}"
    assert found["startup_phase_duration", database] == pytest.approx(0.72)
    assert found["startup_phase_budget_ratio", database] == pytest.approx(0.72 / 90)
    assert sum(metric == "startup_phase_duration" for metric, _ in found) == 7
    assert found["startup_duration", TARGET] == pytest.approx(1.2952)
    assert found["startup_exit_code", TARGET] == 0
    assert found["startup_child_start", TARGET] == 0.812


def test_a_phase_that_was_never_begun_writes_no_point() -> None:
    found = values(startup(rehearsal(PhaseKind.DATABASE, absent=[PhaseKind.CACHE])))
    phases = {labels.split()[0] for metric, labels in found if metric == "startup_phase_duration"}
    assert phases == {"phase=phase_1_init", "phase=phase_2_dependencies", "phase=phase_3_database"}
    assert found["startup_exit_code", TARGET] == 3
    assert found["startup_duration", TARGET] == pytest.approx(75.4112)


def test_a_phase_in_which_the_probe_crashed_writes_none_and_the_total_neither() -> None:
    ended = (
        phase(PhaseKind.INIT),
        phase(PhaseKind.CACHE, 1.0, outcome=PhaseOutcome.CRASHED, required=False),
    )
    found = values(startup(Rehearsal(phases=ended)))
    assert found.keys() == {
        ("startup_phase_duration", f"phase=phase_1_init {TARGET}"),
        ("startup_phase_budget_ratio", f"phase=phase_1_init {TARGET}"),
        ("startup_exit_code", TARGET),
    }


def test_a_start_up_that_does_not_tell_its_end_has_no_exit_code_and_no_total() -> None:
    cut = phase(PhaseKind.DATABASE, outcome=PhaseOutcome.SKIPPED, skip_reason=SkipReason.DEADLINE)
    found = values(startup(Rehearsal(phases=(phase(PhaseKind.INIT), cut))))
    assert {metric for metric, _ in found} == {"startup_phase_duration", "startup_phase_budget_ratio"}


def test_a_start_up_without_a_begun_phase_writes_nothing() -> None:
    none = phase(PhaseKind.CACHE, outcome=PhaseOutcome.SKIPPED, skip_reason=SkipReason.NOT_CONFIGURED)
    assert values(startup(Rehearsal(phases=(none,)))) == {}


def test_a_rehearsal_that_was_too_slow_itself_writes_nothing() -> None:
    assert values(startup(rehearsal(overloaded=True))) == {}


def test_what_was_skipped_or_crashed_writes_nothing() -> None:
    for outcome in (Outcome.SKIPPED, Outcome.CRASHED):
        assert values(startup(outcome=outcome), pool(outcome=outcome)) == {}


def test_a_ramp_is_told_by_its_raw_points() -> None:
    found = values(pool())
    assert found == {
        ("pool_connections_held", POOL): 13,
        ("pool_connections_free_min", POOL): 5,
        ("pool_wait_max", POOL): pytest.approx(1.5),
        ("pool_wait_median", POOL): pytest.approx(1.5),
        ("pool_connect_median", POOL): pytest.approx(0.011),
        ("pool_refused", POOL): 0,
        ("pool_timed_out", POOL): 0,
        ("pool_recovery", POOL): pytest.approx(0.012),
        ("server_connections_used", TARGET): 4,
        ("server_connections_limit", TARGET): 22,
        ("server_connections_ratio", TARGET): pytest.approx(4 / 22),
    }


def test_what_nobody_waited_for_is_absent() -> None:
    wish = acquisition(1, AcquisitionOutcome.REFUSED, failure=Failure.SLOTS_EXHAUSTED)
    found = values(pool(ramp((), acquisitions=(wish,), limits=None, before=None, recovery_s=None)))
    assert found == {
        ("pool_connections_held", POOL): 0,
        ("pool_refused", POOL): 1,
        ("pool_timed_out", POOL): 0,
    }


def test_a_ramp_that_never_began_tells_of_the_server_alone() -> None:
    found = values(pool(ramp((), waiting=0, stopped=None)))
    assert {metric for metric, _ in found} == {
        "server_connections_used",
        "server_connections_limit",
        "server_connections_ratio",
    }


def test_a_ramp_that_was_too_slow_itself_writes_none_of_its_figures() -> None:
    found = values(pool(ramp(overloaded=True, stopped=StopReason.OVERLOADED)))
    assert not any(metric.startswith("pool_") for metric, _ in found)


def test_a_server_without_a_usable_slot_has_no_ratio() -> None:
    tiny = Limits(server_version="16.1", max_connections=3, superuser_reserved=3)
    found = values(pool(ramp(limits=tiny)))
    assert found["server_connections_limit", TARGET] == 0
    assert ("server_connections_ratio", TARGET) not in found


def test_the_first_ramp_that_could_read_the_server_tells_of_it() -> None:
    blind, seeing = pool(ramp(before=None)), pool(ramp(limits=None), Check.CAPACITY)
    found = values(blind, seeing)
    assert found["server_connections_used", TARGET] == 4
    assert ("server_connections_limit", TARGET) not in found


def test_each_check_has_its_pool_and_the_server_is_read_before_any_of_them() -> None:
    filled = ramp()
    assert filled.before is not None
    later = ramp((3,), waiting=0, before=replace(filled.before, others=9))
    found = values(pool(filled), pool(later, Check.HERD))
    assert found["pool_connections_held", POOL] == 13
    assert found["pool_connections_held", "check=herd target=staging-db"] == 3
    assert found["server_connections_used", TARGET] == 4


def test_of_what_was_measured_twice_the_second_counts() -> None:
    again = startup(rehearsal(PhaseKind.DATABASE), confirmation=True)
    found = values(startup(), again, pool(), pool(ramp((3,)), confirmation=True))
    assert found["startup_exit_code", TARGET] == 3
    assert found["pool_connections_held", POOL] == 3
