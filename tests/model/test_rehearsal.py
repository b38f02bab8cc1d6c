from dataclasses import replace

import pytest

from probe.model.application import PhaseKind
from probe.model.rehearsal import DETERMINISTIC_FAILURE, PhaseOutcome, PhaseRecord, Rehearsal
from probe.model.span import Span
from probe.model.words import SkipReason


def phase(outcome: PhaseOutcome, *, required: bool = True, begins_s: float | None = 0.0) -> PhaseRecord:
    span = (
        None if begins_s is None else Span(started_ns=int(begins_s * 1e9), ended_ns=int(begins_s * 1e9 + 5e8))
    )
    return PhaseRecord(
        name="phase", kind=PhaseKind.CACHE, outcome=outcome, budget_s=2.0, required=required, span=span
    )


COMPLETED = phase(PhaseOutcome.COMPLETED)
UNBEGUN = phase(PhaseOutcome.SKIPPED, begins_s=None)


def test_the_share_of_its_budget_is_what_a_phase_used_and_none_where_it_never_began() -> None:
    assert COMPLETED.share == pytest.approx(0.25)
    assert UNBEGUN.share is None


@pytest.mark.parametrize("outcome", [PhaseOutcome.FAILED, PhaseOutcome.TIMED_OUT])
def test_a_required_phase_that_does_not_complete_ends_the_start_up_with_3(outcome: PhaseOutcome) -> None:
    bad = phase(outcome)
    told = Rehearsal(phases=(COMPLETED, bad, phase(PhaseOutcome.BLOCKED, begins_s=None)))
    assert told.ended_by is bad
    assert told.exit_code == DETERMINISTIC_FAILURE == 3


def test_a_phase_that_is_not_required_ends_nothing() -> None:
    for outcome in PhaseOutcome:
        told = Rehearsal(phases=(phase(outcome, required=False), COMPLETED))
        assert (told.ended_by, told.exit_code) == (None, 0)


@pytest.mark.parametrize("outcome", [PhaseOutcome.SKIPPED, PhaseOutcome.BLOCKED, PhaseOutcome.CRASHED])
def test_a_required_phase_that_nobody_can_tell_of_leaves_the_exit_code_open(outcome: PhaseOutcome) -> None:
    assert Rehearsal(phases=(COMPLETED, phase(outcome))).exit_code is None


def test_a_phase_for_which_nothing_is_configured_is_left_out_of_the_exit_code() -> None:
    nothing = replace(UNBEGUN, skip_reason=SkipReason.NOT_CONFIGURED)
    assert Rehearsal(phases=(COMPLETED, nothing)).exit_code == 0
    assert Rehearsal(phases=(COMPLETED, replace(nothing, skip_reason=SkipReason.DEADLINE))).exit_code is None


def test_the_total_is_from_the_first_begin_to_the_last_end() -> None:
    later = phase(PhaseOutcome.COMPLETED, begins_s=3.0)
    assert Rehearsal(phases=(COMPLETED, later, UNBEGUN)).total_s == pytest.approx(3.5)
    assert Rehearsal(phases=(UNBEGUN,)).total_s == 0.0
    assert Rehearsal(phases=()).total_s == 0.0
