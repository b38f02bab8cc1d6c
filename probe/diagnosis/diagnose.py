"""From observations to findings and a verdict: the whole judgement, top to bottom."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from probe.diagnosis.advice import advice
from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.chain import failure_chain
from probe.diagnosis.consequences import linked
from probe.diagnosis.endpoints import endpoints_in
from probe.diagnosis.evidence import PathEvidence, group, open_end
from probe.diagnosis.own_findings import configuration_findings, probe_findings
from probe.diagnosis.question import Question
from probe.diagnosis.ramp_findings import with_ramps
from probe.diagnosis.rehearsals import deciding
from probe.diagnosis.seen import SEVERITIES, Seen
from probe.diagnosis.sentences import seconds
from probe.diagnosis.startup_findings import with_startup, would_start
from probe.diagnosis.surroundings import egress_findings, neighbour_findings
from probe.diagnosis.target_findings import target_findings
from probe.diagnosis.verdict import run_verdict, target_verdict
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.report import ChainLink, Finding
from probe.model.words import Blame, Check, Outcome, Severity, Verdict

APPLICATION = "application"
"""What the findings about the application's figures name as their target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What the observations say."""

    verdict: Verdict
    targets: tuple[tuple[str, Verdict], ...]
    findings: tuple[Finding, ...]
    headline: str
    chain: tuple[ChainLink, ...] = ()
    """The failure chain, where a rehearsed start-up failed; else empty."""
    advice: tuple[str, ...] = ()
    """What a ramp says about the full pool."""


def diagnose(observations: Iterable[Observation], question: Question) -> Diagnosis:
    """Pure: the same observations give the same diagnosis."""
    everything = tuple(observations)
    seen = Seen(question=question, groups=group(everything), endpoints=endpoints_in(everything))
    roots = [f for target in question.targets for f in target_findings(seen, target)]
    around = [*roots, *neighbour_findings(seen, roots)]
    dialled = [*around, *egress_findings(seen, around)]
    findings = [
        *with_ramps(seen, with_startup(seen, dialled)),
        *probe_findings(seen),
        *configuration_findings(seen),
    ]
    numbered = linked(_numbered(findings), _instances(question))
    verdicts = {t.name: v for t in question.targets if (v := target_verdict(seen, t, numbered))}
    open_answer = open_end(everything) or _nothing_measured(everything)
    verdict = run_verdict(verdicts.values(), numbered, open_end=open_answer)
    return Diagnosis(
        verdict=verdict,
        targets=tuple(verdicts.items()),
        findings=numbered,
        headline=_headline(verdict, numbered, seen),
        chain=failure_chain(seen, numbered),
        advice=advice(seen),
    )


def _nothing_measured(observations: Collection[Observation]) -> bool:
    """Whether every single check was left out: then nothing is known to be in order."""
    return bool(observations) and all(o.outcome is Outcome.SKIPPED for o in observations)


def _instances(question: Question) -> dict[str, str]:
    """By the target's name; what is said of the application's figures is said of its target's instance."""
    instances = {target.name: target.instance for target in question.targets}
    return instances | {APPLICATION: instances.get(question.application_target, "")}


def _numbered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first; provisional ids, by which a consequence names its root, become final ones."""
    ordered = sorted(findings, key=lambda f: SEVERITIES.index(f.severity))
    names = {f.id: f"F{number}" for number, f in enumerate(ordered, start=1) if f.id}
    return tuple(
        replace(f, id=f"F{number}", consequence_of=names.get(f.consequence_of or ""))
        for number, f in enumerate(ordered, start=1)
    )


def _headline(verdict: Verdict, findings: tuple[Finding, ...], seen: Seen) -> str:
    """The finding that the verdict rests on; where all is well, how fast it is."""
    if verdict is Verdict.HEALTHY:
        parts = [_works(seen, target.name) for target in seen.question.targets]
        return "; ".join(part for part in parts if part) or "nothing that was checked is out of order"
    root = _first(findings, Blame.TARGET)
    of_target = f"{root.summary}{_what_it_stops(root, findings)}" if root else ""
    if verdict is not Verdict.INCONCLUSIVE:
        return of_target
    of_probe = _first(findings, Blame.PROBE)
    if of_probe:
        return of_probe.summary
    observations = [observation for evidence in seen.groups for observation in evidence.observations]
    if _nothing_measured(observations):
        left_out = dict.fromkeys(f"{o.check}: {o.skip_reason}" for o in observations)
        return f"nothing was measured ({', '.join(left_out)})"
    return f"the run ended before everything was measured; {of_target or 'what was measured is in order'}"


def _first(findings: tuple[Finding, ...], blame: Blame) -> Finding | None:
    """The worst finding with this blame that is no consequence."""
    roots = (f for f in findings if f.consequence_of is None and f.severity is not Severity.INFO)
    return next((f for f in roots if CATALOGUE[f.cause].blame is blame), None)


def _what_it_stops(root: Finding, findings: tuple[Finding, ...]) -> str:
    """What it means for the application, where the rehearsal has shown that and it is confirmed."""
    stopped = any(
        f.cause is Cause.STARTUP_FAILED and f.consequence_of == root.id and f.severity is Severity.CRITICAL
        for f in findings
    )
    return "; the application would not start" if stopped else ""


def _works(seen: Seen, target: str) -> str:
    means = [
        f"{connections.path} {seconds(_mean_s(connections))}"
        for connections in seen.of(target, Check.CLOUDSQL)
        if connections.passed
    ]
    answers = [f"{target} answers: {', '.join(means)} (mean connection time)"] if means else []
    starts = [would_start(told) for g in seen.of(target, Check.STARTUP) if (told := deciding(g))]
    return "; ".join(answers + starts if answers else [f"{target}: {said}" for said in starts])


def _mean_s(connections: PathEvidence) -> float:
    return sum(o.span.duration_s for o in connections.passed) / len(connections.passed)
