from typing import Any

import pytest
from google.cloud.monitoring_v3.types import common, metric, metric_service

from probe.sinks.monitoring_messages import MESSAGES, CreateTimeSeriesRequest

OFFICIAL: dict[str, Any] = {
    "CreateTimeSeriesRequest": metric_service.CreateTimeSeriesRequest,
    "TimeSeries": metric.TimeSeries,
    "Point": metric.Point,
    "TimeInterval": common.TimeInterval,
    "TypedValue": common.TypedValue,
    "CreateTimeSeriesSummary": metric_service.CreateTimeSeriesSummary,
    "Error": metric_service.CreateTimeSeriesSummary.Error,
}


def _shape(field: Any) -> tuple[object, ...]:
    """Everything that decides how a field looks on the wire, and the last name of its type."""
    kind = field.message_type or field.enum_type
    oneof = field.containing_oneof.name if field.containing_oneof else None
    return field.number, field.type, field.is_repeated, kind.name if kind else None, oneof


def _own(name: str) -> Any:
    file = CreateTimeSeriesRequest.DESCRIPTOR.file
    return file.message_types_by_name[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_each_field_is_that_of_the_official_client(name: str) -> None:
    official = OFFICIAL[name].pb().DESCRIPTOR.fields_by_name
    for field in _own(name).fields:
        assert _shape(field) == _shape(official[field.name])


def test_the_official_client_reads_what_is_written() -> None:
    value = {"int64_value": 0}
    point = {"interval": {"end_time": {"seconds": 1, "nanos": 2}}, "value": value}
    series = {"metric": {"type": "t", "labels": {"a": "b"}}, "metric_kind": "GAUGE", "points": [point]}
    written = CreateTimeSeriesRequest(name="projects/p", time_series=[series])
    request: Any = metric_service.CreateTimeSeriesRequest
    read = request.pb().FromString(written.SerializeToString())
    assert read == request.pb()(name="projects/p", time_series=[series])
    assert read.time_series[0].points[0].value.WhichOneof("value") == "int64_value"
