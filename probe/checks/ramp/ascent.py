"""One ramp: up in steps as far as the guard allows, hold, hand over to those that wait, let go, count."""

import time
from dataclasses import replace

from probe.checks.ramp.beside import GRACE_S, Beside
from probe.checks.ramp.canary import canary_budget_s
from probe.checks.ramp.guard import OUR_CANARY, Bound
from probe.checks.ramp.listen import Listening, Stop, origin_ns
from probe.checks.ramp.pace import median_s, slower
from probe.checks.ramp.request import MOST_SATURATION_HOLD_S, Request, Workload
from probe.checks.ramp.watch import Entered, Watch
from probe.dial.clock import Deadline, Trace
from probe.dial.failures import stage_failure
from probe.model.ramp import Canary, Ramp, RampStep, Saturation, StopReason
from probe.model.words import Check, Failure
from probe.rehearsal.load_request import LoadRequest

RECOVERY_S = 10.0
"""What those that wait get to have their turn once the holders let go."""
SATURATED_RECOVERY_S = 0.5
"""The same where others have no slots meanwhile."""
COUNT_S = 3.0
"""What the server gets to be rid of our connections."""
BESIDE_S = 0.5
"""A step that takes longer has a login beside it."""
LINGER_S = 0.5
"""What the server gets to be rid of a session that has said good-bye, a canary's."""
LONGEST_SATURATED_S = 10.0
"""What all workers get to be answered, where nothing is short meanwhile."""

BY_OTHERS = frozenset(
    {
        StopReason.KEEP_FREE,
        StopReason.ROLE_LIMIT,
        StopReason.DATABASE_LIMIT,
        StopReason.REFUSED,
        StopReason.CANARY_FAILED,
    }
)
"""Ends that newcomers may have brought about: who they are is asked again."""


