"""What the rehearsals of the application's start-up say: why it would not start, or that it is slow."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.phase_causes import SCHEMA_CHECK, cause_of_phase, ending_step
from probe.diagnosis.phase_sentences import (
    NOT_CONFIRMED,
    borrowed_sentence,
    root_sentence,
    startup_sentence,
    took_s,
)
from probe.diagnosis.rehearsals import Told, crashed, crashed_phase, deciding, failing
from probe.diagnosis.seen import SEVERITIES, Seen, finding, overloaded
from probe.diagnosis.sentences import last_line, seconds
from probe.diagnosis.startup_roots import Ended, existing_root
from probe.diagnosis.triangulation import layer_on
from probe.model.application import PhaseKind
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.rehearsal import BAD_ENDS, PhaseOutcome, PhaseRecord, Rehearsal
from probe.model.report import Finding
from probe.model.words import Blame, Check, Severity

OF_THE_PATH = frozenset({PhaseKind.DEPENDENCIES, PhaseKind.DATABASE})


def with_startup(seen: Seen, found: Iterable[Finding]) -> list[Finding]:
    """The findings so far, and those of the rehearsals; a root that was found already becomes as grave.

    A consequence names its root by a provisional id; the numbering makes a final one of it.
    """
    findings = list(found)
    for group in seen.check(Check.STARTUP):
        for observation in group.observations:
            findings += _of_the_probe(observation)
        decides, failed = deciding(group), failing(group)
        if failed:
            _add_failure(seen, findings, failed)
        if decides:
            _add_optional_phases(seen, findings, decides)
            findings += _slow(seen, decides)
    return findings


def _of_the_probe(observation: Observation) -> Iterator[Finding]:
    """Where the probe itself was too slow, or went wrong: that speaks of nobody else."""
    target, path, result = observation.target, observation.path, observation.result
    if isinstance(result, Rehearsal) and overloaded(observation):
        yield finding(
            Cause.PROBE_OVERLOADED,
            target,
            f"{target}: the start-up's rehearsal is not believed: its process did not get to run for "
            f"{seconds(result.lag_s)}",
            [observation.id],
            path=path,
        )
    elif crashed(observation):
        phase = crashed_phase(observation)
        error = (phase.error if phase else None) or observation.error
        where = f" in {phase.name}" if phase else ""
        yield finding(
            Cause.REHEARSAL_CRASHED,
            target,
            f"{target}: the start-up's rehearsal itself went wrong{where}{last_line(error)}",
            [observation.id],
            path=path,
        )


def _add_failure(seen: Seen, findings: list[Finding], told: Told) -> None:
    """The root and, as its consequence, that the application would not start."""
    phase = told.ended_by
    assert phase is not None  # noqa: S101 - exit code 3 has a phase that caused it
    root = existing_root(seen, findings, Ended(told=told, phase=phase))
    cause = root.cause if root else cause_of_phase(phase)
    grave = _severity_of_root(told, cause)
    named = f"root of {told.observation.id}"
    if root:
        place = next(n for n, item in enumerate(findings) if item is root)
        named = root.id or named
        root = replace(root, id=named, severity=_as_grave(seen, root, told, grave))
        findings[place] = root
    else:
        root = replace(_specific(seen, told, phase, grave), id=named)
        findings.append(root)
    findings.append(
        replace(_would_not_start(told, phase, cause), escalate=root.escalate, consequence_of=named)
    )


def _would_not_start(told: Told, phase: PhaseRecord, root: Cause) -> Finding:
    """The consequence. Where the root is the probe's own, what becomes of the application is not known."""
    remark = "" if told.confirmed else NOT_CONFIRMED
    if CATALOGUE[root].blame is Blame.TARGET:
        summary = startup_sentence(told.target, told.rehearsal, phase, remark=remark)
    else:
        summary = borrowed_sentence(told.target, told.rehearsal, phase, root, remark=remark)
    return finding(
        Cause.STARTUP_FAILED,
        told.target,
        summary,
        [told.observation.id],
        path=told.path,
        severity=_severity(told, root),
    )


def _as_grave(seen: Seen, root: Finding, told: Told, grave: Severity) -> Severity:
    """A root is as grave as what it brings about; how grave it is for another target that target tells."""
    others = {target.name for target in seen.question.targets} - {told.target}
    return root.severity if root.target in others else min(root.severity, grave, key=SEVERITIES.index)


