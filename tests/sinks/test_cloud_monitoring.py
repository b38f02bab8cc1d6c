import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.oauth2.credentials import Credentials
from google.protobuf.empty_pb2 import Empty  # type: ignore[attr-defined]

from probe.dial.redaction import Redaction
from probe.model.observation import Delivery
from probe.model.report import Report, RunIdentity
from probe.model.words import Failure, Verdict
from probe.sandbox.metadata import MetadataServer
from probe.sandbox.monitoring import CloudMonitoring
from probe.sinks.catalogue import METRICS
from probe.sinks.cloud_monitoring import apply_descriptors, series, write
from probe.sinks.monitoring_bounds import CallFailed, deadline_after
from probe.sinks.monitoring_calls import call, connected
from probe.sinks.point import Series, distribution

HOST = "127.9.4.1"
IDENTITY = RunIdentity(id="r", started_at="2026-01-01T00:00:00Z", profile="scheduled", checks=(), job="job-1")


@pytest.fixture
def service() -> Iterator[CloudMonitoring]:
    with _serving("normal") as running:
        yield running


def _serving(behaviour: str) -> CloudMonitoring:
    return CloudMonitoring(host=HOST, project="p", behaviour=behaviour)


def _points(targets: int = 2) -> list[Series]:
    report = Report(
        identity=IDENTITY,
        duration_s=1.0,
        verdict=Verdict.HEALTHY,
        targets=tuple((f"db-{number}", Verdict.HEALTHY) for number in range(targets)),
        headline="",
        findings=(),
        observations=(),
    )
    return series(report)


def _write(points: list[Series], endpoint: str, *, budget_s: float = 5.0, **options: Any) -> Delivery:
    wanted: dict[str, Any] = {"identity": IDENTITY, "project": "p", "location": "europe-west1"} | options
    return write(points, endpoint=endpoint, budget_s=budget_s, **wanted)