class Ascent:
    """A ramp under way; its result stands on the trace at any moment."""

    def __init__(
        self,
        request: Request,
        workload: Workload,
        trace: Trace,
        watch: Watch,
        entered: Entered,
        load: LoadRequest,
        ramp: Ramp,
    ) -> None:
        self._request = request
        self._workload = workload
        self._trace = trace
        self._watch = watch
        self._entered = entered
        self._ramp = ramp
        self._listening = Listening(
            request, load, trace, watch, entered, saturation=ramp.saturation, noticed=self._notice
        )
        self._load = self._listening.load
        self._beside = Beside(request, trace, entered, self._listening, self._logged_in)
        self._asked = 0
        self._saturated_ns: int | None = None

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
                self._ended(reason)
                self._hold()
            except Stop as stop:
                stopped = stop
                overloaded = stop.reason is StopReason.OVERLOADED
                self._ended(stop.reason, error=stop.error, overloaded=overloaded)
            let_go_ns = time.monotonic_ns()
            if self._load.ready and (stopped is None or not stopped.at_once):
                self._listening.release()
        self._load.cut_off()
        self._notice()
        unanswered = self._unanswered()
        self._count_left(let_go_ns)
        self._name_others()
        if not unanswered or self._ramp.overloaded or (stopped is not None and stopped.failure is not None):
            return stopped
        return self._told(unanswered)

    def _unanswered(self) -> int:
        """Logins of ours that hang and that no reading shows; none where somebody else's is answered."""
        begun = self._load.unanswered + self._beside.unanswered
        if not begun or self._watch.lost or self._beside.others_are_answered(COUNT_S):
            return 0
        self._keep(unanswered=self._load.unanswered + self._beside.unanswered)
        return self._ramp.unanswered

    def _told(self, unanswered: int) -> Stop:
        """How a ramp ended some of whose logins nobody has answered."""
        failure = stage_failure(Failure.TIMEOUT, f"{unanswered} logins of ours were not answered")
        self._keep(error=self._ramp.error or failure.error)
        return Stop(self._ramp.stopped or StopReason.FAILED, failure=failure)

    def _ended(self, reason: StopReason, **values: object) -> None:
        self._keep(stopped=reason, **values)
        if reason in BY_OTHERS:
            self._watch.ask_crowd()

    def _name_others(self) -> None:
        """Those that were there when it ended, as far as the control connection still tells."""
        if self._ramp.stopped in BY_OTHERS:
            crowd = self._watch.await_crowd(self._trace.stopped)
            self._keep(crowd=self._ramp.crowd if crowd is None else crowd)

    def _climb(self) -> StopReason:
        """Step by step; what ended it. Raises Stop where what is open already is too much."""
        self._beside.try_one()
        while True:
            room, reason = self._room()
            if room < -OUR_CANARY:  # none comes during the hold: its place is free
                raise Stop(reason)
            missing = self._ramp.wanted - self._load.open
            if missing < 1:
                return StopReason.COMPLETE
            if self._ramp.steps and self._entered.parameters_refused:
                return StopReason.UNGUARDED
            if room < 1:
                return reason
            self._step(min(self._request.pool.step, missing, room))
            self._beside.try_one()

    def _room(self) -> Bound:
        """How many more there may be, and what keeps it to that; below zero: how many are too many."""
        listening, watch = self._listening, self._watch
        listening.await_reading()
        listening.until(lambda: watch.reading.headroom.ours <= listening.known, within_s=LINGER_S)
        allowed, reason = self._entered.guard.allowed(watch.seen)
        return allowed - listening.ours, reason

    def _step(self, count: int) -> None:
        number = len(self._ramp.steps) + 1
        self._ask(count, step=number, opens=True, allowed=self._load.open + count)
        self._await_answers()
        self._listening.await_reading()
        self._stepped(number)
        medians_s = [step.connect_median_s for step in self._ramp.steps]
        if slower(medians_s, by_s=self._request.pool.slower_s):
            raise Stop(StopReason.SLOWER)

    def _await_answers(self) -> None:
        """Until all of a step are answered. Raises Stop where they are not, or nobody else gets through."""
        until, canary = Deadline.after(self._step_s), None
        while not self._listening.until(lambda: not self._load.waiting, within_s=BESIDE_S):
            if canary is not None and canary.done:
                self._beside.judge(canary)
                canary = None
            if time.monotonic_ns() >= until.at_ns:
                text = f"a connection of the ramp was not there within {self._step_s:g} s"
                raise Stop(StopReason.FAILED, failure=stage_failure(Failure.TIMEOUT, text), at_once=True)
            canary = canary or self._beside.begin()
        if canary is not None:
            self._beside.judge(canary)

    @property
    def _step_s(self) -> float:
        """What a step gets; the first, in which the connector asks the Admin API, a connection's budget."""
        first = not self._ramp.steps
        budget_s = self._request.equipment.timeouts.connection_s if first else canary_budget_s(self._request)
        return budget_s + GRACE_S

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
            connect_median_s=median_s(self._load.of_step(number)),
        )
        self._keep(steps=(*self._ramp.steps, step))
        self._request.stepped(self._request.check, self._request.target.name, held, free)

    @property
    def _free(self) -> int:
        if self._ramp.saturation is Saturation.FULL:  # workers that wait in a queue open nothing
            return self._watch.reading.headroom.free(self._entered.limits)
        return self._listening.free

    def _logged_in(self, canary: Canary) -> None:
        self._watch.our_logins += 1
        self._keep(canaries=(*self._ramp.canaries, canary))

    def _saturate(self) -> StopReason:
        """All workers at once, whatever the server says; never after a login that failed."""
        self._beside.try_one()
        workload = self._workload
        capacity = workload.pools * (workload.pool_size + workload.max_overflow)
        answers = min(workload.workers, capacity)
        self._ask(workload.workers, step=1, opens=True, allowed=capacity)
        self._listening.until(
            lambda: len(self._load.acquisitions) >= answers or self._saturated_s >= self._saturation_hold_s,
            within_s=LONGEST_SATURATED_S,
        )
        self._saturated_ns = self._saturated_ns or time.monotonic_ns()
        self._listening.await_reading(within_s=self._saturation_left_s)
        self._stepped(1)
        return StopReason.COMPLETE

    @property
    def _saturation_hold_s(self) -> float:
        return min(self._request.pool.saturation_hold_s, MOST_SATURATION_HOLD_S)

    @property
    def _saturation_left_s(self) -> float:
        return max(0.0, self._saturation_hold_s - self._saturated_s)

    @property
    def _saturated_s(self) -> float:
        """How long others have had too few slots, or none."""
        return 0.0 if self._saturated_ns is None else (time.monotonic_ns() - self._saturated_ns) / 1e9

    def _hold(self) -> None:
        """Hold what is open, then hand it over to those that wait."""
        if self._ramp.saturation is Saturation.FULL:
            canary = self._beside.begin()  # measured and not judged: it may well find no slot
            self._listening.pause(self._saturation_left_s)
            self._hand_over(SATURATED_RECOVERY_S)
            self._beside.keep(canary)
        elif self._load.open:
            if self._request.check is Check.POOL:
                self._queue()
            self._listening.pause(self._request.pool.hold_s)
            self._hand_over(RECOVERY_S)

    def _queue(self) -> None:
        """The remaining workers ask as well, and wait in the pool's own queue."""
        self._load.tell("fill")
        self._listening.until(lambda: self._load.filled)
        count, step = self._workload.workers - self._asked, len(self._ramp.steps) + 1
        if count > 0:
            self._ask(count, step=step, opens=False, allowed=self._load.open)

    def _hand_over(self, within_s: float) -> None:
        waiting, handed_ns = self._load.waiting, time.monotonic_ns() - origin_ns(self._trace)
        self._load.tell("hand_over")
        if waiting and self._listening.until(lambda: not self._load.waiting, within_s=within_s):
            last_ns = max(one.finished_ns for one in self._load.acquisitions if one.worker in waiting)
            self._keep(recovery_s=max(0.0, (last_ns - handed_ns) / 1e9))

    def _count_left(self, let_go_ns: int) -> None:
        """How many connections of ours the server still has, but the control connection."""
        until, since_ns = Deadline.after(COUNT_S), time.monotonic_ns()
        while (reading := self._watch.await_reading(since_ns, self._trace.stopped)) is not None:
            left, since_ns = max(0, reading.headroom.ours - 1), time.monotonic_ns()
            self._keep(left_behind=left + self._ramp.unanswered)
            if self._ramp.left_behind == 0:
                self._keep(released_s=max(0.0, (reading.asked_ns - let_go_ns) / 1e9))
            if left == 0 or since_ns >= until.at_ns:
                return

    def _notice(self) -> None:
        """Bring the result up to date."""
        load, child = self._load, self._listening.child
        self._watch.our_logins = max(self._watch.our_logins, load.opened + len(self._ramp.canaries))
        few = load.refused_ns is not None or self._listening.spare[0] < 0
        if self._ramp.saturation is Saturation.FULL and few and self._saturated_ns is None:
            self._saturated_ns = time.monotonic_ns()
        self._keep(
            acquisitions=load.acquisitions,
            held=max(self._ramp.held, load.most),
            cpu_s=child.cpu_s,
            lag_s=max(self._ramp.lag_s, child.lag_s, self._listening.silence_s),
            parameters_refused=self._ramp.parameters_refused or load.parameters_refused,
        )

    def _keep(self, **values: object) -> None:
        self._ramp = replace(self._ramp, **values)  # type: ignore[arg-type]  # as the fields are typed
        self._trace.result = self._ramp
