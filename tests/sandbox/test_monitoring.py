import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.api.metric_pb2 import MetricDescriptor
from google.cloud.monitoring_v3.services.metric_service import MetricServiceClient
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport
from google.cloud.monitoring_v3.types import metric_service
from google.cloud.monitoring_v3.types.metric import TimeSeries
from grpc_status import rpc_status  # type: ignore[import-untyped]

from probe.sandbox.monitoring import CloudMonitoring

HOST = "127.9.3.1"
TYPE = "custom.googleapis.com/probe/verdict"
SERIES: Any = TimeSeries.pb()
SUMMARY: Any = metric_service.CreateTimeSeriesSummary.pb()
LIST: Any = metric_service.ListMetricDescriptorsRequest
GENERIC_TASK = {"project_id": "p", "location": "l", "namespace": "n", "job": "j", "task_id": "0"}


@pytest.fixture
def service() -> Iterator[CloudMonitoring]:
    with CloudMonitoring(host=HOST, project="p") as running:
        yield running


def _series(now_s: float | None = None, **value: Any) -> Any:
    """A series that breaks no rule."""
    series = SERIES()
    series.metric.type = TYPE
    series.metric.labels["target"] = "db"
    series.resource.type = "generic_task"
    series.resource.labels.update(GENERIC_TASK)
    series.metric_kind = MetricDescriptor.GAUGE
    point = series.points.add()
    _ends(point.interval, now_s or time.time())
    for name, number in (value or {"int64_value": 2}).items():
        setattr(point.value, name, number)
    return series


def _ends(interval: Any, at_s: float) -> None:
    interval.end_time.FromNanoseconds(int(at_s * 1e9))


def _starts(interval: Any, at_s: float) -> None:
    interval.start_time.FromNanoseconds(int(at_s * 1e9))


def _distribution(counts: tuple[int, ...] = (1, 2, 0), bounds: tuple[float, ...] = (1.0, 2.0)) -> Any:
    series = _series()
    series.metric.type = "custom.googleapis.com/probe/duration"
    series.points[0].value.ClearField("int64_value")
    distribution = series.points[0].value.distribution_value
    distribution.count = sum(counts)
    distribution.mean = 1.0
    distribution.bucket_options.explicit_buckets.bounds.extend(bounds)
    distribution.bucket_counts.extend(counts)
    return series


def _client(service: CloudMonitoring, use: Callable[[MetricServiceClient], Any]) -> Any:
    with grpc.insecure_channel(service.address) as channel:  # type: ignore[no-untyped-call]
        return use(MetricServiceClient(transport=MetricServiceGrpcTransport(channel=channel)))


def _write(service: CloudMonitoring, *batch: Any, project: str = "p", timeout_s: float = 2) -> None:
    request = metric_service.CreateTimeSeriesRequest.pb()(name=f"projects/{project}", time_series=batch)
    with grpc.insecure_channel(service.address) as channel:  # type: ignore[no-untyped-call]
        transport: Any = MetricServiceGrpcTransport(channel=channel)
        transport.create_time_series(metric_service.CreateTimeSeriesRequest(request), timeout=timeout_s)


