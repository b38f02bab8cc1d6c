"""What a diagnosis is asked about, beside the observations."""

from dataclasses import dataclass

from probe.model.target import Neighbour, Target, Thresholds


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
