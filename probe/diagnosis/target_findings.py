"""What is wrong on the way to one target."""

from collections.abc import Iterator

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.evidence import PathEvidence
from probe.diagnosis.path_causes import path_cause
from probe.diagnosis.seen import Seen, finding
from probe.diagnosis.sentences import seconds, sentence, what_was_seen
from probe.diagnosis.triangulation import Explanation, explain
from probe.model.cause import Cause
from probe.model.report import Finding
from probe.model.target import Target, primary_path
from probe.model.words import Check, Failure, Outcome, Path, Severity, Stage


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
