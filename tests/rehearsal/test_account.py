"""What the parent makes of the child's words."""

from typing import Any

import pytest

from probe.model.application import PhaseKind
from probe.model.facts import ErrorFacts
from probe.model.rehearsal import PhaseOutcome
from probe.model.words import Failure, SkipReason
from probe.rehearsal.account import Account
from probe.rehearsal.messages import Event
from tests.rehearsal.rehearsing import phase

S = 1_000_000_000
INIT, DATABASE, CACHE = PhaseKind.INIT, PhaseKind.DATABASE, PhaseKind.CACHE
LATE = ErrorFacts(type="TimeoutError", message="late")


def account(*, start_delay_s: float = 0.5) -> Account:
    """Of three phases; the process was spawned at 11 s on a clock whose run began at 10 s."""
    phases = (phase(INIT, 1.0), phase(DATABASE, 90.0), phase(CACHE, 20.0))
    return Account(phases, origin_ns=10 * S, spawned_ns=11 * S, start_delay_s=start_delay_s)


def hear(told: Account, kind: str, at_s: float, **fields: Any) -> None:
    told.hear(Event(kind=kind, at_ns=round(at_s * S), fields=fields))


def end(told: Account, name: PhaseKind, at_s: float, outcome: str = "completed", **fields: Any) -> None:
    defaults: dict[str, Any] = {
        "failure": None,
        "error": None,
        "skip_reason": None,
        "endpoint": "",
        "missing": [],
        "parameters_refused": False,
        "cpu_s": 0.01,
    }
    hear(told, "phase_ended", at_s, phase=name, outcome=outcome, **(defaults | fields))


def into_database(told: Account) -> None:
    """Ready at 12 s; the database phase began at 13 s and its connect at 13.5 s."""
    hear(told, "ready", 12)
    hear(told, "phase_started", 12, phase=INIT)
    hear(told, "beat", 12.1, lag_s=0, cpu_s=0)
    end(told, INIT, 12.2)
    hear(told, "beat", 12.95, lag_s=0, cpu_s=0)
    hear(told, "phase_started", 13, phase=DATABASE)
    hear(told, "beat", 13.05, lag_s=0, cpu_s=0)
    hear(told, "step_started", 13.1, phase=DATABASE, step="connect", budget_s=75, endpoint="h:1")


def test_before_the_child_is_ready_nothing_was_begun() -> None:
    found = account().rehearsal(12 * S)
    assert [phase.outcome for phase in found.phases] == [PhaseOutcome.SKIPPED] * 3
    assert (found.child_start_s, found.exit_code, found.total_s) == (None, None, 0.0)


def test_a_phase_under_way_has_the_time_that_it_had_so_far() -> None:
    told = account()
    into_database(told)
    assert told.under_way == DATABASE
    found = told.rehearsal(15 * S)
    assert found.child_start_s == 1.0
    init, database, cache = found.phases
    assert init.outcome is PhaseOutcome.COMPLETED
    assert init.span
    assert init.span.started_s == 2.0
    assert init.span.duration_s == pytest.approx(0.2)
    assert database.outcome is PhaseOutcome.SKIPPED
    assert database.span
    assert (database.span.started_s, database.span.duration_s) == (3.0, 2.0)
    (step,) = database.steps
    assert (step.name, step.finished, step.failure, step.budget_s) == ("connect", False, None, 75)
    assert step.span.duration_s == pytest.approx(1.9)
    assert database.endpoint == "h:1"
    assert cache.span is None
    assert found.exit_code is None


