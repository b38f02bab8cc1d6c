"""What Cloud Monitoring demands of custom metrics: each rule gives a sentence for its violation, or None."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from google.api.label_pb2 import LabelDescriptor
from google.api.metric_pb2 import MetricDescriptor

PREFIX = "custom.googleapis.com/"
MOST_SERIES = 200
MOST_LABELS = 30
MOST_BUCKETS = 200
KEY_CHARACTERS = 100
VALUE_CHARACTERS = 1024
TYPE_CHARACTERS = 99
OLDEST_S = 25 * 3600
NEWEST_S = 5 * 60
SAMPLING_PERIOD_S = 5

RESOURCE = "generic_task"
RESOURCE_LABELS = frozenset({"project_id", "location", "namespace", "job", "task_id"})

KINDS = {MetricDescriptor.GAUGE: "GAUGE", MetricDescriptor.CUMULATIVE: "CUMULATIVE"}
VALUE_TYPES = {
    MetricDescriptor.BOOL: "BOOL",
    MetricDescriptor.INT64: "INT64",
    MetricDescriptor.DOUBLE: "DOUBLE",
    MetricDescriptor.DISTRIBUTION: "DISTRIBUTION",
}
POINT_VALUES = {
    "bool_value": MetricDescriptor.BOOL,
    "int64_value": MetricDescriptor.INT64,
    "double_value": MetricDescriptor.DOUBLE,
    "distribution_value": MetricDescriptor.DISTRIBUTION,
}

_TYPE = re.compile(re.escape(PREFIX) + r"[A-Za-z][A-Za-z0-9_/]*")
_KEY = re.compile(r"[a-z][a-z0-9_]*")
_UNIT = (
    r"(?:(?:[KMGTPE]i|[EPTGMkhcmunpf]|da)?(?:bit|By|s|m|g|Hz)|min|h|d|1|%|10\^\d+)(?:\{[^{}]+\})?|\{[^{}]+\}"
)
_UCUM = re.compile(f"(?:{_UNIT})(?:[./](?:{_UNIT}))*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a series is held against."""

    project: str
    now_s: float
    """Seconds since the epoch."""
    descriptor: Any = None
    """The metric's descriptor, if it has one already."""
    stored: Any = None
    """The interval of the newest stored point of the same series."""


Rule = Callable[[Any, Context], str | None]


def descriptor_violation(descriptor: Any) -> str | None:
    """The first rule that a MetricDescriptor breaks."""
    if descriptor.metric_kind not in KINDS:
        return "metric_kind must be GAUGE or CUMULATIVE."
    if descriptor.value_type not in VALUE_TYPES:
        return "value_type must be BOOL, INT64, DOUBLE or DISTRIBUTION."
    if descriptor.unit and not _UCUM.fullmatch(descriptor.unit):
        return f"unit is no UCUM unit: {descriptor.unit}."
    if any(label.value_type != LabelDescriptor.STRING for label in descriptor.labels):
        return "labels must be of value_type STRING."
    keys = [label.key for label in descriptor.labels]
    if len(set(keys)) < len(keys):
        return "labels must have different keys."
    return (
        _kind_and_value(descriptor.metric_kind, descriptor.value_type)
        or _type_name(descriptor.type)
        or _label_keys(keys)
    )


def series_violation(series: Any, context: Context) -> str | None:
    """The first rule that a TimeSeries with one point breaks."""
    return next((sentence for rule in RULES if (sentence := rule(series, context))), None)


def kind_of(series: Any, context: Context) -> Any:
    """The metric kind of a series; one that names none has that of its metric."""
    known = context.descriptor.metric_kind if context.descriptor else MetricDescriptor.GAUGE
    return series.metric_kind or known


def value_type_of(series: Any) -> Any:
    """The value type of a series' point."""
    return POINT_VALUES.get(
        series.points[0].value.WhichOneof("value"), MetricDescriptor.VALUE_TYPE_UNSPECIFIED
    )


def _type_name(name: str) -> str | None:
    if not _TYPE.fullmatch(name) or len(name) > TYPE_CHARACTERS:
        return f"The metric type must begin with {PREFIX} and have less than 100 characters: {name}."
    return None


def _label_keys(keys: list[str]) -> str | None:
    if len(keys) > MOST_LABELS:
        return f"A metric has at most {MOST_LABELS} labels."
    for key in keys:
        if not _KEY.fullmatch(key) or len(key) > KEY_CHARACTERS:
            return f"Invalid metric label key: {key}."
        if key in RESOURCE_LABELS:
            return f"The metric label {key} clashes with a label of the monitored resource."
    return None


def _kind_and_value(kind: int, value_type: int) -> str | None:
    if value_type == MetricDescriptor.BOOL and kind != MetricDescriptor.GAUGE:
        return "BOOL is for GAUGE metrics only."
    return None


