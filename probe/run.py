"""The program, top to bottom: measure, judge, confirm, deliver, tell."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from probe.checks.concurrently import Nobody, Watcher, observe
from probe.checks.series import Series
from probe.dial.clock import Deadline
from probe.model.observation import Delivery, Observation
from probe.model.report import Report
from probe.model.words import Verdict
from probe.plan import Plan, confirmation

if TYPE_CHECKING:
    from probe.diagnosis.diagnose import Diagnosis

Deliver = Callable[[Report, float], Delivery]
"""The report, and the seconds left of the run's deadline."""
NOBODY = Nobody()


def run(plan: Plan, *, deliver: Deliver, interrupted: threading.Event, watcher: Watcher = NOBODY) -> Report:
    """One run. ``deliver`` writes the metrics of a finished report; it never raises."""
    deadline, all_ends = Deadline.after(plan.measuring_s), Deadline.after(plan.deadline_s)
    plan.prepare()
    origin_ns = time.monotonic_ns()

    def measure(series: Sequence[Series]) -> tuple[Observation, ...]:
        return observe(
            series, origin_ns=origin_ns, deadline=deadline, interrupted=interrupted, watcher=watcher
        )

    observations = measure(plan.opening)
    observations += measure(plan.main)

    from probe.diagnosis.diagnose import diagnose  # late: nothing that was measured needs it

    diagnosis = diagnose(observations, plan.question)
    if _worth_confirming(plan, diagnosis, deadline):
        watcher.pausing(plan.confirm_after_s)
        if not interrupted.wait(plan.confirm_after_s):
            observations += measure(confirmation(plan.main, _down(diagnosis)))
            diagnosis = diagnose(observations, plan.question)
    report = Report(
        identity=plan.identity,
        duration_s=(time.monotonic_ns() - origin_ns) / 1e9,
        verdict=diagnosis.verdict,
        targets=diagnosis.targets,
        headline=diagnosis.headline,
        findings=diagnosis.findings,
        observations=observations,
        interrupted=interrupted.is_set(),
    )
    return delivered(report, deliver(report, _left_s(all_ends)))


def delivered(report: Report, delivery: Delivery) -> Report:
    """The report with what became of its metrics: the verdict stays as it is."""
    from probe.diagnosis.own_findings import delivery_findings

    return replace(report, delivery=delivery, findings=report.findings + delivery_findings(delivery))


def _down(diagnosis: "Diagnosis") -> tuple[str, ...]:
    return tuple(name for name, verdict in diagnosis.targets if verdict is Verdict.DOWN)


def _worth_confirming(plan: Plan, diagnosis: "Diagnosis", deadline: Deadline) -> bool:
    return bool(plan.confirm_after_s and _down(diagnosis)) and _left_s(deadline) > plan.confirm_after_s


def _left_s(deadline: Deadline) -> float:
    try:
        return deadline.left_s()
    except TimeoutError:
        return 0.0