def test_a_failed_phase_blocks_those_behind_it() -> None:
    told = account()
    into_database(told)
    hear(told, "beat", 13.2, lag_s=0, cpu_s=0)
    hear(told, "step_ended", 13.3, phase=DATABASE, step="connect", failure="refused", finished=True)
    error = {"type": "E", "message": "m", "errno": None, "sqlstate": None, "http_status": None}
    end(told, DATABASE, 13.3, "failed", failure="refused", error=error, missing=["a"], endpoint="h:2")
    hear(told, "done", 13.3, exit_code=3)
    found = told.rehearsal(20 * S)
    database, cache = found.phases[1:]
    assert (database.outcome, database.failure) == (PhaseOutcome.FAILED, Failure.REFUSED)
    assert database.error == ErrorFacts(type="E", message="m")
    assert (database.missing, database.endpoint) == (("a",), "h:2")
    assert database.steps[0].failure is Failure.REFUSED
    assert database.steps[0].span.duration_s == pytest.approx(0.2)
    assert cache.outcome is PhaseOutcome.BLOCKED
    assert (found.exit_code, told.exit_code, told.under_way) == (3, 3, "")
    assert not found.overloaded


def test_a_skipped_phase_has_no_span() -> None:
    told = account()
    hear(told, "ready", 12)
    hear(told, "phase_started", 12, phase=INIT)
    end(told, INIT, 12.01, "skipped", skip_reason="not_configured", parameters_refused=True)
    found = told.rehearsal(13 * S)
    assert found.phases[0].skip_reason is SkipReason.NOT_CONFIGURED
    assert found.phases[0].span is None
    assert found.parameters_refused


@pytest.mark.parametrize(("silence_s", "overloaded"), [(0.4, False), (0.8, True)])
def test_a_child_that_was_late_in_a_phase_that_failed_is_not_believed(
    silence_s: float, *, overloaded: bool
) -> None:
    told = account()
    into_database(told)
    end(told, DATABASE, 13.05 + silence_s, "timed_out", failure="timeout", error=None)
    found = told.rehearsal(20 * S)
    assert found.overloaded == overloaded
    assert found.lag_s == pytest.approx(0.75), "the beat at 12.95 s was late, between two phases"


def test_a_child_that_was_late_in_a_phase_that_completed_is_believed() -> None:
    told = account()
    into_database(told)
    end(told, DATABASE, 20)
    found = told.rehearsal(20 * S)
    assert not found.overloaded
    assert found.lag_s > 6


def test_the_parent_can_end_a_phase_whose_process_no_longer_can() -> None:
    told = account()
    into_database(told)
    assert told.overdue_s(102 * S) == 0
    assert told.overdue_s(105 * S) == 2
    told.end(105 * S, PhaseOutcome.TIMED_OUT, Failure.TIMEOUT, LATE)
    found = told.rehearsal(200 * S)
    database = found.phases[1]
    assert (database.outcome, database.failure, database.error) == (
        PhaseOutcome.TIMED_OUT,
        Failure.TIMEOUT,
        LATE,
    )
    assert database.span
    assert database.span.duration_s == 92
    assert database.steps[-1].failure is Failure.TIMEOUT
    assert not database.steps[-1].finished
    assert found.phases[2].outcome is PhaseOutcome.BLOCKED
    assert told.overdue_s(300 * S) == 0
    told.end(300 * S, PhaseOutcome.CRASHED, None, LATE)  # there is none left
    assert told.rehearsal(300 * S) == found


def test_a_crash_of_the_process_blocks_nobody_and_a_starved_one_is_overloaded() -> None:
    told = account()
    into_database(told)
    told.silent_for(3)
    told.end(17 * S, PhaseOutcome.CRASHED, None, LATE)
    found = told.rehearsal(17 * S)
    assert [phase.outcome for phase in found.phases[1:]] == [PhaseOutcome.CRASHED, PhaseOutcome.SKIPPED]
    assert found.phases[1].steps[-1].failure is None
    assert (found.overloaded, found.lag_s, found.exit_code) == (True, 3, None)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("unheard_of", {}),
        ("phase_started", {}),
        ("phase_started", {"phase": "no such"}),
        ("step_ended", {"phase": INIT, "failure": None, "finished": True}),
        ("done", {"exit_code": "x"}),
    ],
)
def test_words_that_make_no_sense_are_an_error(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        hear(account(), kind, 12, **fields)
