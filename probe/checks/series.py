"""A series: attempts of one check at one target over one path, at planned instants, each an observation."""

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from probe.dial.clock import Trace
from probe.dial.failures import as_failure, error_facts
from probe.dial.parameters import refused
from probe.dial.paths import FULL, Concessions
from probe.dial.redaction import Redaction
from probe.model.facts import ErrorFacts
from probe.model.observation import Observation, Result, StageRecord
from probe.model.span import Span
from probe.model.words import Check, Failure, Outcome, Path, SkipReason, Stage

Dial = Callable[[Trace, Concessions], None]
StageStarted = Callable[[Check, str, Path | None, int, Stage], None]


def _nobody(*_where: object) -> None:
    """Nobody wants to see it."""


MAX_CRASH_TEXT = 2000


class Skipped(Exception):  # noqa: N818 - nothing went wrong
    """The attempt finds that it must not go on: raised by a dial, it says nothing about the target."""

    def __init__(self, reason: SkipReason, error: ErrorFacts | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What to attempt, how often, and within which budget."""

    check: Check
    target: str
    dial: Dial
    budget_s: float
    path: Path | None = None
    attempts: int = 1
    interval_s: float = 0.0
    stages: tuple[Stage, ...] = ()
    """The stages in order: those that a failure leaves out are reported as skipped."""
    result: Result | None = None
    """What every observation of the series carries; an attempt may put its own on its trace."""
    confirmation: bool = False
    insists: bool = False
    """The SSLRequest inside TLS is never left out (``proxy_check = "on"``)."""
    redaction: Redaction = field(default_factory=Redaction)
    release_s: float = 0.0
    """How long a series that is cut off may take to let go of what it holds, a process or connections."""


class Sampling:
    """A series under way. One thread calls ``observe``; another may call ``cut_off`` at any time."""

    def __init__(self, series: Series, *, origin_ns: int, stage_started: StageStarted = _nobody) -> None:
        self.series = series
        self._stage_started = stage_started
        self._origin_ns = origin_ns
        self._trace: Trace | None = None
        self._attempt = 1
        self._last = series.attempts
        self._start_delay_s = 0.0
        self._stop = threading.Event()

    def observe(self) -> Iterator[Observation]:
        """The attempts, each when it has ended.

        Two identical failures of a stage end the series. What the server refused for its form (an unknown
        start-up parameter, the SSLRequest inside TLS) is left out from then on, in one more attempt.
        """
        concessions, failed_before = FULL, None
        planned_ns = time.monotonic_ns()
        while self._attempt <= self._last and not self._stop.is_set():
            observation = self._attempt_once(concessions, planned_ns)
            yield observation
            self._attempt += 1
            conceded = concede(observation, concessions, insists=self.series.insists)
            if conceded != concessions:
                concessions, failed_before = conceded, None
                self._last += 1
                planned_ns = time.monotonic_ns()
                continue
            failed = observation.failed_stage
            if failed is not None and failed_before == (failed.stage, failed.failure):
                for number in range(self._attempt, self._last + 1):
                    yield self._blank(Outcome.SKIPPED, SkipReason.REPEATED_FAILURE, attempt=number)
                return
            failed_before = (failed.stage, failed.failure) if failed else None
            planned_ns = self._wait_for(planned_ns + int(self.series.interval_s * 1e9))

    def cut_off(self, reason: SkipReason) -> Iterator[Observation]:
        """End the series now: what the attempt under way had measured, and the attempts left, as skipped."""
        self._stop.set()
        trace, attempt = self._trace, self._attempt
        if trace is not None:
            trace.stopped.set()
            yield self._observation(trace, Outcome.SKIPPED, skip_reason=reason)
            attempt += 1
        for number in range(attempt, self._last + 1):
            yield self._blank(Outcome.SKIPPED, reason, attempt=number)

    def left_out(self, reason: SkipReason) -> Iterator[Observation]:
        """Every attempt as skipped: none is made."""
        for number in range(1, self._last + 1):
            yield self._blank(Outcome.SKIPPED, reason, attempt=number)

    def _wait_for(self, planned_ns: int) -> int:
        """Wait for the planned instant; where it has passed, the next one is now."""
        now_ns = time.monotonic_ns()
        if planned_ns > now_ns and self._attempt <= self._last:
            self._stop.wait((planned_ns - now_ns) / 1e9)
        return max(planned_ns, now_ns)

    def _attempt_once(self, concessions: Concessions, planned_ns: int) -> Observation:
        trace = Trace(origin_ns=self._origin_ns, budget_s=self.series.budget_s, begun=self._begun)
        self._trace = trace
        self._start_delay_s = max(0.0, (trace.started_ns - planned_ns) / 1e9)
        try:
            self.series.dial(trace, concessions)
            trace.finish()
        except Skipped as skipped:
            return self._observation(trace, Outcome.SKIPPED, skip_reason=skipped.reason, error=skipped.error)
        except Exception as error:  # the one guard: named exceptions are failures, anything else is ours
            known = as_failure(error)
            if known is None:
                return self._crashed(trace, error)
            in_a_stage = trace.fail(known.failure, known.error)
            error_outside = None if in_a_stage else known.error
            return self._observation(trace, Outcome.FAILED, failure=known.failure, error=error_outside)
        finally:
            self._trace = None
        return self._observation(trace, Outcome.PASSED)

    def _begun(self, stage: Stage) -> None:
        series = self.series
        self._stage_started(series.check, series.target, series.path, self._attempt, stage)

    def _crashed(self, trace: Trace, error: Exception) -> Observation:
        text = "".join(traceback.format_exception(error))[-MAX_CRASH_TEXT:]
        facts = replace(error_facts(error), message=text)
        trace.crash(facts)
        return self._observation(trace, Outcome.CRASHED, error=facts)

    def _observation(
        self,
        trace: Trace,
        outcome: Outcome,
        *,
        failure: Failure | None = None,
        skip_reason: SkipReason | None = None,
        error: ErrorFacts | None = None,
    ) -> Observation:
        stages = trace.records()
        clean = self.series.redaction.clean  # what was seen, not the names: those are no secrets
        return replace(
            self._blank(outcome, skip_reason),
            failure=failure,
            span=trace.span(),
            stages=clean(stages) + self._left_out(stages, skip_reason),
            endpoint=clean(trace.endpoint),
            error=clean(error),
            result=clean(trace.result) or self.series.result,
            start_delay_s=self._start_delay_s,
        )

    def _left_out(
        self, stages: tuple[StageRecord, ...], skip_reason: SkipReason | None
    ) -> tuple[StageRecord, ...]:
        reason = skip_reason or SkipReason.EARLIER_STAGE_FAILED
        reached = {record.stage for record in stages}
        return tuple(
            StageRecord(stage=stage, outcome=Outcome.SKIPPED, skip_reason=reason)
            for stage in self.series.stages
            if stage not in reached
        )

    def _blank(
        self, outcome: Outcome, skip_reason: SkipReason | None, *, attempt: int | None = None
    ) -> Observation:
        series = self.series
        number = attempt or self._attempt
        now_ns = time.monotonic_ns() - self._origin_ns
        again = "again" if series.confirmation else None
        parts = (series.check, series.target, series.path, again, str(number))
        return Observation(
            id="/".join(part for part in parts if part),
            check=series.check,
            target=series.target,
            path=series.path,
            attempt=number,
            confirmation=series.confirmation,
            outcome=outcome,
            skip_reason=skip_reason,
            span=Span(started_ns=now_ns, ended_ns=now_ns),
            result=series.result,
        )


def concede(observation: Observation, concessions: Concessions, *, insists: bool = False) -> Concessions:
    """What to leave out next, given how the server refused this attempt."""
    failed = observation.failed_stage
    if failed is None:
        return concessions
    if failed.failure is Failure.PARAMETER_REFUSED:
        sqlstate = failed.error.sqlstate if failed.error else None
        return replace(concessions, parameters=refused(concessions.parameters, sqlstate))
    if failed.stage is Stage.PROXY and failed.failure is Failure.RESET and not insists:
        return replace(concessions, ssl_request=False)
    if (failed.stage, failed.failure, observation.path) == (Stage.TLS, Failure.TLS_ALERT, Path.PRIVATE_IP):
        return replace(concessions, one_curve=False)
    return concessions
