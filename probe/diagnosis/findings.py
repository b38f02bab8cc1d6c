"""Findings on targets, neighbours, the way out, the configuration and the probe itself."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.configuration import broken_rules, gateway_rules
from probe.diagnosis.evidence import Endpoints, PathEvidence
from probe.diagnosis.path_causes import PathCause, path_cause
from probe.diagnosis.question import Question
from probe.diagnosis.sentences import quoted, seconds, sentence, what_was_seen
from probe.diagnosis.triangulation import Explanation, explain
from probe.model.cause import Cause
from probe.model.facts import EgressFacts
from probe.model.observation import Delivery, Observation
from probe.model.report import Finding
from probe.model.target import Target, primary_path
from probe.model.words import Check, Failure, Layer, Outcome, Path, Severity, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The evidence of a run, and the question asked of it."""

    question: Question
    groups: tuple[PathEvidence, ...]
    endpoints: Endpoints

    def of(self, target: str, check: Check) -> tuple[PathEvidence, ...]:
        """What one check saw of one target."""
        return tuple(g for g in self.groups if g.target == target and g.check is check)


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
        summary=summary,
        action=entry.action,
        escalate=entry.escalate,
        evidence=tuple(dict.fromkeys(evidence)),
    )


def target_findings(seen: Seen, target: Target) -> Iterator[Finding]:
    """What is wrong on the way to one target."""
    measured = seen.of(target.name, Check.CLOUDSQL)
    routes = seen.of(target.name, Check.ROUTE)
    paths = {group.path for group in measured if group.valid}
    judged = measured + tuple(group for group in routes if group.path not in paths)
    failing = [c for g in judged if (c := path_cause(g, seen.endpoints, seen.question.started_at))]
    passing = [g.path for g in measured if g.path and g.valid and not g.failed]
    for explanation in explain(failing, passing=passing, primary=primary_path(target)):
        yield _failing(seen, target, explanation, routes)
    yield from _intermittent_routes(seen, target, routes, {item.cause for item in failing}, paths)
    yield from _concessions(measured)
    yield from _slow(seen, measured)


def _failing(
    seen: Seen, target: Target, explanation: Explanation, routes: tuple[PathEvidence, ...]
) -> Finding:
    evidence = [o.id for item in explanation.paths for o in (*item.evidence.conceded, *item.evidence.failed)]
    paths = {item.evidence.path for item in explanation.paths}
    at_tcp = {item.evidence.path for item in explanation.paths if item.record.stage is Stage.TCP}
    evidence += [o.id for route in routes if route.path in at_tcp for o in route.failed]
    remark = _remark(seen, explanation)
    first = explanation.paths[0].evidence
    primary = primary_path(target) in paths
    return finding(
        explanation.cause,
        target.name,
        sentence(explanation.cause, explanation.paths, remark=remark),
        evidence + _compared_with(seen, target, explanation.cause),
        path=first.path,
        severity=_severity(explanation.cause, primary=primary, refuted=first.refuted),
        layer=explanation.layer,
    )


def _severity(cause: Cause, *, primary: bool, refuted: bool) -> Severity:
    severity = CATALOGUE[cause].severity
    weaker = severity is Severity.CRITICAL and (refuted or not primary)
    return Severity.WARNING if weaker else severity


def _remark(seen: Seen, explanation: Explanation) -> str:
    remarks = [explanation.remark] if explanation.remark else []
    evidence = explanation.paths[0].evidence
    if evidence.refuted:
        remarks.append("not confirmed: measured again after the pause it went better")
    if explanation.cause is Cause.ENDPOINT_SILENT:
        remarks.append("answering: " + ", ".join(sorted(seen.endpoints.answering)))
    if explanation.cause is Cause.CONNECTOR_OR_ROUTE_SILENT:
        name = seen.question.connector_name
        remarks.append("silent: " + ", ".join(sorted(seen.endpoints.silent)))
        remarks += [f"connector {name}"] if name else []
    return "; ".join(remarks)


def _compared_with(seen: Seen, target: Target, cause: Cause) -> list[str]:
    """Observations of others that a cause rests on: who answered, or was silent too."""
    if cause not in (Cause.ENDPOINT_SILENT, Cause.CONNECTOR_OR_ROUTE_SILENT):
        return []
    others = (g for g in seen.groups if g.target != target.name and g.check in (Check.ROUTE, Check.EGRESS))
    wanted = Outcome.PASSED if cause is Cause.ENDPOINT_SILENT else Outcome.FAILED
    return [o.id for group in others for o in group.observations if o.outcome is wanted]


