from dataclasses import replace
from typing import Any

import pytest

from probe.diagnosis.diagnose import Diagnosis, diagnose
from probe.model.application import Application
from probe.model.cause import Cause
from probe.model.facts import ErrorFacts
from probe.model.observation import Observation
from probe.model.ramp import Acquisition, AcquisitionOutcome, Saturation, StopReason
from probe.model.words import Check, Failure, Outcome, Path, Severity, SkipReason, Stage, Verdict
from tests.diagnosis.makers import (
    APPLICATION,
    ASKED,
    acquired,
    canary,
    causes,
    headroom,
    left_out,
    limits,
    pool,
    ramp,
    ramp_step,
    refused,
    root_of,
    roots,
    the,
)
from tests.factories import PASSED, End, attempts

DENIED = ErrorFacts(type="x", message="permission denied", sqlstate="42501")
RESET = ErrorFacts(type="ConnectionResetError", message="reset by peer")
FULL = Saturation.FULL


def diagnosis(*observations: Observation, dialled: tuple[End, ...] = (PASSED,)) -> Diagnosis:
    return diagnose([*attempts(Path.CONNECTOR, *dialled), *observations], ASKED)


def told_of(check: Check = Check.POOL, outcome: Outcome = Outcome.PASSED, **more: Any) -> Diagnosis:
    return diagnosis(pool(ramp(**more), check, outcome=outcome))


@pytest.mark.parametrize(
    "stopped",
    [
        StopReason.COMPLETE,
        StopReason.KEEP_FREE,
        StopReason.ROLE_LIMIT,
        StopReason.DATABASE_LIMIT,
        StopReason.UNGUARDED,
    ],
)
def test_a_ramp_that_its_guard_stopped_is_as_it_should_be(stopped: StopReason) -> None:
    waiting = acquired(2, outcome=AcquisitionOutcome.TIMED_OUT, finished_ns=10**11)
    told = told_of(stopped=stopped, acquisitions=(acquired(), waiting), canaries=(canary(),))
    assert (told.findings, told.verdict) == ((), Verdict.HEALTHY)
    assert ramp(stopped=stopped).harmless
    assert not ramp(stopped=stopped, left_behind=1).harmless


def test_a_login_that_fails_beside_the_ramp_is_told_with_who_holds_what() -> None:
    told = told_of(
        outcome=Outcome.FAILED,
        stopped=StopReason.CANARY_FAILED,
        canaries=(canary(held=3), canary(Failure.SLOTS_EXHAUSTED, held=6)),
        crowd=(("backend", 2), ("psql", 1)),
        steps=(ramp_step(1, 3, 15), ramp_step(2, 6, 1)),
    )
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.LOGINS_FAIL_BESIDE_RAMP, Severity.WARNING)
    assert finding.summary == (
        'staging-db: a login beside the ramp failed: slots_exhausted [53300], "too many" while the pool '
        "check held 6 connections; others held up to 15 (backend 2, psql 1), the ramp "
        "stopped and let go"
    )
    assert told.verdict is Verdict.DEGRADED


def test_where_slots_are_not_what_failed_others_are_only_counted() -> None:
    told = told_of(
        outcome=Outcome.FAILED, stopped=StopReason.CANARY_FAILED, canaries=(canary(Failure.TIMEOUT),)
    )
    assert "; others held up to 3, the ramp" in told.headline
    unread = told_of(stopped=StopReason.CANARY_FAILED, canaries=(canary(Failure.TIMEOUT),), before=None)
    assert "connections; the ramp stopped and let go" in unread.headline


def test_a_refusal_in_a_guarded_ramp_is_told() -> None:
    told = told_of(stopped=StopReason.REFUSED, held=1, acquisitions=(acquired(), refused(2)))
    assert told.headline == (
        "staging-db: one of its connections failed: slots_exhausted [53300], "
        '"sorry, too many clients already" while the pool check held 1 connection; '
        "others held up to 20, the ramp stopped and let go"
    )


