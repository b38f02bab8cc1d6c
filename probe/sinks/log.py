"""JSON lines for Cloud Logging: findings, failed attempts, undelivered metrics, the verdict last."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from probe.model.observation import Observation
from probe.model.rehearsal import Rehearsal
from probe.model.report import Finding, Report
from probe.model.words import Outcome, Severity, Verdict
from probe.sinks import document
from probe.sinks._structlog import structlog
from probe.sinks.figures import rehearsals
from probe.sinks.results import rehearsal
from probe.sinks.rounded import Json
from probe.sinks.text import bounded, printable

LARGEST_RECORD_BYTES = 100_000
"""Cloud Logging drops an entry above 256 KB whole."""
LARGEST_PART_BYTES = 80_000
"""Of metrics in one record; the rest is for labels and the like."""
LONGEST_TEXTS = (4000, 1000, 250, 60, 10)
"""Limits for texts and lists, tried in this order until a record fits."""

_SEVERITIES: Mapping[Severity | Verdict, str] = {
    Severity.CRITICAL: "CRITICAL",
    Severity.WARNING: "WARNING",
    Severity.INFO: "INFO",
    Verdict.DOWN: "CRITICAL",
    Verdict.DEGRADED: "WARNING",
    Verdict.INCONCLUSIVE: "WARNING",
    Verdict.HEALTHY: "INFO",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the log."""

    severity: str
    message: str
    labels: Mapping[str, str]
    fields: Json


def records(report: Report, undelivered: Sequence[Mapping[str, object]] = ()) -> Iterator[Record]:
    """Everything the log says of a run, the verdict last; ``undelivered`` are metric points, kept whole."""
    common = _labels(report)
    yield from (_finding(item, common) for item in report.findings)
    failed = (Outcome.FAILED, Outcome.CRASHED)
    yield from (_observation(item, common) for item in report.observations if item.outcome in failed)
    yield from _undelivered(undelivered, common)
    yield _verdict(report, common)


def write(report: Report, stream: TextIO, undelivered: Sequence[Mapping[str, object]] = ()) -> None:
    """Write the records to ``stream``, one JSON object a line, and flush it. Raises OSError."""
    library = structlog()
    logger = library.wrap_logger(
        library.WriteLogger(stream),
        processors=[
            library.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            library.processors.EventRenamer("message"),
            _fit,
            library.processors.JSONRenderer(),
        ],
        wrapper_class=library.BoundLogger,
        context_class=dict,
    )
    for record in records(report, undelivered):
        labels = {"logging.googleapis.com/labels": dict(record.labels)}
        logger.msg(record.message, severity=record.severity, **labels, **record.fields)
    stream.flush()


def _fit(_logger: object, _method: str, event: Json) -> Json:
    """A record that Cloud Logging would drop for its size is cut shorter until it would not."""
    attempts = (bounded(event, longest) for longest in LONGEST_TEXTS)
    whole = event if _bytes(event) <= LARGEST_RECORD_BYTES else None
    return whole or next(item for item in attempts if _bytes(item) <= LARGEST_RECORD_BYTES)


def _bytes(event: Mapping[str, object]) -> int:
    return len(json.dumps(event))


def _labels(report: Report) -> dict[str, str]:
    identity = report.identity
    labels = {
        "run_id": identity.id,
        "profile": identity.profile,
        "job": identity.job,
        "execution": identity.execution,
    }
    return {key: value for key, value in labels.items() if value}


def _of(common: Mapping[str, str], **labels: str | None) -> dict[str, str]:
    return dict(common) | {key: value for key, value in labels.items() if value}


def _finding(item: Finding, common: Mapping[str, str]) -> Record:
    return Record(
        severity=_SEVERITIES[item.severity],
        message=printable(f"{item.cause}: {item.summary}"),
        labels=_of(common, kind="finding", cause=item.cause, target=item.target, path=item.path),
        fields={"finding": document.finding(item)},
    )


def _observation(item: Observation, common: Mapping[str, str]) -> Record:
    where = f"{item.target} over {item.path}" if item.path else item.target
    place = _place(item)
    at = f" at {place}" if place else ""
    said = f"{item.check} of {where}, attempt {item.attempt}: {item.outcome}{at}"
    return Record(
        severity="WARNING",
        message=printable(f"{said} ({item.failure})" if item.failure else said),
        labels=_of(common, kind="observation", check=item.check, target=item.target, path=item.path),
        fields={"observation": document.observation(item)},
    )


def _place(item: Observation) -> str:
    """The stage or phase that ended it; empty: none did."""
    if isinstance(item.result, Rehearsal):
        return item.result.ended_by.name if item.result.ended_by else ""
    return item.failed_stage.stage if item.failed_stage else ""


def _undelivered(points: Sequence[Mapping[str, object]], common: Mapping[str, str]) -> Iterator[Record]:
    parts = list(_parts(points))
    for number, part in enumerate(parts, start=1):
        yield Record(
            severity="WARNING",
            message=f"{len(part)} of {len(points)} undelivered metric points, part {number} of {len(parts)}",
            labels=_of(common, kind="undelivered_metrics"),
            fields={"undelivered_metrics": part, "part": number, "parts": len(parts)},
        )


def _parts(points: Iterable[Mapping[str, object]]) -> Iterator[list[Mapping[str, object]]]:
    part: list[Mapping[str, object]] = []
    size_bytes = 0
    for point in points:
        point_bytes = _bytes(point) + 2
        if part and size_bytes + point_bytes > LARGEST_PART_BYTES:
            yield part
            part, size_bytes = [], 0
        part.append(point)
        size_bytes += point_bytes
    if part:
        yield part


def _verdict(report: Report, common: Mapping[str, str]) -> Record:
    causes = [item.cause for item in report.findings if item.consequence_of is None]
    counts = {"observations": len(report.observations), "findings": len(report.findings)}
    more = {
        "startup": [_startup(item, result) for item, result in rehearsals(report.observations)],
        "chain": [document.link(item) for item in report.chain],
        "advice": list(report.advice),
    }
    return Record(
        severity=_SEVERITIES[report.verdict],
        message=printable(f"{report.verdict}: {report.headline}"),
        labels=_of(common, kind="verdict", verdict=report.verdict),
        fields=document.head(report)
        | {"causes": causes, "counts": counts}
        | {key: value for key, value in more.items() if value},
    )


def _startup(item: Observation, result: Rehearsal) -> Json:
    """The phases of one rehearsal in short."""
    said = rehearsal(result)
    short = ("name", "outcome", "duration_s", "budget_s", "share", "failure")
    return {
        "observation": item.id,
        "target": item.target,
        **{key: said[key] for key in ("exit_code", "ended_by", "total_s", "overloaded")},
        "phases": [{key: phase[key] for key in short} for phase in said["phases"]],
    }
