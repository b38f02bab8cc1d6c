"""What is wrong around the targets: their neighbours, and the way out."""

from collections.abc import Iterable, Iterator

from probe.diagnosis.path_causes import path_cause
from probe.diagnosis.seen import Seen, finding
from probe.diagnosis.sentences import seconds, sentence
from probe.model.cause import Cause
from probe.model.facts import EgressFacts
from probe.model.observation import Observation
from probe.model.report import Finding
from probe.model.words import Check, Outcome


def neighbour_findings(seen: Seen, roots: Iterable[Finding]) -> Iterator[Finding]:
    """Neighbours that cannot be reached, unless the whole network is silent and they only prove it."""
    if any(root.cause is Cause.CONNECTOR_OR_ROUTE_SILENT for root in roots):
        return
    for neighbour in seen.question.neighbours:
        for group in seen.of(neighbour.name, Check.ROUTE):
            item = path_cause(group, seen.endpoints, seen.question.started_at)
            if item is None:
                continue
            yield finding(
                Cause.NEIGHBOUR_UNREACHABLE,
                neighbour.name,
                sentence(Cause.NEIGHBOUR_UNREACHABLE, (item,), endpoint=neighbour.address),
                [o.id for o in group.failed],
            )


def egress_findings(seen: Seen, roots: Iterable[Finding]) -> Iterator[Finding]:
    """A long wait for the first connection; or none at all where nothing else was measured."""
    for group in seen.of("egress", Check.EGRESS):
        for observation in group.valid:
            yield from _egress(seen, observation, tuple(roots))


def _egress(seen: Seen, observation: Observation, roots: tuple[Finding, ...]) -> Iterator[Finding]:
    facts = next((r.facts for r in observation.stages if isinstance(r.facts, EgressFacts)), None)
    waited_s = observation.span.duration_s
    failed = observation.outcome is Outcome.FAILED
    if facts is None or (failed and not seen.endpoints.answering and (roots or seen.endpoints.silent)):
        return  # the same silence, seen by the other checks as well
    if failed and not seen.endpoints.answering:
        yield finding(
            Cause.CONNECTOR_OR_ROUTE_SILENT if "," in facts.address else Cause.NETWORK_SILENT,
            "egress",
            f"egress: no outbound connection within {seconds(waited_s)} to any of {facts.address}",
            [observation.id],
        )
    elif waited_s > seen.question.thresholds.egress_wait_s:
        came = "still none" if failed else f"then {facts.address} answered"
        yield finding(
            Cause.EGRESS_SLOW,
            "egress",
            f"egress: the first outbound connection took {seconds(waited_s)} ({came}; "
            f"threshold {seconds(seen.question.thresholds.egress_wait_s)})",
            [observation.id],
        )