def test_a_connection_that_fails_in_another_way_is_told_in_either_mode() -> None:
    broken = acquired(2, outcome=AcquisitionOutcome.FAILED, failure=Failure.RESET, error=RESET)
    for saturation in Saturation:
        told = told_of(
            outcome=Outcome.FAILED,
            stopped=StopReason.FAILED,
            saturation=saturation,
            acquisitions=(acquired(), broken),
        )
        assert causes(told) == [Cause.LOGINS_FAIL_BESIDE_RAMP]
        assert 'one of its connections failed: reset, "reset by peer" while' in told.headline


def test_a_control_connection_that_ends_is_told_and_what_cannot_be_counted() -> None:
    told = told_of(stopped=StopReason.CONTROL_LOST, error=RESET, left_behind=None)
    assert told.headline == (
        'staging-db: the control connection ended ("reset by peer") while the pool check held 10 '
        "connections; others held up to 3, the ramp stopped and let go, what is left of it nobody could count"
    )


def test_a_ramp_that_failed_before_it_began_says_that_nothing_was_ramped() -> None:
    failed = pool(result=None, outcome=Outcome.FAILED, failure=Failure.PASSWORD_REJECTED, error=DENIED)
    told = diagnosis(failed)
    assert told.headline == (
        'staging-db: one of its connections failed: password_rejected [42501], "permission denied" '
        "while the pool check held 0 connections; nothing was ramped"
    )
    bare = diagnosis(replace(failed, failure=None, error=None))
    assert "failed: no reason given while" in bare.headline


def test_the_probes_own_roles_limit_is_ours_and_leaves_nothing_open() -> None:
    mine = Failure.ROLE_LIMIT
    for ramped in (
        ramp(stopped=StopReason.REFUSED, acquisitions=(acquired(), refused(2, mine))),
        ramp(stopped=StopReason.CANARY_FAILED, canaries=(canary(mine),)),
    ):
        told = diagnosis(pool(ramped, outcome=Outcome.FAILED))
        assert [(f.cause, f.severity) for f in told.findings] == [(Cause.ROLE_LIMIT_REACHED, Severity.INFO)]
        assert told.verdict is Verdict.HEALTHY
    early = diagnosis(pool(ramp(stopped=None, held=0), outcome=Outcome.FAILED, failure=mine))
    assert causes(early) == [Cause.ROLE_LIMIT_REACHED]


def test_what_fails_beside_a_ramp_is_a_consequence_of_pressure() -> None:
    told = told_of(
        stopped=StopReason.CANARY_FAILED, before=headroom(15), canaries=(canary(Failure.SLOTS_EXHAUSTED),)
    )
    assert roots(told) == [Cause.CONNECTIONS_UNDER_PRESSURE]
    assert root_of(told, Cause.LOGINS_FAIL_BESIDE_RAMP) is Cause.CONNECTIONS_UNDER_PRESSURE


def test_what_fails_beside_a_ramp_is_a_consequence_of_a_dead_path() -> None:
    silent = (Stage.TCP, Failure.TIMEOUT)
    observation = pool(ramp(stopped=StopReason.FAILED), outcome=Outcome.FAILED, failure=Failure.TIMEOUT)
    herd = pool(ramp(stopped=StopReason.FAILED), Check.HERD, outcome=Outcome.FAILED)
    told = diagnosis(observation, herd, dialled=(silent, silent))
    assert roots(told) == [Cause.NETWORK_SILENT]
    assert len(told.findings) == 3


def test_what_goes_wrong_at_times_explains_no_failure_beside_a_ramp_unless_slots_do() -> None:
    observation = pool(ramp(stopped=StopReason.FAILED), outcome=Outcome.FAILED, failure=Failure.TIMEOUT)
    at_times = diagnosis(observation, dialled=(PASSED, (Stage.LOGIN, Failure.TIMEOUT)))
    assert root_of(at_times, Cause.LOGINS_FAIL_BESIDE_RAMP) is None
    slots = diagnosis(observation, dialled=(PASSED, (Stage.LOGIN, Failure.DATABASE_LIMIT)))
    assert root_of(slots, Cause.LOGINS_FAIL_BESIDE_RAMP) is Cause.DATABASE_LIMIT_REACHED


