"""What a metric type is: its name, unit and labels, and the bounds of its buckets."""

from collections.abc import Mapping
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
    "phase": "The phase of the application's start-up, as the settings call it.",
    "check": "What filled the pool: pool, capacity, herd.",
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


def labels(*names: str) -> Mapping[str, str]:
    """The named labels and ``profile``, which every metric has."""
    return {name: LABELS[name] for name in (*names, "profile")}