def _intermittent_routes(
    seen: Seen,
    target: Target,
    routes: tuple[PathEvidence, ...],
    known: set[Cause],
    measured: set[Path | None],
) -> Iterator[Finding]:
    """TCP attempts that failed where connections over the same path were judged by themselves."""
    for group in routes:
        if group.path not in measured:
            continue
        item = path_cause(group, seen.endpoints, seen.question.started_at)
        if item is None or item.cause in known or _explained_by_connections(group, known):
            continue
        yield finding(
            item.cause,
            target.name,
            sentence(item.cause, (item,), remark="connections for the database check went through"),
            [o.id for o in group.failed],
            path=group.path,
            severity=Severity.WARNING,
        )


def _explained_by_connections(group: PathEvidence, known: set[Cause]) -> bool:
    record = group.decisive
    return bool(known) and record is not None and record.stage is not Stage.TCP


def _concessions(measured: tuple[PathEvidence, ...]) -> Iterator[Finding]:
    """What a server refused for its form and did without."""
    for group in measured:
        for observation in group.conceded:
            record = observation.failed_stage
            if record is None or not group.passed:
                continue
            by_form = record.failure is Failure.PARAMETER_REFUSED
            cause = Cause.PARAMETERS_REFUSED if by_form else Cause.SSLREQUEST_REFUSED
            what = "the start-up parameters" if by_form else "the SSLRequest inside TLS"
            yield finding(
                cause,
                group.target,
                f"{group.target}: the server refuses {what} and works without ({what_was_seen(record)})",
                [observation.id],
                path=group.path,
            )


def _slow(seen: Seen, measured: tuple[PathEvidence, ...]) -> Iterator[Finding]:
    thresholds = seen.question.thresholds
    limit_s = thresholds.connection_single_ratio * seen.question.connection_s
    for group in measured:
        times = [o.span.duration_s for o in group.passed]
        if not times:
            continue
        mean_s, longest_s = sum(times) / len(times), max(times)
        if mean_s <= thresholds.connection_mean_s and longest_s <= limit_s:
            continue
        yield finding(
            Cause.SLOW_CONNECTION,
            group.target,
            f"{group.target}: connections over {group.path} take {seconds(mean_s)} on average and "
            f"{seconds(longest_s)} at most (thresholds {seconds(thresholds.connection_mean_s)} and "
            f"{seconds(limit_s)}); {_slowest_stage(group)}",
            [o.id for o in group.passed],
            path=group.path,
        )


def _slowest_stage(group: PathEvidence) -> str:
    totals: dict[Stage, float] = {}
    for observation in group.passed:
        for record in observation.stages:
            if record.span:
                totals[record.stage] = totals.get(record.stage, 0.0) + record.span.duration_s
    stage, total_s = max(totals.items(), key=lambda item: item[1])
    return f"the slowest stage is {stage} with {seconds(total_s / len(group.passed))}"


def neighbour_findings(seen: Seen, roots: Iterable[Finding]) -> Iterator[Finding]:
    """Neighbours that cannot be reached, unless the whole network is silent and they only prove it."""
    if any(root.cause is Cause.CONNECTOR_OR_ROUTE_SILENT for root in roots):
        return
    for neighbour in seen.question.neighbours:
        for group in seen.of(neighbour.name, Check.ROUTE):
            item = path_cause(group, seen.endpoints, seen.question.started_at)
            if item is None:
                continue
            evidence = replace_endpoint(item, neighbour.address)
            yield finding(
                Cause.NEIGHBOUR_UNREACHABLE,
                neighbour.name,
                sentence(Cause.NEIGHBOUR_UNREACHABLE, (evidence,)),
                [o.id for o in group.failed],
            )


def replace_endpoint(item: PathCause, address: str) -> PathCause:
    """The same evidence, with the address of the settings where none was dialled."""
    if item.evidence.endpoint:
        return item
    observations = tuple(replace(o, endpoint=address) for o in item.evidence.observations)
    return replace(item, evidence=replace(item.evidence, observations=observations))


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
            error = crashed[0].error
            last_line = error.message.strip().splitlines()[-1] if error and error.message else "no message"
            yield finding(
                Cause.PROBE_CRASHED,
                group.target,
                f"{group.target}: the probe's {group.check} check crashed ({quoted(last_line)})",
                [o.id for o in crashed],
                path=group.path,
            )
        elif group.observations and not group.valid:
            reason = group.observations[-1].skip_reason
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
    if delivery.written:
        return Cause.METRICS_PARTLY_REFUSED
    by_failure = {
        Failure.TIMEOUT: Cause.METRICS_SILENT,
        Failure.FORBIDDEN: Cause.METRICS_REFUSED,
        Failure.UNAUTHENTICATED: Cause.METRICS_REFUSED,
        Failure.HTTP_BAD_REQUEST: Cause.METRICS_REFUSED,
        Failure.NOT_FOUND: Cause.METRICS_REFUSED,
        None: Cause.METRICS_REFUSED,
    }
    return by_failure.get(delivery.failure, Cause.METRICS_UNAVAILABLE)
