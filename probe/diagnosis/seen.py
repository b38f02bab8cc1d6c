"""What a run saw, and the shape of a finding about it."""

from collections.abc import Iterable
from dataclasses import dataclass

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.evidence import Endpoints, PathEvidence
from probe.diagnosis.question import Question
from probe.model.cause import Cause
from probe.model.report import Finding
from probe.model.words import Check, Layer, Path, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The evidence of a run, and the question asked of it."""

    question: Question
    groups: tuple[PathEvidence, ...]
    endpoints: Endpoints

    def of(self, target: str, check: Check) -> tuple[PathEvidence, ...]:
        """What one check saw of one target."""
        return tuple(g for g in self.groups if g.target == target and g.check is check)


def finding(
    cause: Cause,
    target: str,
    summary: str,
    evidence: Iterable[str],
    *,
    path: Path | None = None,
    severity: Severity | None = None,
    layer: Layer | None = None,
) -> Finding:
    """A finding with what the catalogue says of its cause; numbered later."""
    entry = CATALOGUE[cause]
    return Finding(
        id="",
        cause=cause,
        category=entry.category,
        layer=layer or entry.layer,
        severity=severity or entry.severity,
        target=target,
        path=path,
        summary=summary,
        action=entry.action,
        escalate=entry.escalate,
        evidence=tuple(dict.fromkeys(evidence)),
    )
