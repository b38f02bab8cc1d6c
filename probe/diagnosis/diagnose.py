"""From observations to findings and a verdict: the whole judgement, top to bottom."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.consequences import linked
from probe.diagnosis.endpoints import endpoints_in
from probe.diagnosis.evidence import PathEvidence, group, open_end
from probe.diagnosis.own_findings import configuration_findings, probe_findings
from probe.diagnosis.question import Question
from probe.diagnosis.seen import Seen
from probe.diagnosis.sentences import seconds
from probe.diagnosis.surroundings import egress_findings, neighbour_findings
from probe.diagnosis.target_findings import target_findings
from probe.diagnosis.verdict import run_verdict, target_verdict
from probe.model.observation import Observation
from probe.model.report import Finding
from probe.model.words import Blame, Check, Severity, Verdict

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
    seen = Seen(question=question, groups=group(everything), endpoints=endpoints_in(everything))
    roots = [f for target in question.targets for f in target_findings(seen, target)]
    around = [*roots, *neighbour_findings(seen, roots)]
    findings = [
        *around,
        *egress_findings(seen, around),
        *probe_findings(seen),
        *configuration_findings(seen),
    ]
    instances = {target.name: target.instance for target in question.targets}
    numbered = linked(_numbered(findings), instances)
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


def _headline(verdict: Verdict, findings: tuple[Finding, ...], seen: Seen) -> str:
    """The finding that the verdict rests on; where all is well, how fast it is."""
    if verdict is Verdict.HEALTHY:
        parts = [_works(seen, target.name) for target in seen.question.targets]
        return "; ".join(part for part in parts if part) or "nothing that was checked is out of order"
    of_target = _first(findings, Blame.TARGET)
    if verdict is not Verdict.INCONCLUSIVE:
        return of_target
    cut_off = f"the run ended before everything was measured; {of_target or 'what was measured is in order'}"
    return _first(findings, Blame.PROBE) or cut_off


def _first(findings: tuple[Finding, ...], blame: Blame) -> str:
    """The summary of the worst finding with this blame that is no consequence; empty where there is none."""
    roots = (f for f in findings if f.consequence_of is None and f.severity is not Severity.INFO)
    return next((f.summary for f in roots if CATALOGUE[f.cause].blame is blame), "")


def _works(seen: Seen, target: str) -> str:
    means = [
        f"{connections.path} {seconds(_mean_s(connections))}"
        for connections in seen.of(target, Check.CLOUDSQL)
        if connections.passed
    ]
    return f"{target} answers: {', '.join(means)} (mean connection time)" if means else ""


def _mean_s(connections: PathEvidence) -> float:
    return sum(o.span.duration_s for o in connections.passed) / len(connections.passed)
