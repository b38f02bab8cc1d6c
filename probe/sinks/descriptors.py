"""The descriptors of the metrics: made once, at deployment, so that units and descriptions are not lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from probe.model.facts import ErrorFacts
from probe.model.words import Failure
from probe.sinks.catalogue import METRICS
from probe.sinks.metric import PREFIX, Metric
from probe.sinks.monitoring_bounds import CallFailed, Deadline, deadline_after, told
from probe.sinks.monitoring_calls import Channel, call, connected


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of each metric of the catalogue, by its name."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: Mapping[str, ErrorFacts] = field(default_factory=dict)
    failure: Failure | None = None
    """Why nothing could be done at all, or the first of ``failed``."""
    error: ErrorFacts | None = None


def descriptor(metric: Metric) -> Any:
    """The ``google.api.MetricDescriptor`` of a metric."""
    from google.api.metric_pb2 import MetricDescriptor

    return MetricDescriptor(
        type=metric.type,
        display_name=f"Probe: {metric.name.replace('_', ' ')}",
        description=metric.description,
        metric_kind=metric.kind,
        value_type=metric.value_type,
        unit=metric.unit,
        labels=[
            {"key": key, "value_type": "STRING", "description": text} for key, text in metric.labels.items()
        ],
    )


def apply_descriptors(
    *, project: str, endpoint: str = "", budget_s: float, credentials: Any = None
) -> Applied:
    """Creates the descriptors that are missing and updates those that differ. Never raises.

    ``endpoint`` and ``budget_s`` as for writing.
    """
    deadline = deadline_after(budget_s)
    try:
        with connected(endpoint, deadline, credentials) as channel:
            existing = _existing(channel, project, deadline)
            return _apply_all(channel, project, existing, deadline)
    except CallFailed as failed:
        return Applied(failure=failed.failure, error=failed.error)
    except Exception as error:  # the command says what went wrong; a traceback would not help
        return Applied(failure=Failure.PROTOCOL, error=told(error))


def _apply_all(channel: Channel, project: str, existing: Mapping[str, Any], deadline: Deadline) -> Applied:
    done: dict[str, list[str]] = {"created": [], "updated": [], "unchanged": []}
    failures: dict[str, CallFailed] = {}
    for metric in METRICS:
        try:
            done[_apply(channel, project, metric, existing.get(metric.type), deadline)].append(metric.name)
        except CallFailed as failed:
            failures[metric.name] = failed
    first = next(iter(failures.values()), None)
    return Applied(
        created=tuple(done["created"]),
        updated=tuple(done["updated"]),
        unchanged=tuple(done["unchanged"]),
        failed={name: failed.error for name, failed in failures.items()},
        failure=first.failure if first else None,
        error=first.error if first else None,
    )


def _apply(channel: Channel, project: str, metric: Metric, existing: Any, deadline: Deadline) -> str:
    from google.api.metric_pb2 import MetricDescriptor
    from google.cloud.monitoring_v3.types.metric_service import CreateMetricDescriptorRequest

    wanted = descriptor(metric)
    if existing is not None and _substance(existing) == _substance(wanted):
        return "unchanged"
    request = CreateMetricDescriptorRequest.pb()(name=f"projects/{project}", metric_descriptor=wanted)
    call(channel, "CreateMetricDescriptor", request, MetricDescriptor, deadline)
    return "created" if existing is None else "updated"


def _existing(channel: Channel, project: str, deadline: Deadline) -> dict[str, Any]:
    """Metric type -> its descriptor, as far as there is one."""
    from google.cloud.monitoring_v3.types import metric_service

    request = metric_service.ListMetricDescriptorsRequest.pb()(
        name=f"projects/{project}", filter=f'metric.type = starts_with("{PREFIX}")'
    )
    response = metric_service.ListMetricDescriptorsResponse.pb()
    found: dict[str, Any] = {}
    while True:
        page = call(channel, "ListMetricDescriptors", request, response, deadline)
        found |= {each.type: each for each in page.metric_descriptors}
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def _substance(each: Any) -> tuple[object, ...]:
    """What the probe decides about a descriptor; the service adds the rest."""
    labels = sorted((label.key, label.value_type, label.description) for label in each.labels)
    return (each.metric_kind, each.value_type, each.unit, each.description, each.display_name, labels)
