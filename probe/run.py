"""The program, top to bottom: measure, rehearse, judge, confirm, fill the pool, deliver, tell."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from probe.checks.concurrently import Nobody, Watcher, observe
from probe.checks.series import Sampling, Series
from probe.dial.clock import Deadline
from probe.model.observation import Delivery, Observation
from probe.model.ramp import Ramp
from probe.model.report import Report
from probe.model.words import Check, Outcome, SkipReason, Verdict
from probe.plan import Plan, confirmation

if TYPE_CHECKING:
    from probe.diagnosis.diagnose import Diagnosis

Deliver = Callable[[Report, float], Delivery]
"""The report, and the seconds left of the run's deadline."""
Measure = Callable[[Sequence[Series]], tuple[Observation, ...]]
NOBODY = Nobody()
BAD = frozenset({Outcome.FAILED, Outcome.CRASHED})


def run(plan: Plan, *, deliver: Deliver, interrupted: threading.Event, watcher: Watcher = NOBODY) -> Report:
    """One run. ``deliver`` writes the metrics of a finished report; it never raises."""
    deadline, all_ends = Deadline.after(plan.measuring_s), Deadline.after(plan.deadline_s)
    dialling_ends = Deadline.after(plan.measuring_s - plan.kept_back_s)
    plan.prepare()
    origin_ns = time.monotonic_ns()

    def measure(series: Sequence[Series], until: Deadline = deadline) -> tuple[Observation, ...]:
        return observe(series, origin_ns=origin_ns, deadline=until, interrupted=interrupted, watcher=watcher)

    observations = measure(plan.opening, dialling_ends)
    observations += measure(plan.main, dialling_ends)
    observations += measure(plan.rehearsal)

    from probe.diagnosis.diagnose import diagnose  # late: nothing that was measured needs it

    diagnosis = diagnose(observations, plan.question)
    if _worth_confirming(plan, diagnosis, deadline):
        watcher.pausing(plan.confirm_after_s)
        if not interrupted.wait(plan.confirm_after_s):
            again = confirmation(plan.main + plan.rehearsal, _down(diagnosis))
            for part in (_without(again, Check.STARTUP), _only(again, Check.STARTUP)):
                observations += measure(part)
            diagnosis = diagnose(observations, plan.question)
    if plan.load:
        observations += _filled(plan.load, observations, measure, origin_ns)
        diagnosis = diagnose(observations, plan.question)
    report = Report(
        identity=plan.identity,
        duration_s=(time.monotonic_ns() - origin_ns) / 1e9,
        verdict=diagnosis.verdict,
        targets=diagnosis.targets,
        headline=diagnosis.headline,
        findings=diagnosis.findings,
        observations=observations,
        chain=diagnosis.chain,
        advice=diagnosis.advice,
        interrupted=interrupted.is_set(),
    )
    return delivered(report, deliver(report, _left_s(all_ends)))


def delivered(report: Report, delivery: Delivery) -> Report:
    """The report with what became of its metrics: the verdict stays as it is."""
    from probe.diagnosis.own_findings import delivery_findings

    return replace(report, delivery=delivery, findings=report.findings + delivery_findings(delivery))


def _filled(
    load: Iterable[Series], before: tuple[Observation, ...], measure: Measure, origin_ns: int
) -> tuple[Observation, ...]:
    """One ramp after another; none once anything on the same way has gone wrong."""
    from probe.diagnosis.evidence import group  # late, as above

    # What a server refused for its form, and did without in the next attempt, was no failure of the way.
    conceded = {observation.id for evidence in group(before) for observation in evidence.conceded}
    told = tuple(observation for observation in before if observation.id not in conceded)
    filled: tuple[Observation, ...] = ()
    for series in load:
        if any(_speaks_against(seen, series) for seen in told + filled):
            filled += tuple(Sampling(series, origin_ns=origin_ns).left_out(SkipReason.EARLIER_STAGE_FAILED))
        else:
            filled += measure((series,))
    return filled


def _speaks_against(seen: Observation, ramp: Series) -> bool:
    """Whether a pool must not be filled after this: never where the way to it is not in order."""
    went_wrong = seen.outcome in BAD or (isinstance(seen.result, Ramp) and not seen.result.harmless)
    return went_wrong and (seen.target, seen.path) == (ramp.target, ramp.path)


def _without(series: Sequence[Series], check: Check) -> tuple[Series, ...]:
    return tuple(one for one in series if one.check is not check)


def _only(series: Sequence[Series], check: Check) -> tuple[Series, ...]:
    return tuple(one for one in series if one.check is check)


def _down(diagnosis: "Diagnosis") -> tuple[str, ...]:
    return tuple(name for name, verdict in diagnosis.targets if verdict is Verdict.DOWN)


def _worth_confirming(plan: Plan, diagnosis: "Diagnosis", deadline: Deadline) -> bool:
    return bool(plan.confirm_after_s and _down(diagnosis)) and _left_s(deadline) > plan.confirm_after_s


def _left_s(deadline: Deadline) -> float:
    try:
        return deadline.left_s()
    except TimeoutError:
        return 0.0
