"""A stretch of time within a run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From one instant to a later one, in nanoseconds since the run's start (monotonic)."""

    started_ns: int
    ended_ns: int

    @property
    def started_s(self) -> float:
        """Seconds since the run's start."""
        return self.started_ns / 1e9

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return (self.ended_ns - self.started_ns) / 1e9