def _refusal(service: CloudMonitoring, *batch: Any, **options: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        _write(service, *batch, **options)
    error: Any = caught.value
    return error.code(), error.details()


def test_a_series_that_breaks_no_rule_is_stored(service: CloudMonitoring) -> None:
    _write(service, _series(), _distribution())
    assert [series.metric.type for series in service.accepted] == [TYPE, _distribution().metric.type]
    assert service.calls == ["CreateTimeSeries"]


@pytest.mark.parametrize("value", [{"bool_value": True}, {"int64_value": 0}, {"double_value": 0.5}])
def test_each_value_type_is_taken(service: CloudMonitoring, value: dict[str, Any]) -> None:
    _write(service, _series(**value))
    assert len(service.accepted) == 1


def test_a_cumulative_series_is_taken(service: CloudMonitoring) -> None:
    series = _series()
    series.metric_kind = MetricDescriptor.CUMULATIVE
    _starts(series.points[0].interval, time.time() - 60)
    _write(service, series)
    assert service.descriptors[TYPE].metric_kind == MetricDescriptor.CUMULATIVE


def _no_point(series: Any) -> None:
    del series.points[:]


def _two_points(series: Any) -> None:
    series.points.add().CopyFrom(series.points[0])


@pytest.mark.parametrize("spoil", [_no_point, _two_points])
def test_a_series_has_exactly_one_point(service: CloudMonitoring, spoil: Callable[[Any], None]) -> None:
    series = _series()
    spoil(series)
    code, message = _refusal(service, series)
    assert (code, message.endswith("Exactly one point.")) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def _many(number: int) -> list[Any]:
    batch = [_series() for _ in range(number)]
    for index, series in enumerate(batch):
        series.metric.labels["target"] = str(index)
    return batch


def test_200_series_are_the_most(service: CloudMonitoring) -> None:
    _write(service, *_many(200))
    assert _refusal(service, *_many(201))[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert len(service.accepted) == 200


def test_an_empty_call_is_refused(service: CloudMonitoring) -> None:
    assert _refusal(service)[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_the_same_series_twice_in_a_call_is_refused(service: CloudMonitoring) -> None:
    assert "Duplicate TimeSeries" in _refusal(service, _series(), _series())[1]
    assert service.accepted == []


def test_another_project_is_refused(service: CloudMonitoring) -> None:
    assert _refusal(service, _series(), project="other")[0] is grpc.StatusCode.PERMISSION_DENIED


def _type(name: str) -> Callable[[Any], None]:
    return lambda series: setattr(series.metric, "type", name)


def _label(key: str, value: str = "x") -> Callable[[Any], None]:
    return lambda series: series.metric.labels.update({key: value})


def _labels(number: int) -> Callable[[Any], None]:
    return lambda series: series.metric.labels.update({f"k{index}": "x" for index in range(number)})


def _resource(key: str, value: str) -> Callable[[Any], None]:
    return lambda series: series.resource.labels.update({key: value})


def _resource_type(name: str) -> Callable[[Any], None]:
    return lambda series: setattr(series.resource, "type", name)


def _without_task(series: Any) -> None:
    del series.resource.labels["task_id"]


def _end(offset_s: float) -> Callable[[Any], None]:
    return lambda series: _ends(series.points[0].interval, time.time() + offset_s)


def _gauge_with_start(series: Any) -> None:
    _starts(series.points[0].interval, time.time() - 60)


def _cumulative(series: Any) -> None:
    series.metric_kind = MetricDescriptor.CUMULATIVE


def _cumulative_bool(series: Any) -> None:
    _cumulative(series)
    series.points[0].value.bool_value = True


def _delta(series: Any) -> None:
    series.metric_kind = MetricDescriptor.DELTA


def _string(series: Any) -> None:
    series.points[0].value.string_value = "up"


def _other_value_type(series: Any) -> None:
    series.value_type = MetricDescriptor.DOUBLE


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_type("example.com/x"), "must begin with custom.googleapis.com/"),
        (_type("custom.googleapis.com/probe/wörd"), "must begin with custom.googleapis.com/"),
        (_type("custom.googleapis.com/" + 78 * "x"), "less than 100 characters"),
        (_label("with.dot"), "Invalid metric label key"),
        (_label("Upper"), "Invalid metric label key"),
        (_label("k" * 101), "Invalid metric label key"),
        (_label("long", "x" * 1025), "more than 1024 characters"),
        (_labels(30), "at most 30 labels"),
        *((_label(name), "clashes with a label") for name in GENERIC_TASK),
        (_resource_type("cloud_run_job"), "cannot be written to the monitored resource cloud_run_job"),
        (_resource("extra", "x"), "generic_task needs a value for each"),
        (_resource("namespace", ""), "generic_task needs a value for each"),
        (_resource("project_id", "other"), "project_id is not p"),
        (_without_task, "generic_task needs a value for each"),
        (_end(-25 * 3600 - 60), "more than 25h in the past"),
        (_end(5 * 60 + 60), "more than 5m in the future"),
        (_gauge_with_start, "starts when it ends"),
        (_cumulative, "starts before it ends"),
        (_cumulative_bool, "BOOL is for GAUGE"),
        (_delta, "GAUGE or CUMULATIVE"),
        (_string, "not of the series' value type"),
        (_other_value_type, "not of the series' value type"),
    ],
)
def test_each_broken_rule_is_named(
    service: CloudMonitoring, spoil: Callable[[Any], None], words: str
) -> None:
    series = _series()
    spoil(series)
    code, message = _refusal(service, series)
    assert (code, words in message) == (grpc.StatusCode.INVALID_ARGUMENT, True), message
    assert service.accepted == []


@pytest.mark.parametrize("offset_s", [-25 * 3600 + 60, 5 * 60 - 60])
def test_within_its_age_a_point_is_taken(service: CloudMonitoring, offset_s: float) -> None:
    _write(service, _series(time.time() + offset_s))
    assert len(service.accepted) == 1


