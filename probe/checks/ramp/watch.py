"""The control connection on a thread of its own: it reads the headroom all the time, whatever else hangs."""

import contextlib
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from probe.checks.ramp.guard import Guard, Seen
from probe.checks.ramp.request import Request
from probe.checks.series import Skipped, concede
from probe.dial import control, paths
from probe.dial.clock import Trace
from probe.dial.control import Control, Reading
from probe.dial.failures import StageFailure, as_failure
from probe.dial.parameters import Known, Purpose
from probe.dial.paths import Concessions, Way
from probe.model.facts import ErrorFacts
from probe.model.observation import Observation
from probe.model.ramp import Limits
from probe.model.words import Failure, Outcome, SkipReason

READ_S = 0.05
LOOK_AROUND_S = 0.05
LEAVE_S = 1.0
"""What the thread gets to say good-bye; if it hangs, it hangs alone, and the server lets go by itself."""
MAX_LOGINS = 5
"""Each refusal of a form is conceded once."""
CHURN_S = 0.5
"""Logins in a second are told after so long."""

NO_ENTRY = frozenset(
    {
        Failure.DATABASE_MISSING,
        Failure.DATABASE_CLOSED,
        Failure.DATABASE_LIMIT,
        Failure.NOT_AUTHORISED,
        Failure.HBA_REJECTED,
    }
)
"""How the server keeps us out of the database in which probes meet."""

POOLER = "the server takes no idle_session_timeout: a frozen probe would keep its slots"
UNSEEN = "the server does not show our own connection: a pooler?"

Crowd = tuple[tuple[str, int], ...]


class CutOff(Exception):  # noqa: N818 - nothing went wrong
    """The run ends: let go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What is known once the control connection stands."""

    way: Way
    concessions: Concessions
    guard: Guard
    crowd: Crowd

    @property
    def limits(self) -> Limits:
        """What the server, our role and the application's database allow."""
        return self.guard.limits

    @property
    def parameters_refused(self) -> bool:
        """Whether the server lacks some of the parameters that make it let go by itself."""
        return self.concessions.parameters is not Known.ALL


