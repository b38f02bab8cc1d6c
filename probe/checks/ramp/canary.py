"""A login beside the ramp, as a stranger would make it, on a thread of its own: nothing waits for it."""

import threading
import time

from probe.checks.ramp.request import Request
from probe.checks.ramp.watch import Entered
from probe.dial import paths
from probe.dial.clock import Trace
from probe.dial.failures import StageFailure, as_failure
from probe.dial.parameters import Purpose
from probe.model.ramp import Canary
from probe.model.span import Span
from probe.model.words import Failure

CANARY_S = 10.0
"""A login that takes longer beside a ramp is a reason to end the ramp."""


def canary_budget_s(request: Request) -> float:
    """What a login beside the ramp gets, in seconds."""
    return min(CANARY_S, request.equipment.timeouts.connection_s)


class CanaryLogin:
    """One login to the application's database, from the first packet to the answer of ``SELECT 1``."""

    def __init__(self, request: Request, entered: Entered, *, held: int, origin_ns: int) -> None:
        self._request = request
        self._entered = entered
        self._held = held
        self._origin_ns = origin_ns
        self._error: Exception | None = None
        self._begun_ns = self._ended_ns = time.monotonic_ns()
        self._thread = threading.Thread(target=self._run, daemon=True, name="canary")
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    @property
    def unanswered(self) -> bool:
        """Whether the server may be at it still: it has not ended, or ended by our own time-out."""
        known = as_failure(self._error) if self._error is not None else None
        return not self.done or (known is not None and known.failure is Failure.TIMEOUT)

    @property
    def failure(self) -> StageFailure | None:
        """Why it did not get through. Raises what was no failure of the other side."""
        if self._error is None:
            return None
        known = as_failure(self._error)
        if known is None:
            raise self._error
        return known

    def record(self) -> Canary:
        """What became of it. Once it is done."""
        failure = self.failure
        return Canary(
            span=Span(started_ns=self._begun_ns - self._origin_ns, ended_ns=self._ended_ns - self._origin_ns),
            held=self._held,
            failure=failure.failure if failure else None,
            error=failure.error if failure else None,
        )

    def _run(self) -> None:
        try:
            self._log_in()
        except Exception as error:  # kept for the thread that looks after the ramp
            self._error = error
        self._ended_ns = time.monotonic_ns()

    def _log_in(self) -> None:
        request, entered = self._request, self._entered
        timeouts = request.equipment.timeouts
        trace = Trace(origin_ns=self._origin_ns, budget_s=canary_budget_s(request))
        purpose = Purpose(statement_s=timeouts.query_s)
        with paths.session(
            trace, entered.way, request.target, request.equipment, entered.concessions, purpose
        ) as session:
            session.query(trace, timeouts.query_s)
            trace.finish()
