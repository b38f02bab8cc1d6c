"""The sink that writes a report's points to Cloud Monitoring: one batch at the end of a run."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from probe.dial.redaction import Redaction
from probe.model.facts import ErrorFacts
from probe.model.observation import Delivery
from probe.model.report import RunIdentity
from probe.model.words import Failure
from probe.sinks.catalogue import BY_NAME
from probe.sinks.descriptors import apply_descriptors
from probe.sinks.metric import DURATION_BOUNDS_S
from probe.sinks.monitoring_bounds import CallFailed, Deadline, deadline_after, told
from probe.sinks.monitoring_calls import Channel, call, connected
from probe.sinks.point import Distribution, Series
from probe.sinks.points import series

__all__ = ["apply_descriptors", "series", "write"]

MOST_SERIES = 200
"""The most that Cloud Monitoring takes in one call."""

NAMESPACE = "cloudsql-vpc-probe"

STORED_ALREADY = ("must be written in order", "more frequently than")
"""What the service says of a point on a second try if the first one arrived."""

VALUE_FIELDS = {
    "BOOL": "bool_value",
    "INT64": "int64_value",
    "DOUBLE": "double_value",
    "DISTRIBUTION": "distribution_value",
}


def write(
    points: Sequence[Series],
    *,
    identity: RunIdentity,
    project: str,
    location: str,
    endpoint: str = "",
    budget_s: float,
    credentials: Any = None,
) -> Delivery:
    """What became of the points, all with this moment as their time. Never raises.

    ``endpoint`` empty is the real service, ``HOST:PORT`` a plaintext stand-in. ``budget_s`` bounds all of
    it: credentials, connection, tries again.
    """
    delivered = _Delivered()
    if points:
        deadline = deadline_after(budget_s)
        resource = _resource(identity, project, location)
        try:
            with connected(endpoint, deadline, credentials) as channel:
                for request in _requests(points, project, resource):
                    delivered.add(channel, request, deadline)
        except CallFailed as failed:
            delivered.failure, delivered.error = failed.failure, failed.error
        except Exception as error:  # a sink that fails stops nothing else
            delivered.failure, delivered.error = Failure.PROTOCOL, told(error)
    return delivered.delivery(len(points))


class _Delivered:
    """The count while the batches go out."""

    def __init__(self) -> None:
        self.written = 0
        self.reasons: dict[str, None] = {}
        self.failure: Failure | None = None
        self.error: ErrorFacts | None = None
        self._refusal: CallFailed | None = None

    def add(self, channel: Channel, request: Any, deadline: Deadline) -> None:
        """Sends one batch; raises ``CallFailed`` where it was refused as a whole."""
        from google.protobuf.empty_pb2 import Empty  # type: ignore[attr-defined]

        try:
            call(channel, "CreateTimeSeries", request, Empty, deadline)
        except CallFailed as failed:
            summary = _summary(failed.status)
            if summary is not None:
                self._refusal = failed
                self._count(summary, channel.redaction, again=failed.may_have_arrived)
                return
            if not _stored_already(failed.error.message, again=failed.may_have_arrived):
                raise
        self.written += len(request.time_series)

    def _count(self, summary: Any, redaction: Redaction, *, again: bool) -> None:
        self.written += summary.success_point_count
        for refused in summary.errors:
            message = redaction.clean(refused.status.message)
            if _stored_already(message, again=again):
                self.written += refused.point_count
            else:
                self.reasons[message] = None

    def delivery(self, total: int) -> Delivery:
        """The outcome for so many points."""
        if self._refusal and not self.written and self.failure is None:
            self.failure, self.error = self._refusal.failure, self._refusal.error
        return Delivery(
            written=self.written,
            dropped=total - self.written,
            failure=self.failure,
            error=self.error,
            reasons=tuple(self.reasons),
        )


def _stored_already(message: str, *, again: bool) -> bool:
    return again and any(words in message for words in STORED_ALREADY)


def _requests(points: Sequence[Series], project: str, resource: Mapping[str, Any]) -> Iterator[Any]:
    from google.cloud.monitoring_v3 import CreateTimeSeriesRequest

    seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
    interval = {"end_time": {"seconds": seconds, "nanos": nanos}}
    for start in range(0, len(points), MOST_SERIES):
        batch = points[start : start + MOST_SERIES]
        yield CreateTimeSeriesRequest.pb()(
            name=f"projects/{project}",
            time_series=[_time_series(point, resource, interval) for point in batch],
        )


def _time_series(point: Series, resource: Mapping[str, Any], interval: Mapping[str, Any]) -> dict[str, Any]:
    metric = BY_NAME[point.metric]
    value = {VALUE_FIELDS[metric.value_type]: _value(point.value)}
    return {
        "metric": {"type": metric.type, "labels": dict(point.labels)},
        "resource": resource,
        "metric_kind": metric.kind,
        "value_type": metric.value_type,
        "points": [{"interval": interval, "value": value}],
    }


def _value(value: float | Distribution) -> Any:
    if not isinstance(value, Distribution):
        return value
    return {
        "count": value.count,
        "mean": value.mean,
        "sum_of_squared_deviation": value.sum_of_squared_deviation,
        "bucket_options": {"explicit_buckets": {"bounds": DURATION_BOUNDS_S}},
        "bucket_counts": value.bucket_counts,
    }


def _resource(identity: RunIdentity, project: str, location: str) -> dict[str, Any]:
    """The one type that takes custom metrics from anywhere; its labels stay the same from run to run."""
    labels = {
        "project_id": project,
        "location": location or "global",
        "namespace": NAMESPACE,
        "job": identity.job,
        "task_id": identity.task_id,
    }
    return {"type": "generic_task", "labels": labels}


def _summary(status: bytes) -> Any:
    """The ``CreateTimeSeriesSummary`` in a ``google.rpc.Status``, or None."""
    from google.cloud.monitoring_v3 import CreateTimeSeriesSummary
    from google.rpc.status_pb2 import Status

    parsed: Any = Status()
    parsed.MergeFromString(status)
    for detail in parsed.details:
        if detail.type_url.endswith("/google.monitoring.v3.CreateTimeSeriesSummary"):
            return CreateTimeSeriesSummary.pb().FromString(detail.value)
    return None