class Watch:
    """A context manager. Once entered, ``reading`` is about 2 s old at most, or ``lost`` says why not."""

    def __init__(
        self, request: Request, concessions: Concessions, *, origin_ns: int, budget_s: float
    ) -> None:
        self._request = request
        self._concessions = concessions
        self._origin_ns = origin_ns
        self._budget_s = budget_s
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="control")
        self._entered: Entered | None = None
        self._error: BaseException | None = None
        self._first: Reading | None = None
        self._reading: Reading | None = None
        self._crowd: Crowd | None = None
        self._crowd_wanted = threading.Event()
        self.seen = Seen()
        self.leftovers = 0
        self.our_logins = 0
        """Logins of ours since the first reading: no strangers."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._leave.set()
        self._thread.join(LEAVE_S)

    @property
    def elsewhere(self) -> int:
        """Connections of ours that are not in the application's database: this one, as a rule."""
        return 0 if self._request.target.database == control.DATABASE else 1

    @property
    def reading(self) -> Reading:
        """The latest one. Only once entered."""
        if self._reading is None:
            raise RuntimeError("nothing was read yet")
        return self._reading

    @property
    def lost(self) -> StageFailure | None:
        """Why the control connection ended. Raises what was no failure of the other side."""
        if self._error is None:
            return None
        known = as_failure(self._error)
        if known is None:
            raise self._error
        return known

    def await_entry(self, stop: threading.Event) -> Entered:
        """What is known now. Raises StageFailure, Skipped (busy, no guard), CutOff."""
        while self._reading is None or self._entered is None:
            if stop.wait(LOOK_AROUND_S):
                raise CutOff
            if self._error is not None:
                raise self._error
        return self._entered

    def await_reading(self, since_ns: int, stop: threading.Event) -> Reading | None:
        """One that was asked for since then; None where the connection is lost. Raises CutOff."""
        while self._error is None:
            if self.reading.asked_ns >= since_ns:
                return self.reading
            if stop.wait(READ_S / 5):
                raise CutOff
        return None

    def ask_crowd(self) -> None:
        """Have it read who is connected now, without waiting for the answer."""
        self._crowd = None
        self._crowd_wanted.set()

    def await_crowd(self, stop: threading.Event) -> Crowd | None:
        """Who was connected when it was last asked; None where the connection is lost. Raises CutOff."""
        while self._error is None and self._crowd is None:
            if stop.wait(READ_S / 5):
                raise CutOff
        return self._crowd

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException as error:
            self._error = error

    def _watch(self) -> None:
        with contextlib.ExitStack() as stack:
            way, concessions, asked = self._log_in(stack)
            if concessions.parameters is Known.NONE:  # counts and locks mean something else at a pooler
                raise Skipped(SkipReason.NO_GUARD, ErrorFacts(type="probe", message=POOLER))
            try:
                if not asked.lock():
                    raise Skipped(SkipReason.BUSY)
                limits, crowd, first = asked.limits(), asked.crowd(), asked.headroom()
            except (StageFailure, OSError) as error:
                raise _no_guard(error) from error
            if first.headroom.ours < 1:  # we could not tell ours from others, nor see whether any is left
                raise Skipped(SkipReason.NO_GUARD, ErrorFacts(type="probe", message=UNSEEN))
            self._entered = Entered(way=way, concessions=concessions, guard=self._guard(limits), crowd=crowd)
            self._take(first)
            while not self._leave.wait(READ_S):
                if self._crowd_wanted.is_set():
                    self._crowd_wanted.clear()
                    self._crowd = asked.crowd()
                self._take(asked.headroom())

    def _guard(self, limits: Limits) -> Guard:
        pool = self._request.pool
        return Guard(
            limits=limits, keep_free=pool.keep_free, own_role=pool.own_role, elsewhere=self.elsewhere
        )

    def _log_in(self, stack: contextlib.ExitStack) -> tuple[Way, Concessions, Control]:
        """Log in, conceding what the server refuses for its form."""
        concessions = self._concessions
        for _ in range(MAX_LOGINS):
            trace = Trace(origin_ns=self._origin_ns, budget_s=self._budget_s)
            try:
                way, session = self._attempt(stack, trace, concessions)
            except Exception as error:
                conceded = self._conceded(trace, error, concessions)
                if conceded == concessions:
                    raise _entry_failure(error) from error
                concessions = conceded
            else:
                return way, concessions, session
        raise RuntimeError(f"{MAX_LOGINS} concessions were not enough")

    def _attempt(
        self, stack: contextlib.ExitStack, trace: Trace, concessions: Concessions
    ) -> tuple[Way, Control]:
        request = self._request
        target, equipment = request.target, request.equipment
        way = paths.find(trace, request.path, target, equipment, concessions)
        purpose = Purpose(statement_s=control.STATEMENT_S)
        opening = paths.session(
            trace, way, target, equipment, concessions, purpose, database=control.DATABASE
        )
        session = stack.enter_context(opening)
        trace.finish()
        return way, Control(session, run_id=equipment.run_id, database=target.database)

    def _conceded(self, trace: Trace, error: Exception, concessions: Concessions) -> Concessions:
        known = as_failure(error)
        if known is None:
            return concessions
        trace.fail(known.failure, known.error)
        request = self._request
        attempt = Observation(
            id="control",
            check=request.check,
            target=request.target.name,
            path=request.path,
            outcome=Outcome.FAILED,
            failure=known.failure,
            span=trace.span(),
            stages=trace.records(),
        )
        return concede(attempt, concessions, insists=request.target.proxy_check == "on")

    def _take(self, reading: Reading) -> None:
        headroom = reading.headroom
        self._first = self._first or reading
        self.seen = self.seen.and_now(
            headroom,
            ours_in_database=max(0, headroom.ours - self.elsewhere),
            logins_per_s=self._logins_per_s(self._first, reading),
        )
        self.leftovers = max(self.leftovers, headroom.leftovers)
        self._reading = reading

    def _logins_per_s(self, first: Reading, reading: Reading) -> float:
        elapsed_s = (reading.asked_ns - first.asked_ns) / 1e9
        if first.sessions is None or reading.sessions is None or elapsed_s < CHURN_S:
            return 0.0
        return max(0, reading.sessions - first.sessions - self.our_logins) / elapsed_s


def _entry_failure(error: Exception) -> Exception:
    known = as_failure(error)
    return _no_guard(known) if known is not None and known.failure in NO_ENTRY else error


def _no_guard(error: Exception) -> Exception:
    known = as_failure(error)
    return Skipped(SkipReason.NO_GUARD, known.error) if known is not None else error
