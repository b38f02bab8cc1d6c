"""Listening to the load while looking around: everything that ends a ramp early is noticed here."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from probe.checks.ramp.account import LoadAccount
from probe.checks.ramp.canary import CanaryLogin
from probe.checks.ramp.guard import Bound
from probe.checks.ramp.request import Request
from probe.checks.ramp.watch import CutOff, Entered, Watch
from probe.dial.clock import Deadline, Trace
from probe.dial.failures import StageFailure
from probe.model.facts import ErrorFacts
from probe.model.ramp import Saturation, StopReason
from probe.rehearsal.child import Child
from probe.rehearsal.last_words import ending, telling_line
from probe.rehearsal.load_request import ALONE_S, EXIT_ALONE, LoadRequest

LETTING_GO_S = 4.0
"""Of a ramp's budget, what is kept for letting go and counting; of a small one at most a quarter."""
RELEASE_S = 3.0
"""What the load gets to close its connections before it is killed."""
SATURATED_RELEASE_S = 0.5
"""The same where others have no slots meanwhile."""


class Stop(Exception):  # noqa: N818 - a guard that works is no error
    """The ramp ends here, and lets go."""

    def __init__(
        self,
        reason: StopReason,
        *,
        failure: StageFailure | None = None,
        error: ErrorFacts | None = None,
        at_once: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.failure = failure
        self.error = failure.error if failure else error
        self.at_once = at_once
        """Without waiting for anybody: the child is killed, and the kernel closes what it held."""


class Listening:
    """The child, the control connection and the canary of a ramp; a context manager that kills the child."""

    def __init__(
        self,
        request: Request,
        load: LoadRequest,
        trace: Trace,
        watch: Watch,
        entered: Entered,
        *,
        saturation: Saturation,
        noticed: Callable[[], None],
    ) -> None:
        """``noticed`` is called whenever something may have changed."""
        budget_s = request.pool.budget_s
        reserve_s = min(LETTING_GO_S, budget_s / 4)
        self._request = request
        self._trace = trace
        self._watch = watch
        self._entered = entered
        self._deadline = Deadline(trace.started_ns + int((budget_s - reserve_s) * 1e9))
        self.child = Child("load", load)
        self.load = LoadAccount(self.child, origin_ns=origin_ns(trace))
        self.canary: CanaryLogin | None = None
        self.silence_s = 0.0
        """For how long we ourselves, or the child, did not get to run, where that ended the ramp."""
        self._looked_ns: int | None = None
        self._full = saturation is Saturation.FULL
        self._noticed = noticed

    def __enter__(self) -> Self:
        self.child.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.__exit__(kind, error, trace)

    @property
    def known(self) -> int:
        """Connections of ours: the control connection, the pool's, those that may come, and the canary."""
        canary = 1 if self.canary is not None and not self.canary.done else 0
        return 1 + self.load.known + canary

    @property
    def free(self) -> int:
        """Slots left to others, as of the latest reading."""
        return self._entered.guard.free(self._watch.reading.headroom, known=self.known)

    @property
    def spare(self) -> Bound:
        """How many more could be taken until others lack what is theirs; below zero: they do."""
        return self._entered.guard.spare(self._watch.reading.headroom, known=self.known)

    @property
    def ours(self) -> int:
        """Connections of this run, with those that a ramp before this one may have left at the server."""
        return max(self.known, self._watch.reading.headroom.ours)

    def until(self, done: Callable[[], bool], *, within_s: float | None = None) -> bool:
        """Listen until then; False where ``within_s`` is over first. Raises Stop, CutOff, RuntimeError."""
        end = self._deadline
        if within_s is not None:
            end = Deadline(min(end.at_ns, Deadline.after(within_s).at_ns))
        self._look(idle=False)
        if done():
            return True
        for event in self.child.events(end, self._trace.stopped):
            if event is not None:
                self.load.note(event)
            self._look(idle=event is None)
            if done():
                return True
        self._ended_early(end)
        return False

    def pause(self, seconds: float) -> None:
        """Go on looking for so long."""
        self.until(lambda: False, within_s=seconds)

    def await_reading(self, *, within_s: float | None = None) -> None:
        """Look at a headroom that was read from now on, where one comes in time."""
        now_ns = time.monotonic_ns()
        self.until(lambda: self._watch.reading.asked_ns >= now_ns, within_s=within_s)

    def release(self) -> None:
        """Let the load close its connections in good order, for a while."""
        within_s = SATURATED_RELEASE_S if self._full else RELEASE_S
        self.load.tell("release")
        for event in self.child.events(Deadline.after(within_s), self._trace.stopped):
            if event is not None:
                self.load.note(event)
            self.load.stay()
            if self.load.released:
                return

    def _ended_early(self, end: Deadline) -> None:
        if self._trace.stopped.is_set():
            raise CutOff
        now_ns = time.monotonic_ns()
        if now_ns < end.at_ns:
            code = self.child.exit_code()
            if code == EXIT_ALONE:  # it did not hear from us: we were frozen
                raise self._too_slow(ALONE_S)
            why = telling_line(self.child.last_words()) or "it said nothing"
            raise RuntimeError(f"the load {'fell silent' if code is None else ending(code)}: {why}")
        if now_ns >= self._deadline.at_ns:
            raise Stop(StopReason.BUDGET)

    def _look(self, *, idle: bool) -> None:
        self._noticed()
        self._look_at_ourselves()
        lost = self._watch.lost
        if lost is not None:
            raise Stop(StopReason.CONTROL_LOST, failure=lost, at_once=True)
        self._look_at_load()
        spare, reason = self.spare
        if not self._full and spare < 0:
            raise Stop(reason, at_once=True)
        bound_s = self._request.pool.start_delay_s
        if idle and self.load.overdue_s > bound_s:
            raise self._too_slow(self.load.overdue_s)
        if self.load.ready and self.load.late_s > bound_s:
            raise Stop(StopReason.OVERLOADED)
        self.load.stay()

    def _look_at_ourselves(self) -> None:
        """First of all: whatever was lost while we did not get to run was lost by that."""
        now_ns, before_ns = time.monotonic_ns(), self._looked_ns
        self._looked_ns = now_ns
        if before_ns is not None and (now_ns - before_ns) / 1e9 > self._request.pool.start_delay_s:
            raise self._too_slow((now_ns - before_ns) / 1e9)

    def _too_slow(self, silence_s: float) -> Stop:
        self.silence_s = max(self.silence_s, silence_s)
        return Stop(StopReason.OVERLOADED, at_once=True)

    def _look_at_load(self) -> None:
        load = self.load
        if load.crashed:
            raise RuntimeError(f"a worker of the load crashed: {load.crashed}")
        if load.failed is not None:
            raise Stop(StopReason.FAILED, failure=load.failed)
        if load.refused_ns is not None and not self._full:
            raise Stop(StopReason.REFUSED, error=load.refused)


def origin_ns(trace: Trace) -> int:
    """The run's start, from which every span counts."""
    return trace.started_ns - trace.span().started_ns
