"""The catalogue of metrics: every type, unit and label that the probe writes to Cloud Monitoring."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

PREFIX = "custom.googleapis.com/probe/"

ValueType = Literal["INT64", "DOUBLE", "BOOL", "DISTRIBUTION"]

DURATION_BOUNDS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    # A lost SYN is sent again after 1, 3 and 7 s.
    *(1.0, 2.0, 3.0, 5.0, 7.0),
    # Where alerts and budgets lie.
    *(10.0, 15.0, 20.0, 28.0, 33.25, 35.0, 45.0, 60.0, 75.0, 90.0, 120.0),
)
"""The bounds of the buckets of every distribution of durations, in seconds."""

LABELS: Mapping[str, str] = {
    "profile": "Which set of checks ran; alerts read `scheduled` only.",
    "target": "The name of the target or private endpoint in the settings.",
    "path": "The way to the database: connector, private_ip, socket.",
    "stage": "The step on the way: admin_api, certificate, dns, tcp, tls, proxy, login, query.",
    "failure": "Why the stage failed.",
    "cause": "What the finding names as the cause.",
    "category": "The kind of failure that the cause belongs to.",
    "severity": "critical, warning, info.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric type."""

    name: str
    kind: Literal["GAUGE"] = "GAUGE"
    value_type: ValueType
    unit: str
    """UCUM."""
    labels: Mapping[str, str]
    """Label -> description."""
    description: str

    @property
    def type(self) -> str:
        """The name under which Cloud Monitoring keeps it."""
        return PREFIX + self.name


def _labels(*names: str) -> Mapping[str, str]:
    """The named labels and ``profile``, which every metric has."""
    return {name: LABELS[name] for name in (*names, "profile")}


_ENDPOINT = _labels("target")
_PATH = _labels("target", "path")
_STAGE = _labels("target", "path", "stage")
_RUN = _labels()

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
        labels=_labels("target", "path", "stage", "failure"),
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
        labels=_labels("cause", "category", "severity", "target"),
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
)

BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


def markdown_table() -> str:
    """The catalogue as a Markdown table, a line for each metric."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| metric | kind | type | unit | labels | meaning |"
    yield "|---|---|---|---|---|---|"
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield (
            f"| `{metric.type}` | {metric.kind} | {metric.value_type} | `{metric.unit}` "
            f"| {labels} | {metric.description} |"
        )