def saturated(held: int, **more: Any) -> Diagnosis:
    wishes = (*(acquired(n) for n in range(held)), *(refused(n) for n in range(held, 30)))
    fixed: dict[str, Any] = {"saturation": FULL, "held": held, "acquisitions": wishes}
    return diagnosis(pool(ramp(**fixed | more)))


def test_refusals_at_the_limit_are_expected_of_a_saturated_ramp() -> None:
    for held in (17, 18, 20):
        assert saturated(held).findings == ()
    told = saturated(16)
    assert causes(told) == [Cause.LOGINS_FAIL_BESIDE_RAMP]


def test_what_others_took_meanwhile_is_no_early_refusal() -> None:
    assert saturated(9, steps=(ramp_step(1, 9, 0),)).findings == ()


def test_a_canary_that_a_full_server_refuses_is_expected() -> None:
    full = saturated(18, stopped=StopReason.CANARY_FAILED, canaries=(canary(Failure.SLOTS_EXHAUSTED),))
    assert full.findings == ()


def test_limits_of_the_database_and_of_our_role_are_expected_earlier() -> None:
    database = limits(database_limit=12)
    assert saturated(11, limits=database, before=headroom(database=0)).findings == ()
    role = saturated(12, limits=limits(role_limit=14))
    assert causes(role) == []


def test_without_limits_nobody_can_say_that_a_refusal_came_early() -> None:
    assert saturated(2, limits=None).findings == ()
    assert saturated(2, before=None).findings == ()


def test_workers_that_a_full_pool_sent_away_are_worth_a_remark() -> None:
    waited = acquired(2, outcome=AcquisitionOutcome.TIMED_OUT, finished_ns=90 * 10**9)
    told = told_of(saturation=FULL, acquisitions=(acquired(), waited))
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.POOL_EXHAUSTED, Severity.INFO)
    assert finding.summary == (
        "staging-db: 1 of 12 workers got no connection within 90 s: the pool of the pool check had 10 open"
    )
    assert told.verdict is Verdict.HEALTHY


def slower(end_s: float, **more: Any) -> Diagnosis:
    steps = (ramp_step(1, 3, 15, None), ramp_step(2, 6, 12, 0.01), ramp_step(3, 9, 9, end_s))
    fixed: dict[str, Any] = {"stopped": StopReason.SLOWER, "steps": steps, "held": 9}
    return diagnosis(pool(ramp(**fixed | more)))


def test_connects_that_slow_down_are_told_from_to_and_at_how_many() -> None:
    told = slower(0.08)
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.CONNECTS_SLOW_UNDER_LOAD, Severity.INFO)
    assert finding.summary == (
        "staging-db: connecting slows down under load: from 10 ms to 80 ms (median) at 9 connections of the "
        "pool check; the ramp stopped there"
    )
    assert told.verdict is Verdict.HEALTHY
    assert slower(0.08, steps=()).findings == ()


def test_connects_that_become_slow_by_any_measure_are_a_warning() -> None:
    assert slower(16.0).verdict is Verdict.DEGRADED


def test_a_ramp_that_its_time_did_not_suffice_for_is_told() -> None:
    told = told_of(stopped=StopReason.BUDGET, held=4, acquisitions=(acquired(connect_s=20.0), acquired(2)))
    assert told.findings[0].cause is Cause.CONNECTS_SLOW_UNDER_LOAD
    assert told.headline == (
        "staging-db: the time of the pool check was used up at 4 of 10 connections that the guard allowed; "
        "the longest connect took 20 s"
    )
    none = told_of(stopped=StopReason.BUDGET, held=4)
    assert [f.severity for f in none.findings] == [Severity.INFO]
    assert told_of(stopped=StopReason.BUDGET).findings == ()


