"""The verdict: on each target, and on the run."""

from collections.abc import Iterable

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.evidence import PathEvidence
from probe.diagnosis.seen import Seen
from probe.model.report import Finding
from probe.model.target import Target, Thresholds, primary_path
from probe.model.words import Blame, Check, Severity, Verdict

WORST_FIRST = (Verdict.DOWN, Verdict.INCONCLUSIVE, Verdict.DEGRADED, Verdict.HEALTHY)
"""A cut-off or crashed measurement never overturns a ``down``, and otherwise leaves the answer open."""


def target_verdict(seen: Seen, target: Target, findings: Iterable[Finding]) -> Verdict | None:
    """None where nothing was asked about this target."""
    own = [f for f in findings if f.target == target.name]
    groups = seen.of(target.name, Check.CLOUDSQL) or seen.of(target.name, Check.ROUTE)
    if not groups:
        return None
    primary = next((g for g in groups if g.path is primary_path(target)), None)
    verdict = _of_primary(primary, own, seen.question.thresholds) if primary else Verdict.HEALTHY
    if verdict is Verdict.HEALTHY and any(_degrades(f) for f in own):
        return Verdict.DEGRADED
    if verdict is Verdict.HEALTHY and any(g.observations and not g.valid for g in groups):
        return Verdict.INCONCLUSIVE
    return verdict


def _of_primary(primary: PathEvidence, own: list[Finding], thresholds: Thresholds) -> Verdict:
    ratio = primary.success_ratio
    if ratio is None:
        return Verdict.INCONCLUSIVE
    if ratio < thresholds.success_ratio_down:
        causes = [f.cause for f in own if set(f.evidence) & {o.id for o in primary.failed}]
        ours = bool(causes) and all(CATALOGUE[cause].blame is Blame.PROBE for cause in causes)
        return Verdict.INCONCLUSIVE if ours else Verdict.DOWN
    if ratio <= thresholds.success_ratio_healthy or primary.refuted:
        return Verdict.DEGRADED
    return Verdict.HEALTHY


def _degrades(finding: Finding) -> bool:
    entry = CATALOGUE[finding.cause]
    return finding.severity is not Severity.INFO and entry.blame is Blame.TARGET


def run_verdict(targets: Iterable[Verdict], findings: Iterable[Finding], *, open_end: bool) -> Verdict:
    """The worst of the targets'; what concerns no target can make it ``degraded``."""
    verdicts = set(targets)
    if open_end:
        verdicts.add(Verdict.INCONCLUSIVE)
    if any(_degrades(f) for f in findings):
        verdicts.add(Verdict.DEGRADED)
    return next((v for v in WORST_FIRST if v in verdicts), Verdict.HEALTHY)
