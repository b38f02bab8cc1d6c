"""What the stand-in for Cloud Monitoring has taken in: descriptors, and the newest point of each series."""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import grpc
from google.api.label_pb2 import LabelDescriptor
from google.api.metric_pb2 import MetricDescriptor
from google.cloud.monitoring_v3.types import metric_service
from google.rpc.status_pb2 import Status

from probe.sandbox.monitoring_rules import (
    MOST_SERIES,
    Context,
    descriptor_violation,
    kind_of,
    series_violation,
    value_type_of,
)

KEPT = 100_000
INVALID = grpc.StatusCode.INVALID_ARGUMENT


class Refused(Exception):  # noqa: N818 - an answer, no error of the server
    """A call that is refused as a whole."""

    def __init__(self, code: grpc.StatusCode, message: str, details: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.status = Status(code=code.value[0], message=message)
        for detail in details:
            self.status.details.add().Pack(detail)


class Store:
    """In memory; not safe for threads."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._newest: dict[object, Any] = {}
        self.descriptors: dict[str, Any] = {}
        self.accepted: deque[Any] = deque(maxlen=KEPT)

    def put_all(self, batch: Sequence[Any], *, refused_type: str | None = None) -> None:
        """Stores the good ones; raises ``Refused`` where there are others, too.

        Every series of ``refused_type`` counts as one of the others.
        """
        _check_shape(batch)
        sentences = [
            f"Value type for metric {refused_type} must be BOOL."
            if series.metric.type == refused_type
            else self.put(series)
            for series in batch
        ]
        if any(sentences):
            raise _partial_failure(sentences)

    def put(self, series: Any) -> str | None:
        """Stores a series with one point, or says which rule it breaks."""
        context = Context(
            project=self._project,
            now_s=time.time(),
            descriptor=self.descriptors.get(series.metric.type),
            stored=self._newest.get(_identity(series)),
        )
        if sentence := series_violation(series, context):
            return sentence
        if context.descriptor is None:
            self.descriptors[series.metric.type] = _inferred(series, context)
        self._newest[_identity(series)] = series.points[0].interval
        self.accepted.append(series)
        return None

    def describe(self, descriptor: Any) -> Any:
        """Creates or updates a descriptor; raises ``Refused`` where it breaks a rule."""
        if sentence := descriptor_violation(descriptor):
            raise Refused(INVALID, f"Field metricDescriptor had an invalid value: {sentence}")
        known = self.descriptors.get(descriptor.type, descriptor)
        if (known.metric_kind, known.value_type) != (descriptor.metric_kind, descriptor.value_type):
            raise Refused(INVALID, f"{descriptor.type} exists with another metric kind or value type.")
        stored = MetricDescriptor()
        stored.CopyFrom(descriptor)  # type: ignore[no-untyped-call]
        stored.name = f"projects/{self._project}/metricDescriptors/{descriptor.type}"
        self.descriptors[descriptor.type] = stored
        return stored


def _check_shape(batch: Sequence[Any]) -> None:
    if not 0 < len(batch) <= MOST_SERIES:
        raise Refused(INVALID, f"Field timeSeries had an invalid value: At most {MOST_SERIES}, at least one.")
    for index, series in enumerate(batch):
        if len(series.points) != 1:
            raise Refused(
                INVALID, f"Field timeSeries[{index}].points had an invalid value: Exactly one point."
            )
    if len({_identity(series) for series in batch}) < len(batch):
        raise Refused(INVALID, "Field timeSeries had an invalid value: Duplicate TimeSeries encountered.")


def _partial_failure(sentences: Sequence[str | None]) -> Refused:
    """The status as the real service sends it: the good series are stored, the call fails all the same."""
    groups: dict[str, list[int]] = {}
    for index, sentence in enumerate(sentences):
        if sentence is not None:
            groups.setdefault(sentence, []).append(index)
    summary = metric_service.CreateTimeSeriesSummary.pb()(
        total_point_count=len(sentences), success_point_count=sentences.count(None)
    )
    for sentence, indices in groups.items():
        summary.errors.add(status=Status(code=INVALID.value[0], message=sentence), point_count=len(indices))
    return Refused(INVALID, _told(groups.items()), [summary])


def _told(groups: Iterable[tuple[str, Sequence[int]]]) -> str:
    parts = (f"{sentence}: timeSeries[{','.join(map(str, indices))}]" for sentence, indices in groups)
    return "One or more TimeSeries could not be written: " + "; ".join(parts)


def _identity(series: Any) -> object:
    return (
        series.metric.type,
        frozenset(series.metric.labels.items()),
        series.resource.type,
        frozenset(series.resource.labels.items()),
    )


def _inferred(series: Any, context: Context) -> Any:
    """The descriptor that a first write makes: without unit, display name or descriptions."""
    return MetricDescriptor(
        type=series.metric.type,
        metric_kind=kind_of(series, context),
        value_type=value_type_of(series),
        labels=[LabelDescriptor(key=key) for key in series.metric.labels],
    )
