"""What a run saw, and the shape of a finding about it."""

from collections.abc import Iterable
from dataclasses import dataclass

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.endpoints import Endpoint
from probe.diagnosis.evidence import RAMPS, PathEvidence
from probe.diagnosis.path_causes import PathCause, path_cause
from probe.diagnosis.question import Question
from probe.diagnosis.sentences import one_line
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.report import Finding
from probe.model.words import Check, Layer, Path, Severity

MAX_SUMMARY = 1000
SEVERITIES = tuple(Severity)
"""The worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The evidence of a run, and the question asked of it."""

    question: Question
    groups: tuple[PathEvidence, ...]
    endpoints: tuple[Endpoint, ...]

    def of(self, target: str, check: Check) -> tuple[PathEvidence, ...]:
        """What one check saw of one target."""
        return tuple(g for g in self.groups if g.target == target and g.check is check)

    def check(self, *checks: Check) -> tuple[PathEvidence, ...]:
        """What these checks saw, of whatever target."""
        return tuple(g for g in self.groups if g.check in checks)

    def ramps(self, target: str) -> tuple[Observation, ...]:
        """Every filling of a pool of this target, and every one that was left out."""
        return tuple(o for g in self.check(*RAMPS) if g.target == target for o in g.observations)

    def database(self, target: str) -> str:
        """The application's database on this target; empty: there is no such target."""
        return next((t.database for t in self.question.targets if t.name == target), "")

    def on_path(self, finding: Finding, target: str, path: Path | None) -> bool:
        """Whether a finding about this target rests on what the dialler met over this path."""
        dialled = {
            observation.id
            for check in (Check.CLOUDSQL, Check.ROUTE)
            for group in self.of(target, check)
            if group.path is path
            for observation in group.observations
        }
        return finding.target == target and not dialled.isdisjoint(finding.evidence)

    def judged(self, target: str) -> tuple[PathEvidence, ...]:
        """By what a target is judged: its connections; its routes where no connection gave an answer."""
        connections, routes = self.of(target, Check.CLOUDSQL), self.of(target, Check.ROUTE)
        answered = {group.path for group in connections if group.valid}
        return connections + tuple(group for group in routes if group.path not in answered)

    def cause(self, group: PathEvidence) -> PathCause | None:
        """Why attempts of this group failed; None where none did."""
        plain = any(t.name == group.target and t.tls == "disable" for t in self.question.targets)
        tls = group.path is not Path.PRIVATE_IP or not plain
        return path_cause(group, self.endpoints, self.question.started_at, tls=tls)


def overloaded(observation: Observation) -> bool:
    """Whether the probe was too slow for anything in this observation to be believed."""
    return bool(getattr(observation.result, "overloaded", False))


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
        summary=one_line(summary, MAX_SUMMARY),
        action=entry.action,
        escalate=entry.escalate,
        evidence=tuple(dict.fromkeys(evidence)),
    )
