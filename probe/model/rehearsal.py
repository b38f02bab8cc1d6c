"""What a rehearsal of the application's start-up saw, phase by phase. Instants as in ``Span``."""

from dataclasses import dataclass
from enum import StrEnum

from probe.model.application import PhaseKind
from probe.model.facts import ErrorFacts
from probe.model.span import Span
from probe.model.words import Failure, SkipReason


class PhaseOutcome(StrEnum):
    """How a phase ended."""

    COMPLETED = "completed"
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    BLOCKED = "blocked"
    """Never begun: a required phase before it did not complete."""
    SKIPPED = "skipped"
    """Nothing is configured for it, or the run ended before."""
    CRASHED = "crashed"
    """The probe itself went wrong or was too slow in it: never the application's fault."""


BAD_ENDS = frozenset({PhaseOutcome.FAILED, PhaseOutcome.TIMED_OUT})
"""What ends the application's start-up where the phase is a required one."""
DETERMINISTIC_FAILURE = 3
"""What the application's container exits with when a required phase did not complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of a phase: the connect, the first query, the schema check, one service."""

    name: str
    span: Span
    budget_s: float | None = None
    failure: Failure | None = None
    """Why the phase ended here; None: it passed, or was under way when the phase ended."""
    finished: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRecord:
    """One phase as it went. A phase that was never begun has no span."""

    name: str
    kind: PhaseKind
    outcome: PhaseOutcome
    budget_s: float
    required: bool = True
    span: Span | None = None
    steps: tuple[Step, ...] = ()
    failure: Failure | None = None
    error: ErrorFacts | None = None
    skip_reason: SkipReason | None = None
    endpoint: str = ""
    """What it talked to last: ``HOST:PORT`` or a URL."""
    missing: tuple[str, ...] = ()
    """Tables or secrets that are not there."""
    cpu_s: float = 0.0
    """What the rehearsal's own process computed meanwhile."""

    @property
    def share(self) -> float | None:
        """Of its budget that it used; None where it was never begun."""
        return self.span.duration_s / self.budget_s if self.span else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """One start-up with the application's own stack, in a process of its own."""

    phases: tuple[PhaseRecord, ...]
    child_start_s: float | None = None
    """Starting the process and importing the application's stack: in no phase."""
    lag_s: float = 0.0
    """The longest that the process itself did not get to run."""
    overloaded: bool = False
    """The probe was too slow for what it measured to be believed."""
    parameters_refused: bool = False
    """The server did not know all start-up parameters; connected without those."""

    @property
    def ended_by(self) -> PhaseRecord | None:
        """The required phase that ended the start-up; None: none did."""
        return next((phase for phase in self.phases if phase.required and phase.outcome in BAD_ENDS), None)

    @property
    def exit_code(self) -> int | None:
        """What the application would end with; None: the rehearsal does not tell."""
        if self.ended_by is not None:
            return DETERMINISTIC_FAILURE
        begun = [phase for phase in self.phases if phase.skip_reason is not SkipReason.NOT_CONFIGURED]
        untold = (PhaseOutcome.SKIPPED, PhaseOutcome.BLOCKED, PhaseOutcome.CRASHED)
        return None if any(phase.required and phase.outcome in untold for phase in begun) else 0

    @property
    def total_s(self) -> float:
        """From the first phase's begin to the last one's end; 0.0 where none was begun."""
        spans = [phase.span for phase in self.phases if phase.span]
        return (spans[-1].ended_ns - spans[0].started_ns) / 1e9 if spans else 0.0
