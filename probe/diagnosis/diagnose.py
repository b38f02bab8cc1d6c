"""From observations to findings and a verdict: the whole judgement, top to bottom."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from probe.diagnosis.evidence import Endpoints, group, open_end
from probe.diagnosis.own_findings import configuration_findings, probe_findings
from probe.diagnosis.question import Question
from probe.diagnosis.seen import Seen
from probe.diagnosis.sentences import seconds
from probe.diagnosis.surroundings import egress_findings, neighbour_findings
from probe.diagnosis.target_findings import target_findings
from probe.diagnosis.verdict import run_verdict, target_verdict
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.report import Finding
from probe.model.words import Check, Layer, Severity, Verdict

SHARED_LAYERS = frozenset({Layer.CREDENTIALS, Layer.NETWORK, Layer.DNS})
"""Layers that all targets share: the same cause there on a second target is a consequence of the first."""

SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What the observations say."""

    verdict: Verdict
    targets: tuple[tuple[str, Verdict], ...]
    findings: tuple[Finding, ...]
    headline: str


def diagnose(observations: Iterable[Observation], question: Question) -> Diagnosis:
    """Pure: the same observations give the same diagnosis."""
    everything = tuple(observations)
    seen = Seen(question=question, groups=group(everything), endpoints=Endpoints.seen_in(everything))
    roots = [f for target in question.targets for f in target_findings(seen, target)]
    findings = [
        *roots,
        *neighbour_findings(seen, roots),
        *egress_findings(seen, roots),
        *probe_findings(seen),
        *configuration_findings(seen),
    ]
    numbered = _linked(_numbered(findings))
    verdicts = {t.name: v for t in question.targets if (v := target_verdict(seen, t, numbered))}
    verdict = run_verdict(verdicts.values(), numbered, open_end=open_end(everything))
    return Diagnosis(
        verdict=verdict,
        targets=tuple(verdicts.items()),
        findings=numbered,
        headline=_headline(verdict, numbered, seen),
    )


def _numbered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    ordered = sorted(findings, key=lambda f: SEVERITIES.index(f.severity))
    return tuple(replace(f, id=f"F{number}") for number, f in enumerate(ordered, start=1))


def _linked(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The same fault of a shared layer on several targets is one cause with consequences."""
    first: dict[Cause, Finding] = {}
    linked = []
    for finding in findings:
        root = first.setdefault(finding.cause, finding)
        shared = finding.layer in SHARED_LAYERS and root.target != finding.target
        linked.append(replace(finding, consequence_of=root.id) if shared else finding)
    return tuple(linked)


def _headline(verdict: Verdict, findings: tuple[Finding, ...], seen: Seen) -> str:
    advice = (Layer.CONFIGURATION, Layer.MONITORING)
    decisive = next((f for f in findings if f.layer not in advice and f.severity is not Severity.INFO), None)
    if verdict is not Verdict.HEALTHY and decisive is not None:
        return decisive.summary
    if verdict is not Verdict.HEALTHY:
        wrong = next((f.summary for f in findings if f.severity is Severity.CRITICAL), None)
        return wrong or "the run ended before everything was measured; what was measured is in order"
    parts = [_works(seen, target.name) for target in seen.question.targets]
    return "; ".join(part for part in parts if part) or "nothing that was checked is out of order"


def _works(seen: Seen, target: str) -> str:
    means = []
    for group_ in seen.of(target, Check.CLOUDSQL):
        times = [o.span.duration_s for o in group_.passed]
        if times:
            means.append(f"{group_.path} {seconds(sum(times) / len(times))}")
    return f"{target} answers: {', '.join(means)} (mean connection time)" if means else ""
