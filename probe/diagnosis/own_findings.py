"""What is wrong with the application's figures, with the probe itself, and with its metrics' delivery."""

from collections.abc import Iterator
from dataclasses import replace

from probe.diagnosis.configuration import broken_rules, gateway_rules
from probe.diagnosis.seen import Seen, finding
from probe.diagnosis.sentences import quoted
from probe.model.cause import Cause
from probe.model.observation import Delivery
from probe.model.report import Finding
from probe.model.words import Check, Failure, Outcome


def configuration_findings(seen: Seen) -> Iterator[Finding]:
    """The rules that the application's figures and the settings' addresses break."""
    question = seen.question
    for group in seen.groups:
        for observation in group.observations:
            if group.check is not Check.CONFIGURATION or observation.application is None:
                continue
            rules = broken_rules(observation.application)
            rules += gateway_rules(question.gateway, question.targets, question.neighbours)
            for rule in rules:
                yield finding(rule.cause, "application", rule.sentence, [observation.id])


def probe_findings(seen: Seen) -> Iterator[Finding]:
    """Where the probe itself went wrong, or did not get round to it."""
    for group in seen.groups:
        crashed = [o for o in group.observations if o.outcome is Outcome.CRASHED]
        if crashed:
            lines = [line for o in crashed if o.error for line in o.error.message.strip().splitlines()[-1:]]
            yield finding(
                Cause.PROBE_CRASHED,
                group.target,
                f"{group.target}: the probe's {group.check} check crashed"
                f"{f' ({quoted(lines[0])})' if lines else ''}",
                [o.id for o in crashed],
                path=group.path,
            )
        elif not group.valid:
            reason = group.observations[-1].skip_reason or "no answer that tells anything"
            yield finding(
                Cause.NOT_MEASURED,
                group.target,
                f"{group.target}: {group.check}{f' over {group.path}' if group.path else ''} "
                f"was not measured ({reason})",
                [o.id for o in group.observations],
                path=group.path,
            )


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
