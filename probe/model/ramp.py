"""What filling a pool showed: limits, headroom, every acquisition, and why it stopped."""

from dataclasses import dataclass
from enum import StrEnum

from probe.model.facts import ErrorFacts
from probe.model.span import Span
from probe.model.words import Failure


class Saturation(StrEnum):
    """How far a pool may be filled."""

    GUARDED = "guarded"
    FULL = "full"


class AcquisitionOutcome(StrEnum):
    """How a worker's wish for a connection ended."""

    ACQUIRED = "acquired"
    TIMED_OUT = "timed_out"
    """The pool gave none within its own time-out."""
    REFUSED = "refused"
    """SQLSTATE 53300: no slot."""
    FAILED = "failed"
    CUT_OFF = "cut_off"
    """Still waiting when the ramp ended: it waited at least so long."""


class StopReason(StrEnum):
    """Why a ramp added no more connections."""

    COMPLETE = "complete"
    """Everything that was wanted was opened."""
    KEEP_FREE = "keep_free"
    """One more would have left others too few slots."""
    ROLE_LIMIT = "role_limit"
    """Our own role's CONNECTION LIMIT."""
    DATABASE_LIMIT = "database_limit"
    REFUSED = "refused"
    """The server refused one (SQLSTATE 53300)."""
    CANARY_FAILED = "canary_failed"
    """A login beside the ramp did not get through."""
    SLOWER = "slower"
    """Connecting took twice as long as it did at its best."""
    FAILED = "failed"
    """A connection failed in another way."""
    CONTROL_LOST = "control_lost"
    """The control connection ended: nothing tells how much room is left."""
    OVERLOADED = "overloaded"
    """The probe itself was too slow."""
    BUDGET = "budget"
    """The ramp's time was used up."""
    UNGUARDED = "unguarded"
    """The server would not let go of a frozen probe's connections."""


FORESEEN = frozenset(
    {
        None,
        StopReason.COMPLETE,
        StopReason.KEEP_FREE,
        StopReason.ROLE_LIMIT,
        StopReason.DATABASE_LIMIT,
        StopReason.UNGUARDED,
    }
)
"""Ends that the guard's own arithmetic brings about, or a ramp that never began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many connections the server, our role and the database allow, as the server tells."""

    server_version: str
    max_connections: int
    superuser_reserved: int
    reserved: int = 0
    """``reserved_connections``, from PostgreSQL 16 on."""
    role_limit: int | None = None
    """Our own role's CONNECTION LIMIT; None: none."""
    database_limit: int | None = None
    superuser: bool = False
    """Whether our role may take the reserved slots as well."""

    @property
    def usable(self) -> int:
        """Connections that an ordinary role can have, of all clients together."""
        return self.max_connections - self.superuser_reserved - self.reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """One reading of who is connected, in autocommit."""

    others: int
    """Client backends that are not of this run, whatever their database."""
    ours: int
    role: int
    """Backends of our role, ours included."""
    database: int
    """Backends in the application's database, ours included."""
    leftovers: int = 0
    """Backends that an earlier run of the probe left."""

    def free(self, limits: Limits) -> int:
        """Slots that an ordinary role still gets."""
        return limits.usable - self.others - self.ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """One worker's wish for a connection: when it was meant to be uttered, when it was, and its end."""

    worker: int
    step: int
    intended_ns: int
    started_ns: int
    finished_ns: int
    outcome: AcquisitionOutcome
    connect_s: float | None = None
    """Of the new connection that was opened for it; None: it got one that was there, or none."""
    failure: Failure | None = None
    error: ErrorFacts | None = None

    @property
    def wait_s(self) -> float:
        """From the intended instant: a late start hides no waiting. Of one cut off at least so long."""
        return (self.finished_ns - self.intended_ns) / 1e9

    @property
    def start_delay_s(self) -> float:
        """How late the probe itself was."""
        return (self.started_ns - self.intended_ns) / 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A login beside the ramp, as a stranger would make it."""

    span: Span
    held: int
    """Connections that the ramp held meanwhile."""
    failure: Failure | None = None
    error: ErrorFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RampStep:
    """The state after a step of the ramp."""

    number: int
    at_ns: int
    held: int
    """Connections of the pool that were open then."""
    free: int | None
    """Slots left to others; None: nobody could tell."""
    connect_median_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """One filling of a pool, from the first reading to the last good-bye."""

    saturation: Saturation
    wanted: int
    """Connections that the workload would open if nothing kept it from it."""
    workers: int
    keep_free: int
    limits: Limits | None = None
    before: Headroom | None = None
    allowed: int = 0
    """Connections that the guard allowed at the first reading."""
    steps: tuple[RampStep, ...] = ()
    acquisitions: tuple[Acquisition, ...] = ()
    canaries: tuple[Canary, ...] = ()
    held: int = 0
    """The most connections that were open at once."""
    stopped: StopReason | None = None
    """None: it never began."""
    error: ErrorFacts | None = None
    """What stopped it, where somebody said so."""
    recovery_s: float | None = None
    """From letting go to the moment at which nobody waited any more; None: nobody had waited."""
    released_s: float | None = None
    """From letting go to the server's having none of ours left but the control connection."""
    left_behind: int | None = None
    """Connections of ours that the server still had at the end, with the logins that it had not answered;
    None: nobody could tell."""
    unanswered: int = 0
    """Logins of ours that were under way at the end, when nobody else got through either."""
    crowd: tuple[tuple[str, int], ...] = ()
    """Who holds connections: application name and count, the largest first."""
    parameters_refused: bool = False
    cpu_s: float = 0.0
    """What the ramp's own process computed."""
    lag_s: float = 0.0
    """The longest that it did not get to run."""
    overloaded: bool = False
    """The probe was too slow for its figures to be believed."""

    @property
    def harmless(self) -> bool:
        """Whether it met nothing that speaks against another one, and left nothing."""
        return self.stopped in FORESEEN and not self.left_behind
