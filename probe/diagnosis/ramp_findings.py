"""What went wrong while a pool was filled, or kept it from being filled. That it stopped is no fault."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from probe.diagnosis.ramp_events import events
from probe.diagnosis.ramp_sentences import why
from probe.diagnosis.room_findings import room_findings
from probe.diagnosis.seen import Seen, finding, overloaded
from probe.diagnosis.sentences import seconds
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.ramp import Ramp
from probe.model.report import Finding
from probe.model.words import Category, Check, Outcome, Severity, SkipReason

LEFT_OUT = {SkipReason.BUSY: Cause.ANOTHER_PROBE_BUSY, SkipReason.NO_GUARD: Cause.RAMP_NOT_GUARDED}
WHY_LEFT_OUT = {
    Cause.ANOTHER_PROBE_BUSY: "another probe fills one of this instance",
    Cause.RAMP_NOT_GUARDED: "what keeps a ramp harmless could not be had",
}


def with_ramps(seen: Seen, found: Iterable[Finding]) -> list[Finding]:
    """The findings so far, and those of the ramps; a consequence names its root by a provisional id."""
    findings = list(found)
    for target in seen.question.targets:
        observations = seen.ramps(target.name)
        findings += room_findings(seen, target.name)
        for observation in observations:
            for event in events(seen, observation):
                _add_event(seen, findings, observation, event)
        findings += [*_overloaded(observations), *_left_out(observations), *_left_behind(observations)]
    return findings


def _add_event(seen: Seen, findings: list[Finding], observation: Observation, event: Finding) -> None:
    """What fails beside a ramp is a consequence of what the dialler met over the same path."""
    place = next((n for n, item in enumerate(findings) if _explains(seen, item, observation, event)), None)
    if place is not None:
        root = replace(findings[place], id=findings[place].id or f"root of {observation.id}")
        findings[place], event = root, replace(event, consequence_of=root.id)
    findings.append(event)


def _explains(seen: Seen, root: Finding, observation: Observation, event: Finding) -> bool:
    """Whether the path is dead anyway, or out of connections; what goes wrong at times explains no ramp."""
    grave = root.severity is Severity.CRITICAL or (
        root.category is Category.CAPACITY_CONSTRAINT and root.severity is Severity.WARNING
    )
    fails = event.cause is Cause.LOGINS_FAIL_BESIDE_RAMP
    return fails and grave and seen.on_path(root, observation.target, observation.path)


def _overloaded(observations: Iterable[Observation]) -> Iterator[Finding]:
    for observation in observations:
        if isinstance(observation.result, Ramp) and overloaded(observation):
            yield finding(
                Cause.PROBE_OVERLOADED,
                observation.target,
                f"{observation.target}: the figures of the {observation.check} check are not believed: "
                f"{_late(observation.result)}",
                [observation.id],
                path=observation.path,
            )


def _late(ramp: Ramp) -> str:
    late_s = max((item.start_delay_s for item in ramp.acquisitions), default=0.0)
    late = f", and began up to {seconds(late_s)} late" if late_s > 0 else ""
    return f"the probe did not get to run for {seconds(ramp.lag_s)}{late}"


def _left_out(observations: tuple[Observation, ...]) -> Iterator[Finding]:
    """What was not ramped at all, and why: once, whatever the number of checks."""
    for reason, cause in LEFT_OUT.items():
        skipped = [o for o in observations if o.outcome is Outcome.SKIPPED and o.skip_reason is reason]
        if skipped:
            checks = ", ".join(dict.fromkeys(str(o.check) for o in skipped))
            yield finding(
                cause,
                skipped[0].target,
                f"{skipped[0].target}: {checks}: no pool was filled: {WHY_LEFT_OUT[cause]}"
                f"{why(skipped[0].error)}",
                [o.id for o in skipped],
            )


def _left_behind(observations: tuple[Observation, ...]) -> Iterator[Finding]:
    """Connections of a probe that the server still has; told even where nothing else is believed."""
    ramps = [(o, o.result) for o in observations if isinstance(o.result, Ramp)]
    earlier = max((ramp.before.leftovers for _, ramp in ramps if ramp.before), default=0)
    parts = [f"{earlier} of an earlier run at the first reading"] if earlier else []
    for observation, ramp in ramps:
        parts += _left_by(ramp, observation.check)
    if parts:
        left = [
            o.id
            for o, ramp in ramps
            if ramp.left_behind or ramp.unanswered or (ramp.before and ramp.before.leftovers)
        ]
        target = ramps[0][0].target
        sentence = f"{target}: connections of the probe are still open: {', '.join(parts)}"
        yield finding(Cause.CONNECTIONS_LEFT_BEHIND, target, sentence, left)


def _left_by(ramp: Ramp, check: Check) -> Iterator[str]:
    """What the server's own table names, and the logins that it names nowhere."""
    counted = (ramp.left_behind or 0) - ramp.unanswered
    if counted > 0:
        yield f"{counted} of this run after the {check} check had let go"
    if ramp.unanswered:
        yield (
            f"{ramp.unanswered} logins of ours of the {check} check were not answered; "
            "PostgreSQL keeps their slots until it answers or authentication_timeout ends them"
        )
