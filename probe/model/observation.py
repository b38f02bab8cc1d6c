"""One attempt of a check at one target over one path, and the stages that tile it."""

from collections.abc import Mapping
from dataclasses import dataclass

from probe.model.application import Application
from probe.model.facts import ErrorFacts, StageFacts
from probe.model.ramp import Ramp
from probe.model.rehearsal import Rehearsal
from probe.model.span import Span
from probe.model.words import Check, Failure, Outcome, Path, SkipReason, Stage

Result = Application | Rehearsal | Ramp


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """One stage of an attempt. A skipped stage has no span unless it was cut off while it ran."""

    stage: Stage
    outcome: Outcome
    failure: Failure | None = None
    skip_reason: SkipReason | None = None
    span: Span | None = None
    budget_s: float | None = None
    """What this stage was allowed: the smaller of its own budget and what was left of the connection's."""
    facts: StageFacts | None = None
    error: ErrorFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One attempt. ``id`` is unique in a run; ``path`` is None where a check has none."""

    id: str
    check: Check
    target: str
    """The name of a target or neighbour, or ``application``, ``egress``."""
    path: Path | None = None
    attempt: int = 1
    confirmation: bool = False
    """Measured again, after the pause, because the first round said ``down``."""
    outcome: Outcome
    failure: Failure | None = None
    skip_reason: SkipReason | None = None
    span: Span
    stages: tuple[StageRecord, ...] = ()
    endpoint: str | None = None
    """``HOST:PORT`` that was dialled, as far as it was known."""
    result: Result | None = None
    """What a check without stages found: the figures that ``configuration`` read, a rehearsal, a ramp."""
    error: ErrorFacts | None = None
    """Only where no stage holds it: a crash, say."""
    start_delay_s: float = 0.0
    """How late this attempt started against its plan: the probe's own slowness."""

    @property
    def failed_stage(self) -> StageRecord | None:
        """The stage that ended this attempt, if one did."""
        return next((stage for stage in self.stages if stage.outcome is Outcome.FAILED), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a sink made of the metrics of a run."""

    written: int = 0
    dropped: int = 0
    failure: Failure | None = None
    """Why points were dropped; None with ``dropped`` above 0 means that single points were refused."""
    error: ErrorFacts | None = None
    undelivered: tuple[Mapping[str, object], ...] = ()
    """All points of a delivery that lost some, as plain values: the service does not say which."""
    reasons: tuple[str, ...] = ()
    """What the service said about refused points, each once."""