@contextmanager
def _lasting(least_s: float, most_s: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert least_s <= time.monotonic() - started <= most_s


@contextmanager
def _listening(*, accepting: bool = True) -> Iterator[str]:
    """A port that never says a word; not accepting: whose queue is full, so that connects get no answer."""
    with socket.create_server((HOST, 0), backlog=8 if accepting else 0) as listener:
        host, port = listener.getsockname()
        waiting = [socket.socket() for _ in range(0 if accepting else 3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex((host, port))
        yield f"{host}:{port}"
        for each in waiting:
            each.close()


def test_every_point_is_stored_under_one_resource_with_one_end_time(service: CloudMonitoring) -> None:
    points = _points()
    assert _write(points, service.address) == Delivery(written=len(points))
    assert len(service.accepted) == len(points)
    assert len({each.points[0].interval.end_time.ToNanoseconds() for each in service.accepted}) == 1
    assert dict(service.accepted[0].resource.labels) == {
        "project_id": "p",
        "location": "europe-west1",
        "namespace": "cloudsql-vpc-probe",
        "job": "job-1",
        "task_id": "0",
    }
    assert {each.metric.labels["profile"] for each in service.accepted} == {"scheduled"}


def test_a_distribution_arrives_with_its_buckets(service: CloudMonitoring) -> None:
    labels = {"target": "db", "path": "connector", "profile": "scheduled"}
    point = Series(metric="connection_duration", labels=labels, value=distribution([0.1, 0.2]))
    assert _write([point], service.address).written == 1
    assert service.accepted[0].points[0].value.distribution_value.count == 2


def test_no_point_is_no_call(service: CloudMonitoring) -> None:
    assert _write([], service.address) == Delivery()
    assert service.calls == []


def test_more_than_200_points_go_in_several_calls(service: CloudMonitoring) -> None:
    points = _points(targets=450)
    assert _write(points, service.address) == Delivery(written=452)
    assert service.calls == ["CreateTimeSeries"] * 3


def test_an_unknown_region_is_no_reason_to_write_nothing(service: CloudMonitoring) -> None:
    assert _write(_points(), service.address, location="").dropped == 0
    assert service.accepted[0].resource.labels["location"] == "global"


def test_an_unavailable_service_is_tried_again_within_the_budget() -> None:
    with _serving("unavailable") as service, _lasting(0.1, 1.1):
        delivery = _write(_points(), service.address, budget_s=1.0)
    assert (delivery.written, delivery.dropped, delivery.failure) == (0, 4, Failure.SERVER_ERROR)
    assert delivery.error is not None
    assert delivery.error.message == "The service is currently unavailable."
    assert 2 <= len(service.calls) <= 4


def test_an_unavailable_service_is_given_up_after_five_tries() -> None:
    with _serving("unavailable") as service, _lasting(1.8, 5.0):
        delivery = _write(_points(), service.address, budget_s=60.0)
    assert delivery.failure is Failure.SERVER_ERROR
    assert len(service.calls) == 5


def test_a_refusing_service_is_not_asked_twice() -> None:
    with _serving("refusing") as service:
        delivery = _write(_points(targets=300), service.address)
    assert (delivery.written, delivery.dropped, delivery.failure) == (0, 302, Failure.FORBIDDEN)
    assert service.calls == ["CreateTimeSeries"]


def test_points_that_are_refused_one_by_one_are_counted_with_the_reasons() -> None:
    with _serving("partly-refusing") as service:
        delivery = _write(_points(targets=250), service.address)
    assert (delivery.written, delivery.dropped, delivery.failure) == (2, 250, None)
    assert delivery.reasons == ("Value type for metric custom.googleapis.com/probe/verdict must be BOOL.",)
    assert len(service.calls) == 2


def test_where_every_point_is_refused_the_call_failed(service: CloudMonitoring) -> None:
    _write(_points(), service.address)
    delivery = _write(_points(), service.address)
    assert (delivery.written, delivery.dropped) == (0, 4)
    assert delivery.failure is Failure.HTTP_BAD_REQUEST
    assert len(delivery.reasons) == 1
    assert "more frequently than" in delivery.reasons[0]


def test_a_call_refused_as_a_whole_is_a_bad_request(service: CloudMonitoring) -> None:
    points = _points()
    delivery = _write([points[0], points[0]], service.address)
    assert (delivery.dropped, delivery.failure) == (2, Failure.HTTP_BAD_REQUEST)
    assert delivery.error is not None
    assert "Duplicate" in delivery.error.message


def test_after_an_ambiguous_try_points_that_are_there_already_count_as_written() -> None:
    with _serving("stored-unavailable") as service:
        assert _write(_points(), service.address) == Delivery(written=4)
    assert service.calls == ["CreateTimeSeries"] * 2
    assert len(service.accepted) == 4


def test_a_silent_service_is_left_at_the_end_of_the_budget() -> None:
    with _serving("silent") as service, _lasting(0.5, 0.6):
        delivery = _write(_points(), service.address, budget_s=0.5)
    assert (delivery.dropped, delivery.failure) == (4, Failure.TIMEOUT)


@pytest.mark.parametrize("accepting", [True, False])
def test_a_port_without_a_word_is_left_at_the_end_of_the_budget(*, accepting: bool) -> None:
    with _listening(accepting=accepting) as address, _lasting(0.5, 0.6):
        delivery = _write(_points(), address, budget_s=0.5)
    assert (delivery.dropped, delivery.failure) == (4, Failure.TIMEOUT)


def test_a_closed_port_is_refused() -> None:
    with _listening() as address:
        pass
    with _lasting(0, 2.2):
        delivery = _write(_points(), address, budget_s=2.0)
    assert (delivery.dropped, delivery.failure) == (4, Failure.REFUSED)


def test_a_budget_that_is_used_up_drops_everything(service: CloudMonitoring) -> None:
    delivery = _write(_points(), service.address, budget_s=0.0)
    assert (delivery.dropped, delivery.failure) == (4, Failure.TIMEOUT)


def test_a_fault_of_the_sink_is_told_and_not_raised(service: CloudMonitoring) -> None:
    odd = Series(metric="not_in_the_catalogue", labels={}, value=1)
    delivery = _write([odd], service.address)
    assert (delivery.dropped, delivery.failure) == (1, Failure.PROTOCOL)
    assert delivery.error is not None
    assert delivery.error.type == "builtins.KeyError"


def test_a_token_endpoint_that_refuses_is_told() -> None:
    with MetadataServer(host=HOST, project="p", region="r") as metadata:
        user = Credentials(  # type: ignore[no-untyped-call]
            None,
            refresh_token="r",
            client_id="c",
            client_secret="s",
            token_uri=metadata.token_url_refused,
        )
        delivery = _write(_points(), "", credentials=user)
    assert (delivery.dropped, delivery.failure) == (4, Failure.TOKEN_REFUSED)


def test_a_token_endpoint_that_is_away_is_told() -> None:
    with _listening() as address:
        pass
    user = Credentials(  # type: ignore[no-untyped-call]
        None, refresh_token="r", client_id="c", client_secret="s", token_uri=f"http://{address}/"
    )
    delivery = _write(_points(), "", credentials=user)
    assert (delivery.dropped, delivery.failure) == (4, Failure.METADATA_UNAVAILABLE)


def test_the_channel_to_the_real_service_takes_a_token_and_dials_nobody() -> None:
    token = Credentials("t")  # type: ignore[no-untyped-call]
    with connected("", deadline_after(1), token) as channel:
        assert isinstance(channel.grpc, grpc.Channel)


@contextmanager
def _answering(*answers: tuple[grpc.StatusCode, str] | None) -> Iterator[str]:
    """A service that answers its calls with these, in turn; None is a success."""
    left = iter(answers)

    def behave(_request: bytes, context: Any) -> bytes:
        answer = next(left)
        if answer is not None:
            context.abort(*answer)
        return b""

    server = grpc.server(ThreadPoolExecutor(max_workers=1))  # type: ignore[no-untyped-call]
    methods = {"CreateTimeSeries": grpc.unary_unary_rpc_method_handler(behave)}  # type: ignore[no-untyped-call]
    service = grpc.method_handlers_generic_handler(  # type: ignore[no-untyped-call]
        "google.monitoring.v3.MetricService", methods
    )
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    try:
        yield f"{HOST}:{port}"
    finally:
        server.stop(None).wait()


UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "try again")
OUT_OF_ORDER = (
    grpc.StatusCode.INVALID_ARGUMENT,
    "One or more TimeSeries could not be written: Points must be written in order.",
)
TOO_SOON = (grpc.StatusCode.INVALID_ARGUMENT, "points written more frequently than the maximum")


@pytest.mark.parametrize("refusal", [OUT_OF_ORDER, TOO_SOON])
def test_a_batch_that_was_stored_though_its_answer_was_lost_is_no_loss(
    refusal: tuple[grpc.StatusCode, str],
) -> None:
    points = _points()
    with _answering(UNAVAILABLE, refusal) as endpoint:
        assert _write(points, endpoint) == Delivery(written=len(points))


@pytest.mark.parametrize(
    "answers",
    [(OUT_OF_ORDER,), (UNAVAILABLE, (grpc.StatusCode.INVALID_ARGUMENT, "a label is too long"))],
)
def test_a_batch_that_is_refused_for_another_reason_is_lost(
    answers: tuple[tuple[grpc.StatusCode, str], ...],
) -> None:
    points = _points()
    with _answering(*answers) as endpoint:
        delivery = _write(points, endpoint)
    assert (delivery.written, delivery.dropped) == (0, len(points))
    assert delivery.failure is Failure.HTTP_BAD_REQUEST


TOKEN = "ya29.a-token-that-is-long-enough"


def test_the_token_is_a_secret_from_the_moment_it_is_there() -> None:
    identity = Credentials(TOKEN)  # type: ignore[no-untyped-call]
    with connected("", deadline_after(1), identity) as channel:
        assert TOKEN not in channel.redaction.clean(f"Bearer {TOKEN}")


@pytest.mark.parametrize("said", [f"the token {TOKEN} may not", "x" * 990 + TOKEN])
def test_a_service_that_echoes_the_token_does_not_get_it_into_a_report(said: str) -> None:
    redaction = Redaction()
    redaction.add(TOKEN)
    with (
        _answering((grpc.StatusCode.PERMISSION_DENIED, said)) as endpoint,
        connected(endpoint, deadline_after(5)) as plain,
        pytest.raises(CallFailed) as caught,
    ):
        call(replace(plain, redaction=redaction), "CreateTimeSeries", Empty(), Empty, deadline_after(5))
    assert TOKEN[:9] not in caught.value.error.message


WRITE_WITH_DEFAULT_CREDENTIALS = """
import json, sys, time
from probe.model.report import RunIdentity
from probe.sinks.cloud_monitoring import write
from probe.sinks.point import Series
import google.auth, google.auth.transport.requests, grpc
identity = RunIdentity(id="r", started_at="", profile="p", checks=())
started = time.monotonic()
point = Series(metric="run_verdict", labels={"profile": "p"}, value=2)
delivery = write([point], identity=identity, project="p", location="l", budget_s=float(sys.argv[1]))
print(json.dumps([delivery.dropped, delivery.failure, time.monotonic() - started]))
"""


def _write_with_default_credentials(budget_s: float, **environment: str) -> tuple[int, str, float]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GCE_"))}
    nowhere = {"HOME": "/nonexistent", "CLOUDSDK_CONFIG": "/nonexistent"}
    command = [sys.executable, "-W", "ignore", "-c", WRITE_WITH_DEFAULT_CREDENTIALS, str(budget_s)]
    done = subprocess.run(
        command, env=kept | nowhere | environment, capture_output=True, text=True, timeout=30, check=True
    )
    dropped, failure, took_s = json.loads(done.stdout)
    return dropped, failure, took_s


def test_missing_credentials_are_told() -> None:
    assert _write_with_default_credentials(5, NO_GCE_CHECK="true")[:2] == (1, "credentials_missing")


def test_tokens_that_have_expired_when_issued_are_told() -> None:
    with MetadataServer(host=HOST, project="p", region="r", behaviour="expired") as metadata:
        told = _write_with_default_credentials(
            5, GCE_METADATA_HOST=metadata.address, GCE_METADATA_IP=metadata.address
        )
    assert told[:2] == (1, "token_expired")


def test_a_silent_metadata_server_is_left_at_the_end_of_the_budget() -> None:
    with MetadataServer(host=HOST, project="p", region="r", behaviour="silent") as metadata:
        told = _write_with_default_credentials(
            0.5, GCE_METADATA_HOST=metadata.address, GCE_METADATA_IP=metadata.address
        )
    assert told[:2] == (1, "timeout")
    assert told[2] < 0.6


IMPORTS_BEFORE_THERE_IS_SOMETHING_TO_WRITE = """
import sys
from probe.model.report import RunIdentity
from probe.sinks.cloud_monitoring import write
identity = RunIdentity(id="r", started_at="", profile="p", checks=())
write([], identity=identity, project="p", location="l", budget_s=1)
clients = {"grpc", "google.auth", "google.protobuf", "google.cloud.monitoring_v3"}
print(sorted(clients & sys.modules.keys()))
"""


def test_no_client_is_imported_before_there_is_something_to_write() -> None:
    command = [sys.executable, "-c", IMPORTS_BEFORE_THERE_IS_SOMETHING_TO_WRITE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


def _apply(endpoint: str, budget_s: float = 5.0) -> Any:
    return apply_descriptors(project="p", endpoint=endpoint, budget_s=budget_s)


NAMES = tuple(metric.name for metric in METRICS)


def test_descriptors_are_created_once(service: CloudMonitoring) -> None:
    assert _apply(service.address).created == NAMES
    again = _apply(service.address)
    assert (again.created, again.updated, again.unchanged) == ((), (), NAMES)
    assert service.descriptors["custom.googleapis.com/probe/tcp_rtt"].unit == "s"


def test_a_descriptor_that_a_write_made_is_completed(service: CloudMonitoring) -> None:
    _write(_points(), service.address)
    applied = _apply(service.address)
    assert applied.updated == ("verdict", "run_verdict", "run_duration")
    assert len(applied.created) == len(NAMES) - 3
    assert service.descriptors["custom.googleapis.com/probe/verdict"].description


def test_points_fit_the_descriptors(service: CloudMonitoring) -> None:
    _apply(service.address)
    assert _write(_points(), service.address).dropped == 0


def test_a_descriptor_that_cannot_be_changed_is_told_and_the_others_made(service: CloudMonitoring) -> None:
    other = Series(metric="tcp_retransmissions", labels={"profile": "p"}, value=1)
    assert _write([other], service.address).written == 1
    service.descriptors["custom.googleapis.com/probe/tcp_retransmissions"].value_type = 3  # DOUBLE
    applied = _apply(service.address)
    assert applied.failed.keys() == {"tcp_retransmissions"}
    assert applied.failure is Failure.HTTP_BAD_REQUEST
    assert len(applied.created) == len(NAMES) - 1


def test_a_service_that_refuses_gets_no_descriptor() -> None:
    with _serving("refusing") as service:
        applied = _apply(service.address)
    assert (applied.created, applied.failure) == ((), Failure.FORBIDDEN)


def test_a_silent_service_gets_no_descriptor_in_bounded_time() -> None:
    with _serving("silent") as service, _lasting(0.3, 0.4):
        assert _apply(service.address, budget_s=0.3).failure is Failure.TIMEOUT


def test_a_fault_while_applying_is_told_and_not_raised() -> None:
    applied = apply_descriptors(project="p", endpoint=1, budget_s=1)  # type: ignore[arg-type]
    assert applied.failure is Failure.PROTOCOL
