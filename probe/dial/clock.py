"""Instants and budgets: a deadline that is ours, and a trace whose stages tile the attempt."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from probe.model.facts import ErrorFacts, StageFacts
from probe.model.observation import Result, StageRecord
from probe.model.span import Span
from probe.model.words import Failure, Outcome, SkipReason, Stage


@dataclass(frozen=True, slots=True)
class Deadline:
    """An instant on the monotonic clock, in nanoseconds."""

    at_ns: int

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """That many seconds from now."""
        return cls(time.monotonic_ns() + int(seconds * 1e9))

    def left_s(self) -> float:
        """Seconds left, above zero. Raises TimeoutError when there are none."""
        left = (self.at_ns - time.monotonic_ns()) / 1e9
        if left <= 0:
            raise TimeoutError("the budget is used up")
        return left


class Trace:
    """The stages of one attempt as they happen: each begins at the instant at which the one before it ended.

    One thread writes. Another may call ``records`` at any time, to keep what was measured
    of an attempt that is cut off.
    """

    def __init__(
        self, *, origin_ns: int, budget_s: float, begun: Callable[[Stage], None] = lambda _stage: None
    ) -> None:
        self._begun = begun
        self.started_ns = time.monotonic_ns()
        self.endpoint: str | None = None
        """``HOST:PORT`` as soon as it is known."""
        self.result: Result | None = None
        """What the attempt has found so far, where that is more than its stages."""
        self.stopped = threading.Event()
        """Set when the attempt is cut off: whoever holds a process or connections lets go of them."""
        self._origin_ns = origin_ns
        self._limit_ns = self.started_ns + int(budget_s * 1e9)
        self._ended_ns = self.started_ns
        self._deadline = Deadline(self._limit_ns)
        self._done: tuple[StageRecord, ...] = ()
        self._open: StageRecord | None = None

    def begin(self, stage: Stage, budget_s: float) -> Deadline:
        """End the stage before as passed and begin this one; its deadline is also the connection's.

        A stage that is under way already goes on, with the deadline that it has.
        """
        if self._open is not None and self._open.stage is stage:
            return self._deadline
        self.finish()
        self._begun(stage)
        begun_ns = self._ended_ns
        allowed_ns = max(0, min(int(budget_s * 1e9), self._limit_ns - begun_ns))
        self._open = StageRecord(
            stage=stage,
            outcome=Outcome.SKIPPED,
            span=self._span(begun_ns, begun_ns),
            budget_s=allowed_ns / 1e9,
        )
        self._deadline = Deadline(begun_ns + allowed_ns)
        return self._deadline

    def learn(self, facts: StageFacts) -> None:
        """Keep what the open stage learned so far."""
        if self._open is not None:
            self._open = replace(self._open, facts=facts)

    def skip(self, stage: Stage, reason: SkipReason) -> None:
        """Say that a stage is not measured; the open one ends here."""
        self.finish()
        self._done += (StageRecord(stage=stage, outcome=Outcome.SKIPPED, skip_reason=reason),)

    def finish(self) -> None:
        """End the open stage, if there is one, as passed."""
        self._close(Outcome.PASSED)

    def fail(self, failure: Failure, error: ErrorFacts) -> bool:
        """The attempt ends in the open stage; whether there is one."""
        in_a_stage = self._open is not None
        self._close(Outcome.FAILED, failure=failure, error=error)
        return in_a_stage

    def crash(self, error: ErrorFacts) -> None:
        """The probe itself went wrong in the open stage."""
        self._close(Outcome.CRASHED, error=error)

    def records(self) -> tuple[StageRecord, ...]:
        """What there is so far; an open stage as ``skipped``, with the time it had."""
        # Read in this order: were the open stage to end in between, it shows in ``done`` as well, and once.
        current, done = self._open, self._done
        if current is None or any(record.stage is current.stage for record in done):
            return done
        return (*done, self._ended(current, time.monotonic_ns()))

    def span(self) -> Span:
        """From the attempt's start to the end of its last stage so far; of one without stages to now."""
        goes_on = self._open is not None or not self._done
        return self._span(self.started_ns, time.monotonic_ns() if goes_on else self._ended_ns)

    def _close(
        self, outcome: Outcome, *, failure: Failure | None = None, error: ErrorFacts | None = None
    ) -> None:
        if self._open is None:
            return
        self._ended_ns = time.monotonic_ns()
        ended = self._ended(self._open, self._ended_ns)
        self._done += (replace(ended, outcome=outcome, failure=failure, error=error),)
        self._open = None

    def _ended(self, record: StageRecord, ended_ns: int) -> StageRecord:
        begun_ns = record.span.started_ns if record.span else 0
        return replace(record, span=Span(started_ns=begun_ns, ended_ns=ended_ns - self._origin_ns))

    def _span(self, started_ns: int, ended_ns: int) -> Span:
        return Span(started_ns=started_ns - self._origin_ns, ended_ns=ended_ns - self._origin_ns)
