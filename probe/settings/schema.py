"""Every setting: its name, type, default and meaning. Names are public interface; times are in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from probe.model.application import Application, Pool, Startup
from probe.model.secret import Secret
from probe.model.target import Neighbour, Target, Thresholds, Timeouts, primary_path
from probe.model.words import Check, Path


def _doc(text: str) -> dict[str, str]:
    return {"doc": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlAdmin:
    """Where the Cloud SQL Admin API is."""

    endpoint: str = field(
        default="https://sqladmin.googleapis.com",
        metadata=_doc("the Cloud SQL Admin API; http:// for a stand-in"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """Where the metrics go."""

    enabled: bool = field(default=True, metadata=_doc("write metrics to Cloud Monitoring"))
    endpoint: str = field(
        default="", metadata=_doc("HOST:PORT of a stand-in, plaintext gRPC; empty: Cloud Monitoring itself")
    )
    budget_s: float = field(default=20.0, metadata=_doc("delivering all metrics, retries included"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """The wait for the first outbound connection."""

    limit_s: float = field(
        default=75.0, metadata=_doc("the longest wait for the first outbound connection of a run")
    )
    address: str = field(
        default="", metadata=_doc("HOST:PORT to wait for; empty: the private endpoints that are known")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """TCP to each private endpoint."""

    attempts: int = field(default=3, metadata=_doc("connections to each endpoint"))
    interval_s: float = field(default=5.0, metadata=_doc("planned seconds between two of them"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """The Serverless VPC Access connector that everything goes through."""

    name: str = field(default="", metadata=_doc("how findings call the connector"))
    gateway: str = field(
        default="", metadata=_doc("the gateway address of its subnet: answers no TCP, never a target")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Which checks a run makes."""

    checks: tuple[Check, ...] = field(metadata=_doc("names of the checks, in order"))
    deadline_s: float | None = field(
        default=None, metadata=_doc("the whole run under this profile; empty: the general `deadline_s`")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudRun:
    """What Cloud Run says of this execution, in its own environment variables."""

    job: str = "local"
    execution: str = ""
    task_index: str = "0"
    task_attempt: str = "0"
    metadata_expected: bool = False
    """Whether a metadata server should answer here: on Cloud Run, or where one was named."""


SCHEDULED = "scheduled"
LOAD = "load"
_EVERY_TIME = (
    Check.EGRESS,
    Check.CONFIGURATION,
    Check.ROUTE,
    Check.CLOUDSQL,
    Check.STARTUP,
    Check.POOL,
)
BUILT_IN_PROFILES: Mapping[str, Profile] = {
    SCHEDULED: Profile(checks=_EVERY_TIME),
    LOAD: Profile(checks=(*_EVERY_TIME, Check.CAPACITY, Check.HERD)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it. ``cloud_run`` and ``passwords`` are no keys of the file."""

    project: str = field(metadata=_doc("Google Cloud project that metrics are written to"))
    region: str = field(metadata=_doc("region that the probe runs in"))
    deadline_s: float = field(default=540.0, metadata=_doc("the whole run; below the task's own time-out"))
    confirm_after_s: float = field(
        default=60.0, metadata=_doc("a `down` is measured once more after this pause; 0: not")
    )
    timeouts: Timeouts = field(default_factory=Timeouts, metadata=_doc("budgets of the stages"))
    thresholds: Thresholds = field(
        default_factory=Thresholds, metadata=_doc("where a measurement becomes a finding")
    )
    sqladmin: SqlAdmin = field(default_factory=SqlAdmin, metadata=_doc("the Cloud SQL Admin API"))
    monitoring: Monitoring = field(default_factory=Monitoring, metadata=_doc("Cloud Monitoring"))
    egress: Egress = field(default_factory=Egress, metadata=_doc("the wait for the first connection"))
    route: Route = field(default_factory=Route, metadata=_doc("TCP to each private endpoint"))
    connector: Connector = field(default_factory=Connector, metadata=_doc("the VPC connector"))
    targets: tuple[Target, ...] = field(metadata=_doc("what is tested: at least one `[[targets]]` table"))
    neighbours: tuple[Neighbour, ...] = field(
        default=(), metadata=_doc("other private endpoints behind the same connector")
    )
    application: Application = field(
        default_factory=Application, metadata=_doc("the application's own figures")
    )
    startup: Startup = field(
        default_factory=Startup, metadata=_doc("the application's start-up, as it is rehearsed")
    )
    pool: Pool = field(default_factory=Pool, metadata=_doc("how the pool is filled"))
    profiles: Mapping[str, Profile] = field(
        default_factory=lambda: dict(BUILT_IN_PROFILES),
        metadata=_doc("named sets of checks; `scheduled` and `load` are built in"),
    )
    cloud_run: CloudRun = field(default_factory=CloudRun)
    passwords: Mapping[str, Secret] = field(default_factory=dict)
    """By the target's name; a target with ``iam_auth`` has none."""
    cache_password: Secret | None = None

    @property
    def application_target(self) -> Target:
        """The target that the application uses."""
        named = (target for target in self.targets if target.name == self.application.target)
        return next(named, self.targets[0])

    @property
    def application_path(self) -> Path:
        """The application's way to it."""
        return self.application.path or primary_path(self.application_target)
