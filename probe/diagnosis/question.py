"""What a diagnosis is asked about, beside the observations."""

from dataclasses import dataclass, field

from probe.model.application import Application
from probe.model.target import Neighbour, Target, Thresholds
from probe.model.words import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The targets and the limits by which they are judged."""

    targets: tuple[Target, ...]
    neighbours: tuple[Neighbour, ...] = ()
    thresholds: Thresholds
    connection_s: float
    """The budget of one connection."""
    started_at: str
    """RFC 3339, UTC: certificates are compared with it."""
    connector_name: str = ""
    gateway: str = ""
    application: Application = field(default_factory=Application)
    application_target: str = ""
    """The name of the target that the application uses."""
    application_path: Path = Path.CONNECTOR
    """The application's way to it."""
    cache_address: str = ""
    """HOST:PORT of the application's cache."""
    services: tuple[str, ...] = ()
    """Health addresses (URL) of the services that it calls."""
