"""What is wrong around the targets: their neighbours, and the way out."""

from collections.abc import Collection, Iterable, Iterator

from probe.diagnosis.seen import Seen, finding
from probe.diagnosis.sentences import seconds, sentence
from probe.model.cause import Cause
from probe.model.facts import EgressFacts
from probe.model.observation import Observation
from probe.model.report import Finding
from probe.model.words import Check, Outcome, Severity

WAY_SILENT = frozenset({Cause.CONNECTOR_OR_ROUTE_SILENT, Cause.NETWORK_SILENT})
WAY_CLOSED = frozenset({*WAY_SILENT, Cause.ENDPOINT_SILENT, Cause.ROUTE_MISSING})
OF_THE_WHOLE_NETWORK = frozenset({Cause.NAME_SERVER_FAILED, Cause.NAME_SERVER_SILENT, Cause.ROUTE_MISSING})


def neighbour_findings(seen: Seen, roots: Iterable[Finding]) -> Iterator[Finding]:
    """Neighbours that cannot be reached, unless the whole network is silent and they only prove it."""
    causes = {root.cause for root in roots}
    if Cause.CONNECTOR_OR_ROUTE_SILENT in causes:
        return
    for neighbour in seen.question.neighbours:
        for group in seen.of(neighbour.name, Check.ROUTE):
            item = seen.cause(group)
            if item is None:
                continue
            cause = _of_neighbour(item.cause, causes)
            others = [endpoint.address for endpoint in item.compared] if cause is item.cause else []
            yield finding(
                cause,
                neighbour.name,
                sentence(
                    cause,
                    (item,),
                    endpoint=neighbour.address,
                    remark=f"silent as well: {', '.join(others)}" if others else "",
                ),
                [o.id for o in group.failed],
                severity=None if cause is Cause.CONNECTOR_OR_ROUTE_SILENT else Severity.WARNING,
            )


def _of_neighbour(own: Cause, causes: Collection[Cause]) -> Cause:
    """Where nothing else answers, or a target meets the same, the neighbour itself is not to blame."""
    if own in WAY_SILENT and Cause.ROUTE_MISSING in causes:
        return Cause.ROUTE_MISSING  # what rejects says so at times only, and is silent otherwise
    shared = own in WAY_SILENT or (own in OF_THE_WHOLE_NETWORK and own in causes)
    return own if shared else Cause.NEIGHBOUR_UNREACHABLE


def egress_findings(seen: Seen, roots: Iterable[Finding]) -> Iterator[Finding]:
    """A long wait for the first connection; or none at all, where no other check says why."""
    known = any(root.cause in WAY_CLOSED for root in roots)
    for group in seen.of("egress", Check.EGRESS):
        for observation in group.valid:
            facts = next((r.facts for r in observation.stages if isinstance(r.facts, EgressFacts)), None)
            if facts is not None:
                yield from _egress(seen, observation, facts, known=known)


def _egress(seen: Seen, observation: Observation, facts: EgressFacts, *, known: bool) -> Iterator[Finding]:
    waited = seconds(observation.span.duration_s)
    threshold_s = seen.question.thresholds.egress_wait_s
    failed = observation.outcome is Outcome.FAILED
    if failed and not any(endpoint.answered for endpoint in seen.endpoints):
        if not known:
            yield _no_way_out(observation, facts, waited)
    elif observation.span.duration_s > threshold_s:
        first = "none within" if failed else f"{facts.address} after"
        yield finding(
            Cause.EGRESS_SLOW,
            "egress",
            f"egress: the first outbound connection had to wait ({first} {waited}, "
            f"threshold {seconds(threshold_s)}); later the way was open",
            [observation.id],
        )


def _no_way_out(observation: Observation, facts: EgressFacts, waited: str) -> Finding:
    several = "," in facts.address
    return finding(
        Cause.CONNECTOR_OR_ROUTE_SILENT if several else Cause.NETWORK_SILENT,
        "egress",
        f"egress: no outbound connection within {waited} to {'any of ' if several else ''}{facts.address}",
        [observation.id],
    )
