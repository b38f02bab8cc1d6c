"""What is wrong on the way to one target."""

from collections.abc import Iterable, Iterator

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.evidence import PathEvidence
from probe.diagnosis.path_causes import PathCause
from probe.diagnosis.seen import SEVERITIES, Seen, finding
from probe.diagnosis.sentences import sentence, what_was_seen
from probe.diagnosis.slowness import slow_findings
from probe.diagnosis.triangulation import Explanation, explain, layer_on
from probe.model.cause import Cause
from probe.model.facts import AdminApiFacts
from probe.model.report import Finding
from probe.model.target import Target, primary_path
from probe.model.words import Blame, Check, Failure, Path, Severity, Stage


def target_findings(seen: Seen, target: Target) -> Iterator[Finding]:
    """What is wrong on the way to one target."""
    connections = seen.of(target.name, Check.CLOUDSQL)
    failing = [cause for group in seen.judged(target.name) if (cause := seen.cause(group))]
    passing = [group.path for group in connections if group.path and group.valid and not group.failed]
    explanations = explain(
        failing,
        passing=passing,
        primary=primary_path(target),
        public_address=_public_address(seen, target.name),
    )
    for explanation in explanations:
        yield _failing(seen, target, explanation)
    yield from _intermittent_routes(seen, target, failing, passing)
    yield from _concessions(connections)
    yield from slow_findings(seen, connections)


def _failing(seen: Seen, target: Target, explanation: Explanation) -> Finding:
    return finding(
        explanation.cause,
        target.name,
        sentence(
            explanation.cause,
            explanation.paths,
            remark=_remark(seen, explanation),
            narrowed=explanation.narrowed,
        ),
        _evidence(seen, target, explanation),
        path=explanation.paths[0].evidence.path,
        severity=min((_severity(seen, target, item) for item in explanation.paths), key=SEVERITIES.index),
        layer=explanation.layer,
    )


def _severity(seen: Seen, target: Target, item: PathCause) -> Severity:
    """As far as the path still works, and as far as the target depends on it."""
    thresholds, evidence = seen.question.thresholds, item.evidence
    ratio = evidence.success_ratio or 0.0
    if evidence.refuted(thresholds.success_ratio_down):
        return Severity.WARNING if CATALOGUE[item.cause].blame is Blame.TARGET else Severity.INFO
    if ratio > thresholds.success_ratio_healthy:
        return Severity.INFO
    primary = evidence.path is primary_path(target)
    return Severity.CRITICAL if primary and ratio < thresholds.success_ratio_down else Severity.WARNING


def _remark(seen: Seen, explanation: Explanation) -> str:
    remarks = [explanation.remark] if explanation.remark else []
    first = explanation.paths[0]
    if first.evidence.refuted(seen.question.thresholds.success_ratio_down):
        remarks.append("not confirmed: measured again after the pause it went better")
    if first.compared:
        verb = "answering" if explanation.cause is Cause.ENDPOINT_SILENT else "silent as well"
        remarks.append(f"{verb}: {', '.join(endpoint.address for endpoint in first.compared)}")
    if explanation.cause is Cause.ROUTE_MISSING and first.record.failure is Failure.TIMEOUT:
        remarks.append("other attempts at this host were answered with unreachable")
    if explanation.cause is Cause.CONNECTOR_OR_ROUTE_SILENT and seen.question.connector_name:
        remarks.append(f"connector {seen.question.connector_name}")
    return "; ".join(remarks)


def _evidence(seen: Seen, target: Target, explanation: Explanation) -> Iterator[str]:
    """The failed attempts, the routes that show the same, and those of others that the cause rests on."""
    for item in explanation.paths:
        yield from (o.id for o in (*item.evidence.conceded, *item.evidence.failed))
    for route in seen.of(target.name, Check.ROUTE):
        found = seen.cause(route)
        if found and any(_same_at_tcp(found, item) for item in explanation.paths):
            yield from (o.id for o in route.failed)
    for item in explanation.paths:
        for endpoint in item.compared:
            yield from endpoint.silent or endpoint.answered[:1]


def _public_address(seen: Seen, target: str) -> bool | None:
    """Whether the instance has a public address; None: the Admin API did not tell."""
    types = [
        record.facts.address_types
        for group in seen.of(target, Check.CLOUDSQL)
        for observation in group.observations
        for record in observation.stages
        if isinstance(record.facts, AdminApiFacts) and record.facts.address_types
    ]
    return "PRIMARY" in types[0] if types else None


def _intermittent_routes(
    seen: Seen, target: Target, failing: list[PathCause], passing: list[Path]
) -> Iterator[Finding]:
    """TCP attempts that failed where connections over the same path were judged by themselves."""
    judged = seen.judged(target.name)
    by_cause: dict[Cause, list[PathCause]] = {}
    for group in seen.of(target.name, Check.ROUTE):
        item = seen.cause(group) if group not in judged else None
        if item and not _explained(item, failing):
            by_cause.setdefault(item.cause, []).append(item)
    for cause, items in by_cause.items():
        through = all(item.evidence.path in passing for item in items)
        yield finding(
            cause,
            target.name,
            sentence(cause, tuple(items), remark="connections for the database check went through" * through),
            [o.id for item in items for o in item.evidence.failed],
            path=items[0].evidence.path,
            severity=Severity.WARNING,
            layer=layer_on(cause, (item.evidence.path for item in items)),
        )


def _explained(route: PathCause, failing: Iterable[PathCause]) -> bool:
    """Whether the connections have found the same, or failed as early over the same path."""
    before_tcp = route.record.stage is not Stage.TCP
    return any(
        item.cause is route.cause
        or (before_tcp and item.evidence.path is route.evidence.path)
        or _same_at_tcp(route, item)
        for item in failing
    )


def _same_at_tcp(route: PathCause, connections: PathCause) -> bool:
    """Whether both fail at the connect over the same path, in whatever way; a reset may come after it."""
    if route.record.stage is not Stage.TCP or route.evidence.path is not connections.evidence.path:
        return False
    records = [r for o in connections.evidence.failed if (r := o.failed_stage)]
    early = any(r.stage is Stage.TCP for r in records)
    reset = route.record.failure is Failure.RESET
    return early or (reset and any(r.failure is Failure.RESET for r in records))


def _concessions(connections: tuple[PathEvidence, ...]) -> Iterator[Finding]:
    """What a server refused for its form and did without."""
    for group in connections:
        for observation in group.conceded if group.passed else ():
            record = observation.failed_stage
            assert record is not None  # noqa: S101 - what was refused failed
            if record.stage is Stage.TLS:
                continue  # an offer of one curve is the probe's own thrift: no other client makes it
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
