"""Which points a report gives: a pure render, without a client. Absent is not zero."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from math import fsum
from typing import Any

from probe.model.facts import EgressFacts, TcpFacts
from probe.model.observation import Observation, StageRecord
from probe.model.report import Report
from probe.model.words import Check, Failure, Outcome, Stage, Verdict
from probe.sinks.catalogue import BY_NAME, DURATION_BOUNDS_S

LABEL_CHARACTERS = 1024
"""The longest label value that Cloud Monitoring takes."""

VERDICT_NUMBERS: Mapping[Verdict, int] = {
    Verdict.DOWN: 0,
    Verdict.DEGRADED: 1,
    Verdict.HEALTHY: 2,
    Verdict.INCONCLUSIVE: 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Durations in seconds, in the buckets of ``DURATION_BOUNDS_S``."""

    count: int
    mean: float
    sum_of_squared_deviation: float
    bucket_counts: tuple[int, ...]
    """The first for what is below the first bound, the last for what is not below the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One point of one series."""

    metric: str
    """Its name in the catalogue."""
    labels: Mapping[str, str]
    value: int | float | Distribution


def series(report: Report) -> list[Series]:
    """Every point of the report.

    Attempts that were skipped count nowhere, crashes of the probe neither.
    """
    counted = [each for each in report.observations if each.outcome in {Outcome.PASSED, Outcome.FAILED}]
    points = chain(
        _run(report), _paths(counted), _routes(counted), _egress(counted), _findings(report, counted)
    )
    return [_finished(point, report.identity.profile) for point in points]


def plain(points: Iterable[Series], end_time: str) -> list[dict[str, Any]]:
    """The points as plain values, for the log to keep them; ``end_time`` is RFC 3339."""
    return [
        {
            "type": BY_NAME[point.metric].type,
            "labels": dict(point.labels),
            "end_time": end_time,
            "value": asdict(point.value) if isinstance(point.value, Distribution) else point.value,
        }
        for point in points
    ]


def distribution(durations_s: Sequence[float]) -> Distribution:
    """The distribution of at least one duration."""
    buckets = Counter(bisect_right(DURATION_BOUNDS_S, duration_s) for duration_s in durations_s)
    mean = fsum(durations_s) / len(durations_s)
    return Distribution(
        count=len(durations_s),
        mean=mean,
        sum_of_squared_deviation=fsum((duration_s - mean) ** 2 for duration_s in durations_s),
        bucket_counts=tuple(buckets[bucket] for bucket in range(len(DURATION_BOUNDS_S) + 1)),
    )


def _finished(point: Series, profile: str) -> Series:
    labels = {**point.labels, "profile": profile}
    labels = {key: value[:LABEL_CHARACTERS] for key, value in labels.items()}
    return Series(metric=point.metric, labels=labels, value=point.value)


def _point(metric: str, value: float | Distribution, **labels: str) -> Series:
    return Series(metric=metric, labels=labels, value=value)


def _run(report: Report) -> Iterator[Series]:
    for target, verdict in report.targets:
        yield _point("verdict", VERDICT_NUMBERS[verdict], target=target)
    yield _point("run_verdict", VERDICT_NUMBERS[report.verdict])
    yield _point("run_duration", report.duration_s)


def _paths(counted: Iterable[Observation]) -> Iterator[Series]:
    groups: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for attempt in counted:
        if attempt.check is Check.CLOUDSQL and attempt.path is not None:
            groups[attempt.target, attempt.path.value].append(attempt)
    for (target, path), attempts in groups.items():
        for give in (_connections, _stages, _failures, _tcp):
            for point in give(attempts):
                labels = {"target": target, "path": path, **point.labels}
                yield Series(metric=point.metric, labels=labels, value=point.value)


def _connections(attempts: Sequence[Observation]) -> Iterator[Series]:
    durations_s = [each.span.duration_s for each in attempts if each.outcome is Outcome.PASSED]
    yield _point("connection_attempts", len(attempts))
    yield _point("connection_success_ratio", len(durations_s) / len(attempts))
    yield _point("timeout_violation_ratio", sum(map(_timed_out, attempts)) / len(attempts))
    if durations_s:
        spread = distribution(durations_s)
        yield _point("connection_duration", spread)
        yield _point("connection_duration_mean", spread.mean)
        yield _point("connection_duration_max", max(durations_s))


def _timed_out(attempt: Observation) -> bool:
    return any(stage.failure is Failure.TIMEOUT for stage in attempt.stages)


def _stages(attempts: Iterable[Observation]) -> Iterator[Series]:
    durations_s: dict[Stage, list[float]] = defaultdict(list)
    for record in _records(attempts):
        if record.outcome is Outcome.PASSED and record.span is not None:
            durations_s[record.stage].append(record.span.duration_s)
    for stage, values_s in durations_s.items():
        yield _point("stage_duration", distribution(values_s), stage=stage)
        yield _point("stage_duration_max", max(values_s), stage=stage)


def _failures(attempts: Iterable[Observation]) -> Iterator[Series]:
    counts = Counter(
        (record.stage, record.failure)
        for record in _records(attempts)
        if record.outcome is Outcome.FAILED and record.failure is not None
    )
    for (stage, failure), count in counts.items():
        yield _point("stage_failures", count, stage=stage, failure=failure)


def _tcp(attempts: Iterable[Observation]) -> Iterator[Series]:
    facts = [record.facts for record in _records(attempts) if isinstance(record.facts, TcpFacts)]
    rtts_s = [each.rtt_s for each in facts if each.rtt_s is not None]
    retransmissions = [each.retransmissions for each in facts if each.retransmissions is not None]
    if rtts_s:
        yield _point("tcp_rtt", max(rtts_s))
    if retransmissions:
        yield _point("tcp_retransmissions", sum(retransmissions))


def _records(attempts: Iterable[Observation]) -> Iterator[StageRecord]:
    return chain.from_iterable(attempt.stages for attempt in attempts)


def _routes(counted: Iterable[Observation]) -> Iterator[Series]:
    groups: dict[str, list[Observation]] = defaultdict(list)
    for attempt in counted:
        if attempt.check is Check.ROUTE:
            groups[attempt.target].append(attempt)
    for target, attempts in groups.items():
        passed = [attempt for attempt in attempts if attempt.outcome is Outcome.PASSED]
        yield _point("route_success_ratio", len(passed) / len(attempts), target=target)
        connects_s = [
            record.span.duration_s
            for record in _records(passed)
            if record.stage is Stage.TCP and record.span is not None
        ]
        if connects_s:
            yield _point("route_connect_duration_max", max(connects_s), target=target)


def _egress(counted: Iterable[Observation]) -> Iterator[Series]:
    waits_s = [
        record.facts.wait_s
        for record in _records(each for each in counted if each.check is Check.EGRESS)
        if isinstance(record.facts, EgressFacts) and record.facts.wait_s is not None
    ]
    if waits_s:
        yield _point("egress_wait", max(waits_s))


def _findings(report: Report, counted: Iterable[Observation]) -> Iterator[Series]:
    kinds = dict.fromkeys((each.cause, each.category, each.severity, each.target) for each in report.findings)
    for cause, category, severity, target in kinds:
        yield _point("findings", 1, cause=cause, category=category, severity=severity, target=target)
    configuration = {each.id for each in counted if each.check is Check.CONFIGURATION}
    if configuration:
        about = [each for each in report.findings if not configuration.isdisjoint(each.evidence)]
        yield _point("configuration_warnings", len(about))
