"""What is wrong with the application's figures, with the probe itself, and with its metrics' delivery."""

from collections.abc import Iterator
from dataclasses import replace

from probe.diagnosis.configuration import broken_rules, gateway_rules
from probe.diagnosis.evidence import RAMPS
from probe.diagnosis.seen import Seen, finding, overloaded
from probe.diagnosis.sentences import last_line, quoted
from probe.model.application import Application
from probe.model.cause import Cause
from probe.model.observation import Delivery, Observation
from probe.model.report import Finding
from probe.model.words import Check, Failure, Outcome, SkipReason

LEFT_OUT_ON_PURPOSE = (SkipReason.BUSY, SkipReason.NO_GUARD, SkipReason.EARLIER_STAGE_FAILED)
"""A ramp that was not begun for these says so elsewhere, or follows from what failed before."""


def configuration_findings(seen: Seen) -> Iterator[Finding]:
    """The rules that the application's figures and the settings' addresses break."""
    question = seen.question
    for group in seen.groups:
        for observation in group.observations:
            if group.check is not Check.CONFIGURATION or not isinstance(observation.result, Application):
                continue
            rules = broken_rules(observation.result)
            rules += gateway_rules(question.gateway, question.targets, question.neighbours)
            for rule in rules:
                yield finding(rule.cause, "application", rule.sentence, [observation.id])


def probe_findings(seen: Seen) -> Iterator[Finding]:
    """Where the probe itself went wrong, or did not get round to it."""
    for group in seen.groups:
        crashed = [o for o in group.observations if o.outcome is Outcome.CRASHED and not _told_elsewhere(o)]
        if crashed:
            error = next((o.error for o in crashed if o.error and o.error.message.strip()), None)
            yield finding(
                Cause.PROBE_CRASHED,
                group.target,
                f"{group.target}: the probe's {group.check} check crashed{last_line(error)}",
                [o.id for o in crashed],
                path=group.path,
            )
        elif not group.valid and not all(_told_elsewhere(o) for o in group.observations):
            reason = group.observations[-1].skip_reason or "no answer that tells anything"
            yield finding(
                Cause.NOT_MEASURED,
                group.target,
                f"{group.target}: {group.check}{f' over {group.path}' if group.path else ''} "
                f"was not measured ({reason})",
                [o.id for o in group.observations],
                path=group.path,
            )


def _told_elsewhere(observation: Observation) -> bool:
    """A rehearsal's crash and an overload have findings of their own; a ramp may be left out on purpose."""
    if observation.outcome is Outcome.CRASHED:
        return observation.check is Check.STARTUP or overloaded(observation)
    return observation.check in RAMPS and observation.skip_reason in LEFT_OUT_ON_PURPOSE


def delivery_findings(delivery: Delivery) -> tuple[Finding, ...]:
    """What became of the metrics, if it was not all of them."""
    if not delivery.dropped and delivery.failure is None:
        return ()
    cause = _undelivered(delivery)
    said = delivery.reasons or ((delivery.error.message,) if delivery.error else ())
    words = f": {quoted(said[0])}" if said else ""
    summary = (
        f"monitoring: {delivery.dropped} of {delivery.dropped + delivery.written} points not stored{words}"
    )
    return (replace(finding(cause, "monitoring", summary, ()), id="M1"),)


def _undelivered(delivery: Delivery) -> Cause:
    if delivery.failure is None:
        return Cause.METRICS_PARTLY_REFUSED if delivery.written else Cause.METRICS_REFUSED
    by_failure = {
        Failure.TIMEOUT: Cause.METRICS_SILENT,
        Failure.FORBIDDEN: Cause.METRICS_REFUSED,
        Failure.UNAUTHENTICATED: Cause.METRICS_REFUSED,
        Failure.HTTP_BAD_REQUEST: Cause.METRICS_REFUSED,
        Failure.NOT_FOUND: Cause.METRICS_REFUSED,
    }
    return by_failure.get(delivery.failure, Cause.METRICS_UNAVAILABLE)
