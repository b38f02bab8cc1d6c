"""A stand-in for Cloud Monitoring's metric service: real gRPC, with the real service's rules."""

import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from types import TracebackType
from typing import Any, Self

os.environ.setdefault(
    "GRPC_ENABLE_FORK_SUPPORT", "0"
)  # else gRPC speaks up whenever the sandbox starts a child

import grpc
from google.cloud.monitoring_v3.types import metric_service
from google.protobuf.empty_pb2 import Empty  # type: ignore[attr-defined]
from grpc_status import rpc_status  # type: ignore[import-untyped]

from probe.sandbox.monitoring_store import INVALID, Refused, Store

SERVICE = "google.monitoring.v3.MetricService"
BEHAVIOURS = ("normal", "unavailable", "refusing", "partly-refusing", "silent", "stored-unavailable")
STOP_S = 2.0

# Method of the service -> the class of its request.
REQUESTS: Mapping[str, Any] = {
    "CreateTimeSeries": metric_service.CreateTimeSeriesRequest,
    "CreateMetricDescriptor": metric_service.CreateMetricDescriptorRequest,
    "GetMetricDescriptor": metric_service.GetMetricDescriptorRequest,
    "ListMetricDescriptors": metric_service.ListMetricDescriptorsRequest,
}


class CloudMonitoring:
    """The service over plaintext gRPC on a port of its own; a context manager.

    ``behaviour``: ``normal``; ``unavailable``; ``refusing`` (PERMISSION_DENIED); ``partly-refusing``
    (refuses every series of the first metric type it is sent, stores the others); ``silent`` (never answers);
    ``stored-unavailable`` (stores the first call and yet says UNAVAILABLE). Raises ValueError for another
    behaviour, RuntimeError where ``host`` cannot be bound.
    """

    def __init__(self, *, host: str, project: str, behaviour: str = "normal") -> None:
        if behaviour not in BEHAVIOURS:
            raise ValueError(f"no such behaviour: {behaviour}")
        self._name = f"projects/{project}"
        self._behaviour = behaviour
        self._refused_type: str | None = None
        self._store = Store(project)
        self._lock = Lock()
        self._stopping = Event()
        self.calls: list[str] = []
        """The method of each call, in the order of arrival."""
        self._threads = ThreadPoolExecutor(max_workers=8)
        options = [("grpc.so_reuseport", 0)]
        self._server: Any = grpc.server(self._threads, options=options)  # type: ignore[no-untyped-call]
        methods = {name: self._method(name) for name in REQUESTS}
        service = grpc.method_handlers_generic_handler(SERVICE, methods)  # type: ignore[no-untyped-call]
        self._server.add_generic_rpc_handlers([service])
        self.address = f"{host}:{self._server.add_insecure_port(f'{host}:0')}"
        self._server.start()

    @property
    def accepted(self) -> list[Any]:
        """The stored TimeSeries (protobuf messages), in the order of arrival."""
        return list(self._store.accepted)

    @property
    def descriptors(self) -> Mapping[str, Any]:
        """Metric type -> its MetricDescriptor (protobuf message)."""
        return dict(self._store.descriptors)

    def stop(self) -> None:
        """Breaks off what is still going on; takes at most ``STOP_S`` seconds. A second time does nothing."""
        self._stopping.set()
        self._server.stop(grace=0).wait(STOP_S)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _method(self, name: str) -> Any:
        answer = {
            "CreateTimeSeries": self._create_time_series,
            "CreateMetricDescriptor": self._create_metric_descriptor,
            "GetMetricDescriptor": self._get_metric_descriptor,
            "ListMetricDescriptors": self._list_metric_descriptors,
        }[name]

        def behave(request: Any, context: Any) -> Any:
            self.calls.append(name)
            try:
                self._misbehave(context)
                with self._lock:
                    return answer(request)
            except Refused as refused:
                context.abort_with_status(rpc_status.to_status(refused.status))

        return grpc.unary_unary_rpc_method_handler(  # type: ignore[no-untyped-call]
            behave,
            request_deserializer=REQUESTS[name].pb().FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _misbehave(self, context: Any) -> None:
        if self._behaviour == "unavailable":
            raise Refused(grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable.")
        if self._behaviour == "refusing":
            raise _denied()
        if self._behaviour == "silent":
            gone = Event()
            context.add_callback(gone.set)
            while not (gone.wait(0.05) or self._stopping.is_set()):
                pass
            raise Refused(grpc.StatusCode.CANCELLED, "The client has left.")

    def _create_time_series(self, request: Any) -> Any:
        self._check_project(request.name)
        if self._behaviour == "partly-refusing" and self._refused_type is None:
            self._refused_type = request.time_series[0].metric.type
        self._store.put_all(request.time_series, refused_type=self._refused_type)
        if self._behaviour == "stored-unavailable" and self.calls.count("CreateTimeSeries") == 1:
            raise Refused(grpc.StatusCode.UNAVAILABLE, "The connection was lost after the write.")
        return Empty()

    def _create_metric_descriptor(self, request: Any) -> Any:
        self._check_project(request.name)
        return self._store.describe(request.metric_descriptor)

    def _get_metric_descriptor(self, request: Any) -> Any:
        project, _, metric_type = request.name.partition("/metricDescriptors/")
        self._check_project(project)
        if metric_type not in self._store.descriptors:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Could not find descriptor for metric '{metric_type}'.")
        return self._store.descriptors[metric_type]

    def _list_metric_descriptors(self, request: Any) -> Any:
        self._check_project(request.name)
        prefix = re.fullmatch(r'\s*(?:metric\.type\s*=\s*starts_with\(\s*"([^"]*)"\s*\))?\s*', request.filter)
        if prefix is None:
            raise Refused(INVALID, f"Field filter had an invalid value: {request.filter}")
        found = [
            descriptor
            for metric_type, descriptor in sorted(self._store.descriptors.items())
            if metric_type.startswith(prefix[1] or "")
        ]
        return metric_service.ListMetricDescriptorsResponse.pb()(metric_descriptors=found)

    def _check_project(self, name: str) -> None:
        if name != self._name:
            raise _denied()


def _denied() -> Refused:
    return Refused(
        grpc.StatusCode.PERMISSION_DENIED,
        "Permission monitoring.timeSeries.create denied (or the resource may not exist).",
    )