def _metric(series: Any, _context: Context) -> str | None:
    return _type_name(series.metric.type) or _label_keys(list(series.metric.labels))


def _label_values(series: Any, _context: Context) -> str | None:
    for key, value in series.metric.labels.items():
        if len(value) > VALUE_CHARACTERS:
            return f"The value of metric label {key} has more than {VALUE_CHARACTERS} characters."
    return None


def _resource(series: Any, context: Context) -> str | None:
    labels: Mapping[str, str] = series.resource.labels
    if series.resource.type != RESOURCE:
        return f"Custom metrics cannot be written to the monitored resource {series.resource.type}."
    if set(labels) != RESOURCE_LABELS or not all(labels.values()):
        return f"{RESOURCE} needs a value for each of {', '.join(sorted(RESOURCE_LABELS))}."
    if labels["project_id"] != context.project:
        return f"The resource's project_id is not {context.project}."
    return None


def _kind(series: Any, context: Context) -> str | None:
    kind, value_type = kind_of(series, context), value_type_of(series)
    if kind not in KINDS:
        return "Custom metrics are GAUGE or CUMULATIVE."
    if value_type == MetricDescriptor.VALUE_TYPE_UNSPECIFIED or series.value_type not in (0, value_type):
        return "The point's value is not of the series' value type."
    return _kind_and_value(kind, value_type)


def _descriptor(series: Any, context: Context) -> str | None:
    known, name = context.descriptor, series.metric.type
    if known is None:
        return None
    if value_type_of(series) != known.value_type:
        return f"Value type for metric {name} must be {VALUE_TYPES[known.value_type]}."
    if kind_of(series, context) != known.metric_kind:
        return f"Metric kind for metric {name} must be {KINDS[known.metric_kind]}."
    unknown = set(series.metric.labels) - {label.key for label in known.labels}
    return f"Unrecognized metric labels: {sorted(unknown)}." if unknown else None


def _interval(series: Any, context: Context) -> str | None:
    interval = series.points[0].interval
    start_s, end_s = _seconds(interval.start_time), _seconds(interval.end_time)
    if kind_of(series, context) == MetricDescriptor.CUMULATIVE:
        return None if 0 < start_s < end_s else "A CUMULATIVE point starts before it ends."
    if interval.HasField("start_time") and start_s != end_s:
        return "A GAUGE point starts when it ends."
    return None


def _age(series: Any, context: Context) -> str | None:
    age_s = context.now_s - _seconds(series.points[0].interval.end_time)
    if age_s > OLDEST_S:
        return "Data points cannot be written more than 25h in the past."
    if age_s < -NEWEST_S:
        return "Data points cannot be written more than 5m in the future."
    return None


def _order(series: Any, context: Context) -> str | None:
    if context.stored is None:
        return None
    interval = series.points[0].interval
    since_s = _seconds(interval.end_time) - _seconds(context.stored.end_time)
    if since_s <= 0:
        return (
            "Points must be written in order. "
            "One or more of the points specified had an older end time than the most recent point."
        )
    if since_s < SAMPLING_PERIOD_S:
        return (
            "One or more points were written more frequently than "
            "the maximum sampling period configured for the metric."
        )
    return None


def _distribution(series: Any, _context: Context) -> str | None:
    value = series.points[0].value
    if value.WhichOneof("value") != "distribution_value":
        return None
    return next(_distribution_violations(value.distribution_value), None)


def _distribution_violations(distribution: Any) -> Iterator[str]:
    options = distribution.bucket_options
    bounds = list(options.explicit_buckets.bounds)
    if options.WhichOneof("options") != "explicit_buckets" or not bounds:
        yield "A distribution needs bucket_options.explicit_buckets with bounds."
    if any(lower >= upper for lower, upper in pairwise(bounds)):
        yield "The bounds of a distribution's buckets must increase."
    if len(bounds) + 1 > MOST_BUCKETS or len(distribution.bucket_counts) > len(bounds) + 1:
        yield f"A distribution has at most {MOST_BUCKETS} buckets, and no count without a bucket."
    if sum(distribution.bucket_counts) != distribution.count:
        yield "A distribution's count must equal the sum of its bucket_counts."
    if distribution.sum_of_squared_deviation < 0 or (distribution.count == 0 and distribution.mean):
        yield "A distribution's mean and sum_of_squared_deviation do not fit its count."


def _seconds(timestamp: Any) -> float:
    return float(timestamp.seconds + timestamp.nanos / 1e9)


RULES: tuple[Rule, ...] = (
    _metric,
    _label_values,
    _resource,
    _kind,
    _descriptor,
    _interval,
    _age,
    _order,
    _distribution,
)