def _count(distribution: Any) -> None:
    distribution.count += 1


def _falling(distribution: Any) -> None:
    distribution.bucket_options.explicit_buckets.bounds[:] = [2.0, 1.0]


def _too_many_counts(distribution: Any) -> None:
    distribution.bucket_counts.append(0)


def _too_many_buckets(distribution: Any) -> None:
    distribution.bucket_options.explicit_buckets.bounds[:] = range(200)


def _no_bounds(distribution: Any) -> None:
    distribution.ClearField("bucket_options")


def _negative(distribution: Any) -> None:
    distribution.sum_of_squared_deviation = -1


def _mean_of_nothing(distribution: Any) -> None:
    distribution.count = 0
    distribution.bucket_counts[:] = []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_count, "must equal the sum"),
        (_falling, "must increase"),
        (_too_many_counts, "at most 200 buckets"),
        (_too_many_buckets, "at most 200 buckets"),
        (_no_bounds, "needs bucket_options"),
        (_negative, "do not fit its count"),
        (_mean_of_nothing, "do not fit its count"),
    ],
)
def test_each_broken_rule_of_distributions_is_named(
    service: CloudMonitoring, spoil: Callable[[Any], None], words: str
) -> None:
    series = _distribution()
    spoil(series.points[0].value.distribution_value)
    assert words in _refusal(service, series)[1]


@pytest.mark.parametrize(
    ("later_s", "words"), [(0, "in order"), (-60, "in order"), (4, "more frequently than")]
)
def test_the_points_of_a_series_are_in_order_and_five_seconds_apart(
    service: CloudMonitoring, later_s: float, words: str
) -> None:
    now_s = time.time()
    _write(service, _series(now_s))
    assert words in _refusal(service, _series(now_s + later_s))[1]
    _write(service, _series(now_s + 5))
    assert len(service.accepted) == 2


def _double(series: Any) -> None:
    series.points[0].value.double_value = 1.0


def _started(series: Any) -> None:
    _cumulative(series)
    _starts(series.points[0].interval, time.time() - 60)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_double, "Value type for metric custom.googleapis.com/probe/verdict must be INT64"),
        (_started, "must be GAUGE"),
        (_label("new"), "Unrecognized metric labels: ['new']"),
    ],
)
def test_a_series_fits_the_descriptor_that_there_is(
    service: CloudMonitoring, change: Callable[[Any], None], words: str
) -> None:
    _write(service, _series())
    series = _series(time.time() + 10)
    change(series)
    assert words in _refusal(service, series)[1]


def test_the_good_series_of_a_bad_call_are_stored_and_the_others_counted(service: CloudMonitoring) -> None:
    bad, worse = _series(), _series()
    _label("Upper")(bad)
    _type("example.com/x")(worse)
    with pytest.raises(grpc.RpcError) as caught:
        _write(service, bad, _series(), worse)
    status = rpc_status.from_call(caught.value)
    summary = SUMMARY()
    assert status.details[0].Unpack(summary)
    assert (summary.total_point_count, summary.success_point_count) == (3, 1)
    assert [error.point_count for error in summary.errors] == [1, 1]
    assert all(error.status.code == 3 for error in summary.errors)
    assert len(service.accepted) == 1


def _descriptor(**changes: Any) -> MetricDescriptor:
    fields: dict[str, Any] = {"type": TYPE, "metric_kind": "GAUGE", "value_type": "INT64", "unit": "1"}
    fields["labels"] = [{"key": "target", "value_type": "STRING", "description": "what is tested"}]
    return MetricDescriptor(**(fields | changes))


def _create(service: CloudMonitoring, descriptor: MetricDescriptor) -> Any:
    return _client(
        service,
        lambda client: client.create_metric_descriptor(
            name="projects/p", metric_descriptor=descriptor, timeout=2
        ),
    )


def _listed(service: CloudMonitoring, text: str) -> int:
    request = LIST(name="projects/p", filter=text)
    found = _client(service, lambda client: list(client.list_metric_descriptors(request, timeout=2)))
    return len(found)


def test_a_descriptor_can_be_created_read_listed_and_updated(service: CloudMonitoring) -> None:
    created = _create(service, _descriptor())
    assert created.name == f"projects/p/metricDescriptors/{TYPE}"
    _create(service, _descriptor(display_name="Verdict"))
    read = _client(service, lambda client: client.get_metric_descriptor(name=created.name, timeout=2))
    assert read.display_name == "Verdict"
    wanted = 'metric.type = starts_with("custom.googleapis.com/probe/")'
    assert [_listed(service, text) for text in ("", wanted, wanted.replace("probe", "other"))] == [1, 1, 0]