def _severity(told: Told, root: Cause) -> Severity:
    """What only the probe lacks, and what was not confirmed, takes no application down."""
    of_target = CATALOGUE[root].blame is Blame.TARGET
    if told.confirmed:
        return Severity.CRITICAL if of_target else Severity.WARNING
    return Severity.WARNING if of_target else Severity.INFO


def _severity_of_root(told: Told, root: Cause) -> Severity:
    """What the probe lacks is as grave as where the dialler lacks it: no application is part of that."""
    entry = CATALOGUE[root]
    own = told.confirmed and entry.blame is Blame.PROBE
    return entry.severity if own else _severity(told, root)


def _add_optional_phases(seen: Seen, findings: list[Finding], told: Told) -> None:
    """Phases without which the application starts: each a warning, or what a known cause brings about."""
    for phase in told.rehearsal.phases:
        if phase.required or phase.outcome not in BAD_ENDS:
            continue
        root = existing_root(seen, findings, Ended(told=told, phase=phase))
        own = _specific(seen, told, phase, Severity.WARNING)
        if root:
            place = next(n for n, item in enumerate(findings) if item is root)
            findings[place] = replace(root, id=root.id or f"root of {told.observation.id} {phase.name}")
            own = replace(own, consequence_of=findings[place].id)
        findings.append(own)


def _specific(seen: Seen, told: Told, phase: PhaseRecord, severity: Severity) -> Finding:
    cause = cause_of_phase(phase)
    remarks = [beside] if (beside := _beside(seen, told, phase, cause)) else []
    remarks += [] if told.confirmed else [NOT_CONFIRMED]
    remarks += [] if phase.required else ["the application starts without it"]
    return finding(
        cause,
        told.target,
        root_sentence(
            told.target,
            cause,
            phase,
            endpoint=phase.endpoint or (seen.question.cache_address if phase.kind is PhaseKind.CACHE else ""),
            remark="; ".join(remarks),
        ),
        [told.observation.id],
        path=told.path if phase.kind in OF_THE_PATH else None,
        severity=severity,
        layer=layer_on(cause, (told.path,)) if phase.kind is PhaseKind.DATABASE else None,
    )


def _beside(seen: Seen, told: Told, phase: PhaseRecord, cause: Cause) -> str:
    """What the dialler met over the same path, where it goes as far as the phase went. Empty: nothing."""
    step = ending_step(phase)
    if phase.kind is not PhaseKind.DATABASE or (step is not None and step.name == SCHEMA_CHECK):
        return ""
    path = told.path or seen.question.application_path
    group = next((g for g in seen.of(told.target, Check.CLOUDSQL) if g.path is path), None)
    if group is None or not group.valid:
        unasked = f"the dialler was not asked over {path}: run the check {Check.CLOUDSQL} too"
        return unasked if cause is Cause.STARTUP_DATABASE_FAILED else ""
    times = [o.span.duration_s for o in group.passed]
    mean = f", {seconds(sum(times) / len(times))} on average" if times else ""
    return f"the dialler got through over {path} in {len(times)} of {len(group.valid)} attempts{mean}"


def _slow(seen: Seen, told: Told) -> Iterator[Finding]:
    """A start-up that succeeds and takes long, with the phase that took most of it."""
    thresholds, total_s = seen.question.thresholds, told.rehearsal.total_s
    if told.ended_by is not None or total_s <= min(thresholds.startup_s, thresholds.startup_tolerated_s):
        return
    tolerated = total_s <= thresholds.startup_tolerated_s
    limit_s = thresholds.startup_s if tolerated else thresholds.startup_tolerated_s
    longest = max(told.rehearsal.phases, key=took_s)
    yield finding(
        Cause.STARTUP_SLOW,
        told.target,
        f"{told.target}: the application would start, in {seconds(total_s)} (threshold {seconds(limit_s)}); "
        f"{longest.name} took most, {seconds(took_s(longest))}, {longest.share or 0.0:.0%} of its budget",
        [told.observation.id],
        path=told.path,
        severity=Severity.INFO if tolerated else None,
    )


def would_start(told: Told) -> str:
    """``the application would start (7 phases in 1.2 s)``."""
    completed = [p for p in told.rehearsal.phases if p.outcome is PhaseOutcome.COMPLETED]
    phases = f"{len(completed)} phase{'s' * (len(completed) != 1)}"
    return f"the application would start ({phases} in {seconds(told.rehearsal.total_s)})"