@pytest.mark.parametrize("stopped", [StopReason.FAILED, StopReason.BUDGET])
def test_a_step_that_is_not_answered_in_time_is_a_failure_and_not_merely_slow(stopped: StopReason) -> None:
    hangs = acquired(4, outcome=AcquisitionOutcome.CUT_OFF, finished_ns=22 * 10**9)
    ramped = ramp(stopped=stopped, held=3, acquisitions=(acquired(), hangs))
    told = diagnosis(pool(ramped, outcome=Outcome.FAILED, failure=Failure.TIMEOUT))
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.LOGINS_FAIL_BESIDE_RAMP, Severity.WARNING)
    assert "one of its connections failed: timeout while the pool check held 3" in finding.summary
    assert told.verdict is Verdict.DEGRADED


def test_a_server_that_would_not_let_go_is_said_beside_what_it_refused_alone() -> None:
    refuses = (Stage.LOGIN, Failure.PARAMETER_REFUSED)
    ramped = pool(ramp(stopped=StopReason.UNGUARDED, held=3, parameters_refused=True))
    told = diagnosis(ramped, dialled=(refuses, PASSED))
    assert [(f.cause, f.severity) for f in told.findings] == [(Cause.PARAMETERS_REFUSED, Severity.INFO)]
    assert told.verdict is Verdict.HEALTHY
    left = left_out(SkipReason.NO_GUARD, error=ErrorFacts(type="probe", message="no idle_session_timeout"))
    (finding,) = diagnosis(left).findings
    assert (finding.cause, finding.severity) == (Cause.RAMP_NOT_GUARDED, Severity.INFO)
    assert finding.summary.endswith('could not be had ("no idle_session_timeout")')


def capacity(number_refused: int, **more: Any) -> Diagnosis:
    held = 30 - number_refused
    wishes = (*(acquired(n) for n in range(held)), *(refused(n) for n in range(held, 30)))
    fixed: dict[str, Any] = {"saturation": FULL, "held": held, "acquisitions": wishes}
    return told_of(Check.CAPACITY, **fixed | more)


def test_capacity_is_healthy_while_less_than_a_third_is_refused_at_the_limit() -> None:
    assert capacity(8, before=headroom(0)).findings == ()
    assert capacity(0).findings == ()
    told = capacity(12)
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.SLOTS_EXHAUSTED, Severity.WARNING)
    assert finding.summary == (
        "staging-db: 12 of 30 connections of the capacity check were refused (40%, tolerated below 30%): "
        "it held 18, with 3 held by others"
    )
    assert told.verdict is Verdict.DEGRADED
    assert capacity(12, before=None).headline.endswith("it held 18")
    guarded = capacity(12, saturation=Saturation.GUARDED)
    assert causes(guarded) == [Cause.LOGINS_FAIL_BESIDE_RAMP]


def herd(late: Acquisition, number: int, saturation: Saturation = FULL) -> Diagnosis:
    wishes = (*[late] * number, *(acquired(n) for n in range(10 - number)))
    asked = replace(ASKED, application=replace(APPLICATION, connection_timeout_s=35.0))
    ramped = ramp(saturation=saturation, acquisitions=wishes)
    return diagnose([pool(ramped, Check.HERD)], asked)


CENSORED = acquired(outcome=AcquisitionOutcome.CUT_OFF, finished_ns=36 * 10**9)


def test_a_herd_of_which_a_fifth_is_late_is_slow_and_a_censored_wait_counts() -> None:
    assert herd(CENSORED, 1).findings == ()
    told = herd(CENSORED, 2)
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.CONNECTS_SLOW_UNDER_LOAD, Severity.WARNING)
    assert finding.summary == (
        "staging-db: 2 of 10 instances that start at once wait longer than 35 s for a connection "
        "(20%, tolerated below 20%)"
    )
    assert told.verdict is Verdict.DEGRADED