def test_a_write_makes_the_descriptor_that_is_missing(service: CloudMonitoring) -> None:
    _write(service, _series())
    assert service.descriptors[TYPE].labels[0].key == "target"
    assert service.descriptors[TYPE].display_name == ""


@pytest.mark.parametrize(
    "unit", ["", "s", "ms", "By", "1", "%", "Mibit/s", "{attempt}", "1{finding}", "GiBy"]
)
def test_units_are_those_of_ucum(service: CloudMonitoring, unit: str) -> None:
    assert _create(service, _descriptor(unit=unit)).unit == unit


def _label_list(*keys: str, value_type: str = "STRING") -> list[dict[str, str]]:
    return [{"key": key, "value_type": value_type} for key in keys]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unit": "seconds"}, "unit is no UCUM unit"),
        ({"metric_kind": "DELTA"}, "metric_kind must be"),
        ({"value_type": "STRING"}, "value_type must be"),
        ({"value_type": "BOOL", "metric_kind": "CUMULATIVE"}, "BOOL is for GAUGE"),
        ({"type": "example.com/x"}, "must begin with"),
        ({"labels": _label_list("a", value_type="BOOL")}, "value_type STRING"),
        ({"labels": _label_list("a", "a")}, "different keys"),
        ({"labels": _label_list("job")}, "clashes"),
        ({"labels": _label_list(*(f"k{index}" for index in range(31)))}, "at most 30"),
    ],
)
def test_each_broken_rule_of_descriptors_is_named(
    service: CloudMonitoring, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(Exception, match=words):
        _create(service, _descriptor(**changes))
    assert service.descriptors == {}


def test_a_descriptor_keeps_its_value_type(service: CloudMonitoring) -> None:
    _create(service, _descriptor())
    with pytest.raises(Exception, match="another metric kind or value type"):
        _create(service, _descriptor(value_type="DOUBLE"))


def test_a_descriptor_that_is_not_there_is_not_found(service: CloudMonitoring) -> None:
    with pytest.raises(Exception, match="Could not find descriptor"):
        _client(
            service,
            lambda client: client.get_metric_descriptor(
                name=f"projects/p/metricDescriptors/{TYPE}", timeout=2
            ),
        )


def test_a_filter_it_does_not_know_is_refused(service: CloudMonitoring) -> None:
    request = LIST(name="projects/p", filter="resource.type = x")
    with pytest.raises(Exception, match="Field filter had an invalid value"):
        _client(service, lambda client: client.list_metric_descriptors(request, timeout=2))


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ("unavailable", grpc.StatusCode.UNAVAILABLE),
        ("refusing", grpc.StatusCode.PERMISSION_DENIED),
        ("partly-refusing", grpc.StatusCode.INVALID_ARGUMENT),
        ("silent", grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
def test_it_can_misbehave(behaviour: str, code: grpc.StatusCode) -> None:
    with CloudMonitoring(host=HOST, project="p", behaviour=behaviour) as service:
        assert _refusal(service, _series(), _distribution(), timeout_s=0.5)[0] is code
        assert len(service.accepted) == (1 if behaviour == "partly-refusing" else 0)


def test_it_can_store_a_call_and_yet_call_itself_unavailable() -> None:
    with CloudMonitoring(host=HOST, project="p", behaviour="stored-unavailable") as service:
        series = _series()
        assert _refusal(service, series)[0] is grpc.StatusCode.UNAVAILABLE
        assert "in order" in _refusal(service, series)[1]
        assert len(service.accepted) == 1


def test_stopping_ends_calls_that_still_wait() -> None:
    service = CloudMonitoring(host=HOST, project="p", behaviour="silent")
    with grpc.insecure_channel(service.address) as channel:  # type: ignore[no-untyped-call]
        transport: Any = MetricServiceGrpcTransport(channel=channel)
        call = transport.create_time_series.future(metric_service.CreateTimeSeriesRequest(), timeout=10)
        while not service.calls:
            time.sleep(0.005)
        started = time.monotonic()
        service.stop()
        assert time.monotonic() - started < 1
        assert call.exception(timeout=1) is not None
    host, port = service.address.split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1)


def test_an_unknown_behaviour_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="no such behaviour: odd"):
        CloudMonitoring(host=HOST, project="p", behaviour="odd")
