"""One ramp: up in steps as far as the guard allows, hold, hand over to those that wait, let go, count."""

import statistics
import time
from dataclasses import replace

from probe.checks.ramp import guard
from probe.checks.ramp.canary import CANARY_S, CanaryLogin
from probe.checks.ramp.listen import Listening, Stop, origin_ns
from probe.checks.ramp.request import MOST_SATURATION_HOLD_S, Request, Workload
from probe.checks.ramp.watch import Entered, Watch
from probe.dial.clock import Deadline, Trace
from probe.dial.failures import stage_failure
from probe.model.ramp import Acquisition, Ramp, RampStep, Saturation, StopReason
from probe.model.words import Check, Failure

RECOVERY_S = 10.0
"""What those that wait get to have their turn once the holders let go."""
COUNT_S = 3.0
"""What the server gets to be rid of our connections."""
GRACE_S = 1.0
"""What a login gets beyond its budget to be told as what it was."""
SLOWER_RATIO = 2.0
"""Connecting has become slower when its median has doubled; by how much at least, the settings say."""
LONGEST_SATURATED_S = 10.0
"""What all workers get to be answered, where nothing is short meanwhile."""


class Ascent:
    """A ramp under way; its result stands on the trace at any moment."""

    def __init__(
        self,
        request: Request,
        workload: Workload,
        trace: Trace,
        watch: Watch,
        entered: Entered,
        listening: Listening,
        ramp: Ramp,
    ) -> None:
        self._request = request
        self._workload = workload
        self._trace = trace
        self._watch = watch
        self._entered = entered
        self._listening = listening
        self._load = listening.load
        self._ramp = ramp
        self._asked = 0
        self._saturated_ns: int | None = None
        listening.saturation = ramp.saturation
        listening.noticed = self._notice

    def run(self) -> Stop | None:
        """Climb and let go; what ended it, where that was not the guard or its completion.

        Raises CutOff, and RuntimeError where the load went wrong by the probe's own fault.
        """
        stopped: Stop | None = None
        with self._listening:
            try:
                self._listening.until(lambda: self._load.ready)
                full = self._ramp.saturation is Saturation.FULL
                reason = self._saturate() if full else self._climb()
                self._keep(stopped=reason)
                self._hold()
            except Stop as stop:
                stopped = stop
                overloaded = stop.reason is StopReason.OVERLOADED
                self._keep(stopped=stop.reason, error=stop.error, overloaded=overloaded)
            let_go_ns = time.monotonic_ns()
            if stopped is None or not stopped.at_once:
                self._listening.release()
        self._load.cut_off()
        self._notice()
        self._count_left(let_go_ns)
        return stopped

    def _climb(self) -> StopReason:
        """Step by step; what ended it."""
        self._canary()
        while self._load.open < self._ramp.wanted:
            room, reason = self._room()
            count = min(self._request.pool.step, self._ramp.wanted - self._load.open, room)
            if count < 1:
                return reason
            self._step(count)
            self._canary()
        return StopReason.COMPLETE

    def _room(self) -> tuple[int, StopReason]:
        """How many more there may be, and what keeps it to that."""
        self._listening.await_reading()
        allowed, reason = guard.allowed(
            self._entered.limits,
            self._watch.seen,
            keep_free=self._ramp.keep_free,
            elsewhere=self._watch.elsewhere,
        )
        return allowed - self._listening.known, reason

    def _step(self, count: int) -> None:
        number = len(self._ramp.steps) + 1
        self._ask(count, step=number, opens=True, allowed=self._load.open + count)
        self._listening.until(lambda: not self._load.waiting)
        self._listening.await_reading()
        self._stepped(number)
        slower_s = self._request.pool.slower_s
        first, last = self._ramp.steps[0].connect_median_s, self._ramp.steps[-1].connect_median_s
        if first and last and last > SLOWER_RATIO * first and last - first >= slower_s:
            raise Stop(StopReason.SLOWER)

    def _ask(self, count: int, *, step: int, opens: bool, allowed: int) -> None:
        workers = range(self._asked, self._asked + count)
        self._asked += count
        self._load.ask(workers, step=step, opens=opens, allowed=allowed)

    def _stepped(self, number: int) -> None:
        held, free = self._load.open, max(0, self._free)
        step = RampStep(
            number=number,
            at_ns=time.monotonic_ns() - origin_ns(self._trace),
            held=held,
            free=free,
            connect_median_s=_median_s(self._load.of_step(number)),
        )
        self._keep(steps=(*self._ramp.steps, step))
        self._request.stepped(self._request.check, self._request.target.name, held, free)

    @property
    def _free(self) -> int:
        if self._ramp.saturation is Saturation.FULL:  # workers that wait in a queue open nothing
            return self._watch.reading.headroom.free(self._entered.limits)
        return self._listening.free

    def _canary(self) -> None:
        """A stranger's login; raises Stop where it does not get through."""
        canary = self._begin_canary()
        if not self._listening.until(lambda: canary.done, within_s=CANARY_S + GRACE_S):
            hangs = stage_failure(Failure.TIMEOUT, f"a login beside the ramp took more than {CANARY_S:g} s")
            raise Stop(StopReason.CANARY_FAILED, failure=hangs)
        self._end_canary(canary)
        if canary.failure is not None:
            raise Stop(StopReason.CANARY_FAILED, failure=canary.failure)

    def _begin_canary(self) -> CanaryLogin:
        self._listening.canary = CanaryLogin(
            self._request, self._entered, held=self._load.open, origin_ns=origin_ns(self._trace)
        )
        return self._listening.canary

    def _end_canary(self, canary: CanaryLogin) -> None:
        if canary.done:
            self._watch.our_logins += 1
            self._keep(canaries=(*self._ramp.canaries, canary.record()))

    def _saturate(self) -> StopReason:
        """All workers at once, whatever the server says; never after a login that failed."""
        self._canary()
        workload = self._workload
        capacity = workload.pools * (workload.pool_size + workload.max_overflow)
        answers = min(workload.workers, capacity)
        self._ask(workload.workers, step=1, opens=True, allowed=capacity)
        self._listening.until(
            lambda: len(self._load.acquisitions) >= answers or self._saturated_s >= self._saturation_hold_s,
            within_s=LONGEST_SATURATED_S,
        )
        self._saturated_ns = self._saturated_ns or time.monotonic_ns()
        self._listening.await_reading()
        self._stepped(1)
        return StopReason.COMPLETE

    @property
    def _saturation_hold_s(self) -> float:
        return min(self._request.pool.saturation_hold_s, MOST_SATURATION_HOLD_S)

    @property
    def _saturated_s(self) -> float:
        """How long others have had too few slots, or none."""
        return 0.0 if self._saturated_ns is None else (time.monotonic_ns() - self._saturated_ns) / 1e9

    def _hold(self) -> None:
        """Hold what is open, then hand it over to those that wait."""
        if self._ramp.saturation is Saturation.FULL:
            canary = self._begin_canary()  # measured and not judged: it may well find no slot
            self._listening.pause(max(0.0, self._saturation_hold_s - self._saturated_s))
            self._hand_over()
            self._end_canary(canary)
        elif self._load.open:
            if self._request.check is Check.POOL:
                self._queue()
            self._listening.pause(self._request.pool.hold_s)
            self._hand_over()

    def _queue(self) -> None:
        """The remaining workers ask as well, and wait in the pool's own queue."""
        self._load.tell("fill")
        self._listening.until(lambda: self._load.filled)
        count, step = self._workload.workers - self._asked, len(self._ramp.steps) + 1
        if count > 0:
            self._ask(count, step=step, opens=False, allowed=0)

    def _hand_over(self) -> None:
        waiting, handed_ns = self._load.waiting, time.monotonic_ns() - origin_ns(self._trace)
        self._load.tell("hand_over")
        if waiting and self._listening.until(lambda: not self._load.waiting, within_s=RECOVERY_S):
            last_ns = max(one.finished_ns for one in self._load.acquisitions if one.worker in waiting)
            self._keep(recovery_s=max(0.0, (last_ns - handed_ns) / 1e9))

    def _count_left(self, let_go_ns: int) -> None:
        """How many connections of ours the server still has, but the control connection."""
        until, since_ns = Deadline.after(COUNT_S), time.monotonic_ns()
        while (reading := self._watch.await_reading(since_ns, self._trace.stopped)) is not None:
            left, since_ns = max(0, reading.headroom.ours - 1), time.monotonic_ns()
            self._keep(left_behind=left)
            if left == 0:
                self._keep(released_s=max(0.0, (reading.asked_ns - let_go_ns) / 1e9))
            if left == 0 or since_ns >= until.at_ns:
                return

    def _notice(self) -> None:
        """Bring the result up to date."""
        load, child = self._load, self._listening.child
        self._watch.our_logins = max(self._watch.our_logins, load.opened + len(self._ramp.canaries))
        few = load.refused_ns is not None or self._listening.free < self._ramp.keep_free
        if self._ramp.saturation is Saturation.FULL and few and self._saturated_ns is None:
            self._saturated_ns = time.monotonic_ns()
        self._keep(
            acquisitions=load.acquisitions,
            held=max(self._ramp.held, load.most),
            cpu_s=child.cpu_s,
            lag_s=child.lag_s,
            parameters_refused=self._ramp.parameters_refused or load.parameters_refused,
        )

    def _keep(self, **values: object) -> None:
        self._ramp = replace(self._ramp, **values)  # type: ignore[arg-type]  # as the fields are typed
        self._trace.result = self._ramp


def _median_s(acquisitions: tuple[Acquisition, ...]) -> float | None:
    times = [one.connect_s for one in acquisitions if one.connect_s is not None]
    return statistics.median(times) if times else None