def test_in_a_guarded_herd_the_wait_is_the_guards_and_only_the_connect_counts() -> None:
    assert herd(CENSORED, 5, Saturation.GUARDED).findings == ()
    slow = acquired(connect_s=36.0, finished_ns=36 * 10**9)
    assert causes(herd(slow, 5, Saturation.GUARDED)) == [Cause.CONNECTS_SLOW_UNDER_LOAD]


def test_an_overloaded_ramp_concludes_nothing_and_leaves_that_part_open() -> None:
    late = acquired(started_ns=3 * 10**9)
    ramped = ramp(
        overloaded=True,
        lag_s=1.5,
        stopped=StopReason.OVERLOADED,
        before=headroom(20),
        acquisitions=(late, refused(2)),
        canaries=(canary(Failure.TIMEOUT),),
    )
    for outcome in (Outcome.PASSED, Outcome.CRASHED):
        told = diagnosis(pool(ramped, outcome=outcome))
        assert causes(told) == [Cause.PROBE_OVERLOADED]
        assert told.headline == (
            "staging-db: the figures of the pool check are not believed: the probe did not get to run for "
            "1.5 s, and began up to 3 s late"
        )
        assert told.verdict is Verdict.INCONCLUSIVE


def test_an_overloaded_ramp_leaves_a_down_as_it_is() -> None:
    refuses = (Stage.TCP, Failure.REFUSED)
    told = diagnosis(pool(ramp(overloaded=True)), dialled=(refuses, refuses))
    assert told.verdict is Verdict.DOWN


def test_a_ramp_that_crashed_is_the_probes_fault_and_says_nothing_else() -> None:
    error = ErrorFacts(type="x", message="KeyError: 1")
    crashed = pool(ramp(stopped=StopReason.FAILED), outcome=Outcome.CRASHED, error=error)
    told = diagnosis(crashed)
    assert causes(told) == [Cause.PROBE_CRASHED]
    assert told.verdict is Verdict.INCONCLUSIVE


def test_a_busy_probe_is_said_once_and_leaves_nothing_open() -> None:
    busy = [left_out(SkipReason.BUSY, check) for check in (Check.POOL, Check.HERD)]
    told = diagnosis(*busy)
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.ANOTHER_PROBE_BUSY, Severity.INFO)
    assert finding.summary == (
        "staging-db: pool, herd: no pool was filled: another probe fills one of this instance"
    )
    assert finding.evidence == tuple(o.id for o in busy)
    assert told.verdict is Verdict.HEALTHY


def test_a_ramp_without_a_guard_says_what_was_missing() -> None:
    told = diagnosis(left_out(SkipReason.NO_GUARD, error=DENIED))
    assert told.findings[0].cause is Cause.RAMP_NOT_GUARDED
    assert told.findings[0].summary == (
        "staging-db: pool: no pool was filled: what keeps a ramp harmless could not be had "
        '([42501], "permission denied")'
    )
    assert told.verdict is Verdict.HEALTHY


def test_a_ramp_that_an_earlier_failure_kept_from_beginning_is_no_finding() -> None:
    refuses = (Stage.TCP, Failure.REFUSED)
    told = diagnosis(left_out(SkipReason.EARLIER_STAGE_FAILED), dialled=(refuses, refuses))
    assert causes(told) == [Cause.ENDPOINT_REFUSED]
    only = diagnose([left_out(SkipReason.EARLIER_STAGE_FAILED)], ASKED)
    assert (only.findings, only.targets, only.verdict) == ((), (), Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("reason", [SkipReason.DEADLINE, SkipReason.INTERRUPTED])
def test_a_ramp_that_was_cut_off_leaves_the_answer_open(reason: SkipReason) -> None:
    told = diagnosis(left_out(reason))
    assert causes(told) == [Cause.NOT_MEASURED]
    assert told.verdict is Verdict.INCONCLUSIVE


def test_connections_that_are_left_behind_are_told_and_whose_they_are() -> None:
    both = pool(ramp(before=headroom(leftovers=3), left_behind=1))
    told = diagnosis(both, pool(ramp(), Check.HERD))
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.CONNECTIONS_LEFT_BEHIND, Severity.WARNING)
    assert finding.summary == (
        "staging-db: connections of the probe are still open: 3 of an earlier run at the first reading, "
        "1 of this run after the pool check had let go"
    )
    assert finding.evidence == (both.id,)
    assert told.verdict is Verdict.HEALTHY


