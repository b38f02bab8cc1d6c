"""Which points a report gives: a pure render, without a client. Absent is not zero."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain
from typing import Any

from probe.model.facts import EgressFacts, TcpFacts
from probe.model.observation import Observation, StageRecord
from probe.model.report import Report
from probe.model.words import Check, Failure, Outcome, Stage, Verdict
from probe.sinks.application_points import application_points
from probe.sinks.catalogue import BY_NAME
from probe.sinks.point import Distribution, Series, distribution, point

__all__ = ["Series", "plain", "series"]

LABEL_CHARACTERS = 1024
"""The longest label value that Cloud Monitoring takes."""

VERDICT_NUMBERS: Mapping[Verdict, int] = {
    Verdict.DOWN: 0,
    Verdict.DEGRADED: 1,
    Verdict.HEALTHY: 2,
    Verdict.INCONCLUSIVE: 3,
}


def series(report: Report) -> list[Series]:
    """Every point of the report.

    Attempts that were skipped count nowhere, crashes of the probe neither.
    """
    counted = [each for each in report.observations if each.outcome in {Outcome.PASSED, Outcome.FAILED}]
    points = chain(
        _run(report),
        _paths(counted),
        _routes(counted),
        _egress(counted),
        application_points(counted),
        _findings(report, counted),
    )
    return [_finished(each, report.identity.profile) for each in points]


def plain(points: Iterable[Series], end_time: str) -> list[dict[str, Any]]:
    """The points as plain values, for the log to keep them; ``end_time`` is RFC 3339."""
    return [
        {
            "type": BY_NAME[each.metric].type,
            "labels": dict(each.labels),
            "end_time": end_time,
            "value": asdict(each.value) if isinstance(each.value, Distribution) else each.value,
        }
        for each in points
    ]


def _finished(unlabelled: Series, profile: str) -> Series:
    labels = {**unlabelled.labels, "profile": profile}
    labels = {key: value[:LABEL_CHARACTERS] for key, value in labels.items()}
    return replace(unlabelled, labels=labels)


def _run(report: Report) -> Iterator[Series]:
    for target, verdict in report.targets:
        yield point("verdict", VERDICT_NUMBERS[verdict], target=target)
    yield point("run_verdict", VERDICT_NUMBERS[report.verdict])
    yield point("run_duration", report.duration_s)


def _paths(counted: Iterable[Observation]) -> Iterator[Series]:
    groups: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for attempt in counted:
        if attempt.check is Check.CLOUDSQL and attempt.path is not None:
            groups[attempt.target, attempt.path.value].append(attempt)
    for (target, path), attempts in groups.items():
        for give in (_connections, _stages, _failures, _tcp):
            for each in give(attempts):
                yield replace(each, labels={"target": target, "path": path, **each.labels})


def _connections(attempts: Sequence[Observation]) -> Iterator[Series]:
    durations_s = [each.span.duration_s for each in attempts if each.outcome is Outcome.PASSED]
    yield point("connection_attempts", len(attempts))
    yield point("connection_success_ratio", len(durations_s) / len(attempts))
    yield point("timeout_violation_ratio", sum(map(_timed_out, attempts)) / len(attempts))
    if durations_s:
        spread = distribution(durations_s)
        yield point("connection_duration", spread)
        yield point("connection_duration_mean", spread.mean)
        yield point("connection_duration_max", max(durations_s))


def _timed_out(attempt: Observation) -> bool:
    return any(stage.failure is Failure.TIMEOUT for stage in attempt.stages)


def _stages(attempts: Iterable[Observation]) -> Iterator[Series]:
    durations_s: dict[Stage, list[float]] = defaultdict(list)
    for record in _records(attempts):
        if record.outcome is Outcome.PASSED and record.span is not None:
            durations_s[record.stage].append(record.span.duration_s)
    for stage, values_s in durations_s.items():
        yield point("stage_duration", distribution(values_s), stage=stage)
        yield point("stage_duration_max", max(values_s), stage=stage)


def _failures(attempts: Iterable[Observation]) -> Iterator[Series]:
    counts = Counter(
        (record.stage, record.failure)
        for record in _records(attempts)
        if record.outcome is Outcome.FAILED and record.failure is not None
    )
    for (stage, failure), count in counts.items():
        yield point("stage_failures", count, stage=stage, failure=failure)


def _tcp(attempts: Iterable[Observation]) -> Iterator[Series]:
    facts = [record.facts for record in _records(attempts) if isinstance(record.facts, TcpFacts)]
    rtts_s = [each.rtt_s for each in facts if each.rtt_s is not None]
    retransmissions = [each.retransmissions for each in facts if each.retransmissions is not None]
    if rtts_s:
        yield point("tcp_rtt", max(rtts_s))
    if retransmissions:
        yield point("tcp_retransmissions", sum(retransmissions))


def _records(attempts: Iterable[Observation]) -> Iterator[StageRecord]:
    return chain.from_iterable(attempt.stages for attempt in attempts)


def _routes(counted: Iterable[Observation]) -> Iterator[Series]:
    groups: dict[str, list[Observation]] = defaultdict(list)
    for attempt in counted:
        if attempt.check is Check.ROUTE:
            groups[attempt.target].append(attempt)
    for target, attempts in groups.items():
        passed = [attempt for attempt in attempts if attempt.outcome is Outcome.PASSED]
        yield point("route_success_ratio", len(passed) / len(attempts), target=target)
        connects_s = [
            record.span.duration_s
            for record in _records(passed)
            if record.stage is Stage.TCP and record.span is not None
        ]
        if connects_s:
            yield point("route_connect_duration_max", max(connects_s), target=target)


def _egress(counted: Iterable[Observation]) -> Iterator[Series]:
    waits_s = [
        record.facts.wait_s
        for record in _records(each for each in counted if each.check is Check.EGRESS)
        if isinstance(record.facts, EgressFacts) and record.facts.wait_s is not None
    ]
    if waits_s:
        yield point("egress_wait", max(waits_s))


def _findings(report: Report, counted: Iterable[Observation]) -> Iterator[Series]:
    kinds = dict.fromkeys((each.cause, each.category, each.severity, each.target) for each in report.findings)
    for cause, category, severity, target in kinds:
        yield point("findings", 1, cause=cause, category=category, severity=severity, target=target)
    configuration = {each.id for each in counted if each.check is Check.CONFIGURATION}
    if configuration:
        about = [each for each in report.findings if not configuration.isdisjoint(each.evidence)]
        yield point("configuration_warnings", len(about))
