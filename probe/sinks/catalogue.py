"""The catalogue of metrics: every type, unit and label that the probe writes to Cloud Monitoring."""

from collections.abc import Iterator, Mapping

from probe.sinks.application_metrics import APPLICATION_METRICS
from probe.sinks.metric import Metric, labels

_ENDPOINT = labels("target")
_PATH = labels("target", "path")
_STAGE = labels("target", "path", "stage")
_RUN = labels()

METRICS: tuple[Metric, ...] = (
    Metric(
        name="verdict",
        value_type="INT64",
        unit="1",
        labels=_ENDPOINT,
        description="The verdict on a target: 0 down, 1 degraded, 2 healthy, 3 inconclusive.",
    ),
    Metric(
        name="run_verdict",
        value_type="INT64",
        unit="1",
        labels=_RUN,
        description="The verdict of the whole run: 0 down, 1 degraded, 2 healthy, 3 inconclusive.",
    ),
    Metric(
        name="connection_success_ratio",
        value_type="DOUBLE",
        unit="1",
        labels=_PATH,
        description="Share of the attempts that ended in a finished query.",
    ),
    Metric(
        name="connection_attempts",
        value_type="INT64",
        unit="1",
        labels=_PATH,
        description="Attempts that passed or failed; neither skipped ones nor crashes of the probe.",
    ),
    Metric(
        name="connection_duration",
        value_type="DISTRIBUTION",
        unit="s",
        labels=_PATH,
        description="All stages of each attempt that passed.",
    ),
    Metric(
        name="connection_duration_mean",
        value_type="DOUBLE",
        unit="s",
        labels=_PATH,
        description="Mean over the attempts that passed.",
    ),
    Metric(
        name="connection_duration_max",
        value_type="DOUBLE",
        unit="s",
        labels=_PATH,
        description="The slowest attempt that passed.",
    ),
    Metric(
        name="timeout_violation_ratio",
        value_type="DOUBLE",
        unit="1",
        labels=_PATH,
        description="Share of the attempts in which a stage used up its budget.",
    ),
    Metric(
        name="stage_duration",
        value_type="DISTRIBUTION",
        unit="s",
        labels=_STAGE,
        description="One stage of each attempt, where it passed.",
    ),
    Metric(
        name="stage_duration_max",
        value_type="DOUBLE",
        unit="s",
        labels=_STAGE,
        description="The slowest time in which a stage passed.",
    ),
    Metric(
        name="stage_failures",
        value_type="INT64",
        unit="1",
        labels=labels("target", "path", "stage", "failure"),
        description="How often a stage failed in this way; written only where it did.",
    ),
    Metric(
        name="tcp_rtt",
        value_type="DOUBLE",
        unit="s",
        labels=_PATH,
        description="The kernel's round-trip time right after the connect, the largest.",
    ),
    Metric(
        name="tcp_retransmissions",
        value_type="INT64",
        unit="1",
        labels=_PATH,
        description="Segments that the kernel sent again during the connects, in all.",
    ),
    Metric(
        name="route_success_ratio",
        value_type="DOUBLE",
        unit="1",
        labels=_ENDPOINT,
        description="Share of the TCP connects to a private endpoint that came about.",
    ),
    Metric(
        name="route_connect_duration_max",
        value_type="DOUBLE",
        unit="s",
        labels=_ENDPOINT,
        description="The slowest TCP connect to a private endpoint that came about.",
    ),
    Metric(
        name="egress_wait",
        value_type="DOUBLE",
        unit="s",
        labels=_RUN,
        description="The wait for the first outbound connection after the start.",
    ),
    Metric(
        name="findings",
        value_type="INT64",
        unit="1",
        labels=labels("cause", "category", "severity", "target"),
        description="1 for each finding of the run; written only where there is one.",
    ),
    Metric(
        name="configuration_warnings",
        value_type="INT64",
        unit="1",
        labels=_RUN,
        description="Findings about the configured figures.",
    ),
    Metric(
        name="run_duration",
        value_type="DOUBLE",
        unit="s",
        labels=_RUN,
        description="The run, from its first check to its verdict.",
    ),
    *APPLICATION_METRICS,
)

BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


def markdown_table() -> str:
    """The catalogue as a Markdown table, a line for each metric."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| metric | kind | type | unit | labels | meaning |"
    yield "|---|---|---|---|---|---|"
    for metric in METRICS:
        named = ", ".join(f"`{label}`" for label in metric.labels)
        yield (
            f"| `{metric.type}` | {metric.kind} | {metric.value_type} | `{metric.unit}` "
            f"| {named} | {metric.description} |"
        )