def test_connections_left_behind_are_told_even_where_nothing_else_is_believed() -> None:
    for ramped in (ramp(before=headroom(leftovers=1), overloaded=True), ramp(before=None, left_behind=2)):
        assert Cause.CONNECTIONS_LEFT_BEHIND in causes(diagnosis(pool(ramped)))


def test_a_pool_that_was_measured_alone_gives_its_target_a_verdict() -> None:
    assert diagnose([pool()], ASKED).targets == (("staging-db", Verdict.HEALTHY),)


def test_the_default_pool_of_staging_does_not_decide_the_verdict() -> None:
    told = diagnose([pool()], replace(ASKED, application=Application()))
    assert the(told, Cause.POOL_EXCEEDS_SERVER_LIMIT).severity is Severity.WARNING
    assert told.verdict is Verdict.HEALTHY


@pytest.mark.parametrize("reason", [SkipReason.BUSY, SkipReason.NO_GUARD])
def test_a_run_in_which_every_check_was_left_out_says_that_nothing_was_measured(reason: SkipReason) -> None:
    told = diagnose([left_out(reason)], ASKED)
    assert (told.verdict, told.headline) == (
        Verdict.INCONCLUSIVE,
        f"nothing was measured (pool: {reason})",
    )


def test_logins_that_nobody_answered_are_left_behind_though_the_server_names_none() -> None:
    told = told_of(outcome=Outcome.FAILED, stopped=StopReason.BUDGET, left_behind=5, unanswered=3)
    left = the(told, Cause.CONNECTIONS_LEFT_BEHIND)
    assert left.summary == (
        "staging-db: connections of the probe are still open: 2 of this run after the pool check had let go, "
        "3 logins of ours of the pool check were not answered; PostgreSQL keeps their slots until it answers "
        "or authentication_timeout ends them"
    )
    assert told.verdict is Verdict.DEGRADED
    uncounted = the(told_of(left_behind=None, unanswered=1), Cause.CONNECTIONS_LEFT_BEHIND)
    assert ": 1 logins of ours" in uncounted.summary


def test_our_own_logins_under_way_are_not_blamed_on_others() -> None:
    """Ten were open or on their way when the canary that began at none was refused."""
    mine = [acquired(n, connect_s=0.01) for n in range(8)]
    mine += [acquired(n, outcome=AcquisitionOutcome.CUT_OFF, finished_ns=10**11) for n in (8, 9)]
    told = told_of(
        outcome=Outcome.FAILED,
        stopped=StopReason.CANARY_FAILED,
        canaries=(canary(Failure.SLOTS_EXHAUSTED, held=0),),
        acquisitions=tuple(mine),
    )
    assert "while the pool check held 8 connections; others held up to 11, the" in told.headline


def test_a_budget_that_was_over_before_anything_was_opened_says_nothing_of_the_server() -> None:
    told = told_of(stopped=StopReason.BUDGET, held=0)
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.NOT_MEASURED, Severity.INFO)
    assert finding.summary == (
        "staging-db: pool: not measured: the ramp's time was over before anything was opened"
    )


def test_a_probe_that_was_silent_and_late_with_nothing_says_the_silence_alone() -> None:
    told = told_of(overloaded=True, lag_s=8.0, stopped=StopReason.OVERLOADED)
    assert told.headline.endswith("are not believed: the probe did not get to run for 8 s")
