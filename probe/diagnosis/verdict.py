"""The verdict: on each target, and on the run."""

from collections.abc import Iterable

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.evidence import PathEvidence
from probe.diagnosis.path_causes import blames_probe
from probe.diagnosis.rehearsals import deciding, of_the_target, roots_of_failure
from probe.diagnosis.seen import Seen
from probe.model.report import Finding
from probe.model.target import Target, Thresholds, primary_path
from probe.model.words import Blame, Check, Outcome, Severity, Verdict

WORST_FIRST = (Verdict.DOWN, Verdict.INCONCLUSIVE, Verdict.DEGRADED, Verdict.HEALTHY)
"""A cut-off or crashed measurement never overturns a ``down``, and otherwise leaves the answer open."""


BY_BLAME = {
    Blame.TARGET: Verdict.DEGRADED,
    Blame.PROBE: Verdict.INCONCLUSIVE,
    Blame.NOBODY: Verdict.HEALTHY,
}


def target_verdict(seen: Seen, target: Target, findings: Iterable[Finding]) -> Verdict | None:
    """None where nothing was asked about this target."""
    known, primary = tuple(findings), primary_path(target)
    verdicts = {
        _of_path(g, seen.question.thresholds, primary=g.path is primary) for g in seen.judged(target.name)
    }
    verdicts |= {_of_startup(group, known) for group in seen.of(target.name, Check.STARTUP)}
    verdicts |= {Verdict.HEALTHY for ramp in seen.ramps(target.name) if ramp.outcome is not Outcome.SKIPPED}
    if not verdicts:
        return None
    return _worst(verdicts | _told_by(f for f in known if f.target == target.name))


def run_verdict(targets: Iterable[Verdict], findings: Iterable[Finding], *, open_end: bool) -> Verdict:
    """The worst of the targets'; what concerns no target can make it ``degraded`` or ``inconclusive``."""
    verdicts = {*targets, Verdict.INCONCLUSIVE} if open_end else set(targets)
    return _worst(verdicts | _told_by(findings))


def _of_path(group: PathEvidence, thresholds: Thresholds, *, primary: bool) -> Verdict:
    ratio = group.success_ratio
    if ratio is None:
        return Verdict.INCONCLUSIVE
    if ratio == 1 or ratio > thresholds.success_ratio_healthy:
        return Verdict.HEALTHY
    if _only_probe_to_blame(group):
        return Verdict.INCONCLUSIVE
    return Verdict.DOWN if primary and ratio < thresholds.success_ratio_down else Verdict.DEGRADED


def _of_startup(group: PathEvidence, findings: tuple[Finding, ...]) -> Verdict:
    """Down where the application would end with exit code 3 for a cause that is not the probe's own."""
    told = deciding(group)
    if told is None:
        return Verdict.INCONCLUSIVE
    if told.ended_by is None:
        return Verdict.HEALTHY
    down = of_the_target(roots_of_failure(findings, group.target))
    return Verdict.DOWN if down else Verdict.INCONCLUSIVE


def _only_probe_to_blame(group: PathEvidence) -> bool:
    """Whether every failure that decides speaks of the probe: then the path was not measured."""
    failed = [o.failed_stage for o in group.last_round if o.outcome is Outcome.FAILED]
    return all(record is not None and blames_probe(group.path, record) for record in failed)


def _told_by(findings: Iterable[Finding]) -> set[Verdict]:
    """What the findings make of the answer beside the share of successes: never ``down``."""
    blames = {CATALOGUE[f.cause].blame for f in findings if f.severity is not Severity.INFO}
    return {BY_BLAME[blame] for blame in blames}


def _worst(verdicts: set[Verdict]) -> Verdict:
    return next((v for v in WORST_FIRST if v in verdicts), Verdict.HEALTHY)
