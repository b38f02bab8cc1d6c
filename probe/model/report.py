"""What a run says: findings, the verdict, and everything they rest on."""

from dataclasses import dataclass, field
from enum import StrEnum

from probe.model.cause import Cause
from probe.model.observation import Delivery, Observation
from probe.model.words import Category, Layer, Path, Severity, Verdict


class Link(StrEnum):
    """The failure chain, from the network to the user."""

    CONNECTOR_PRESSURE = "connector_pressure"
    CONNECTION_DELAY = "connection_delay"
    PHASE_TIMED_OUT = "phase_timed_out"
    STARTUP_BROKEN_OFF = "startup_broken_off"
    EXIT_CODE_3 = "exit_code_3"
    USER_PATH_OFFLINE = "user_path_offline"


class LinkState(StrEnum):
    """Whether a link of the chain was seen."""

    SEEN = "seen"
    NOT_SEEN = "not_seen"
    NOT_MEASURED = "not_measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One conclusion, with what it rests on."""

    id: str
    cause: Cause
    category: Category
    layer: Layer
    severity: Severity
    target: str
    path: Path | None = None
    summary: str
    """One sentence for a person, with the values seen."""
    action: str
    escalate: bool
    """Whether the infrastructure team must act."""
    evidence: tuple[str, ...]
    """Ids of the observations."""
    consequence_of: str | None = None
    """The finding that explains this one; None: a cause of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLink:
    """One link of the failure chain, from the network to the user."""

    link: Link
    state: LinkState
    said: str
    """What was seen, with its figures; or why it was not measured."""
    evidence: tuple[str, ...] = ()
    """Ids of the observations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """Which execution this is."""

    id: str
    started_at: str
    """RFC 3339, UTC: a label, never used for durations."""
    profile: str
    checks: tuple[str, ...]
    project: str = ""
    region: str = ""
    version: str = ""
    job: str = "local"
    """``CLOUD_RUN_JOB``, or ``local``."""
    task_id: str = "0"
    """``CLOUD_RUN_TASK_INDEX``: stable from run to run."""
    execution: str = ""
    """``CLOUD_RUN_EXECUTION``: for logs, never a metric label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a run says, in one value: each sink renders this and nothing else."""

    identity: RunIdentity
    duration_s: float
    verdict: Verdict
    targets: tuple[tuple[str, Verdict], ...]
    """The verdict on each target."""
    headline: str
    """The answer in one sentence."""
    findings: tuple[Finding, ...]
    observations: tuple[Observation, ...]
    chain: tuple[ChainLink, ...] = ()
    """Link by link, where a rehearsed start-up failed; else empty."""
    advice: tuple[str, ...] = ()
    """Sentences about the full pool, from what a ramp saw: neither good nor bad."""
    delivery: Delivery = field(default_factory=Delivery)
    interrupted: bool = False
