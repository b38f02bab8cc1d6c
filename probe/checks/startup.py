"""Check ``startup``: the application's start-up, rehearsed with its own stack in a child process."""

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from probe.checks.series import Series, Skipped
from probe.dial.clock import Deadline, Trace
from probe.dial.failures import StageFailure
from probe.dial.paths import Concessions
from probe.dial.redaction import Redaction
from probe.model.facts import ErrorFacts
from probe.model.rehearsal import DETERMINISTIC_FAILURE, PhaseOutcome
from probe.model.words import Check, Failure, SkipReason
from probe.rehearsal.account import Account
from probe.rehearsal.child import Child
from probe.rehearsal.last_words import ending, telling_line
from probe.rehearsal.messages import BEAT_S, Event
from probe.rehearsal.request import StartupRequest
from probe.rehearsal.secrets import secrets

CHILD_START_S = 60.0
"""What the child gets for its imports: seconds on a small machine without compiled bytecode."""
OVERDUE_S = 0.25
"""A phase that outlives its budget by so much is not going to say that it did."""
GOODBYE_S = 1.0
"""What a child that is done gets to be gone."""
RELEASE_S = 2.0
"""How long killing the child may take."""

Started = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    request: StartupRequest
    start_delay_s: float
    started: Started
    budget_s: float
    child_start_s: float
    redaction: Redaction


def series(
    request: StartupRequest,
    *,
    start_delay_s: float,
    started: Started = lambda _phase: None,
    child_start_s: float = CHILD_START_S,
    redaction: Redaction | None = None,
) -> tuple[Series, ...]:
    """One rehearsal. ``started`` hears the name of each phase as it begins, on the series' own thread.

    Where the child was later than ``start_delay_s`` in a phase that did not complete, the rehearsal is not
    to be believed. ``redaction`` is the run's own, if there is one: it learns the start-up's secrets.
    """
    budget_s = child_start_s + sum(phase.budget_s + OVERDUE_S for phase in request.phases)
    redaction = redaction or Redaction()
    for secret in secrets(request, os.environ):
        redaction.add(secret)
    order = _Order(
        request=request,
        start_delay_s=start_delay_s,
        started=started,
        budget_s=budget_s,
        child_start_s=child_start_s,
        redaction=redaction,
    )
    return (
        Series(
            check=Check.STARTUP,
            target=request.target.name,
            path=request.path,
            dial=partial(_rehearse, order),
            budget_s=budget_s,
            redaction=redaction,
            release_s=RELEASE_S,
        ),
    )


def _rehearse(order: _Order, trace: Trace, _concessions: Concessions) -> None:
    """Supervise one child until it has told its end, or has to be ended; ``trace.result`` is current."""
    deadline = Deadline.after(order.budget_s)
    with Child("startup", order.request) as child:
        account = Account(
            order.request.phases,
            origin_ns=trace.started_ns - trace.span().started_ns,
            spawned_ns=child.started_ns,
            start_delay_s=order.start_delay_s,
        )
        try:
            for event in child.events(deadline, trace.stopped):
                _take_in(order, account, event)
                trace.result = account.rehearsal(time.monotonic_ns())
                if account.exit_code is not None or (event is None and _hangs(order, account, child, trace)):
                    break
            if account.exit_code is not None:  # it is about to end by itself: in good order, if it can
                deque(child.events(Deadline.after(GOODBYE_S), trace.stopped), maxlen=0)
            _judge(order, account, child, trace)
        finally:
            child.kill()
            trace.result = account.rehearsal(time.monotonic_ns())


def _take_in(order: _Order, account: Account, event: Event | None) -> None:
    if event is None:
        return
    account.hear(event)
    if event.kind == "phase_started":
        order.started(account.under_way)


def _hangs(order: _Order, account: Account, child: Child, trace: Trace) -> bool:
    """Whether it has outlived what it may take now, also with what it said while we did not get to run."""
    if not _overdue(order, account, child):
        return False
    for event in child.events(Deadline.after(0), trace.stopped):
        _take_in(order, account, event)
    return account.exit_code is not None or _overdue(order, account, child)


def _overdue(order: _Order, account: Account, child: Child) -> bool:
    now_ns = time.monotonic_ns()
    if not account.ready:
        return now_ns - child.started_ns > order.child_start_s * 1e9
    return account.overdue_s(now_ns) > OVERDUE_S


def _judge(order: _Order, account: Account, child: Child, trace: Trace) -> None:
    """How it ended.

    Raises StageFailure where the application would not start, Skipped where it was cut off, RuntimeError
    where the probe itself went wrong.
    """
    if account.exit_code is not None:
        _as_it_said(account, account.exit_code)
    elif trace.stopped.is_set():
        raise Skipped(SkipReason.INTERRUPTED)
    elif child.exit_code() is not None:
        raise _crash(order, account, _obituary(child))
    else:
        _end(order, account, child)


def _obituary(child: Child) -> str:
    """All that it said, and in one line at the end how it ended and why."""
    words = child.last_words()
    why = telling_line(words) or "it said nothing"
    end = f"the rehearsal's process {ending(child.exit_code() or 0)}: {why}"
    return f"{words}\n{end}" if "\n" in words else end


def _as_it_said(account: Account, exit_code: int) -> None:
    rehearsal = account.rehearsal(time.monotonic_ns())
    ended_by = rehearsal.ended_by
    if exit_code == DETERMINISTIC_FAILURE and ended_by and ended_by.failure and ended_by.error:
        raise StageFailure(ended_by.failure, ended_by.error)
    if exit_code:
        crashed = (phase for phase in rehearsal.phases if phase.outcome is PhaseOutcome.CRASHED)
        said = next((phase.error.message for phase in crashed if phase.error), "it said nothing")
        raise RuntimeError(f"the rehearsal itself went wrong: {said}")


def _end(order: _Order, account: Account, child: Child) -> None:
    """The child does not end by itself: it hangs, and what hangs is the phase, or it does not get to run."""
    now_ns = time.monotonic_ns()
    silent_s = (now_ns - child.heard_ns) / 1e9 - BEAT_S
    child.kill()
    if not account.ready:
        raise _crash(order, account, f"not ready within {order.child_start_s:g} s: {child.last_words()}")
    if silent_s > order.start_delay_s:
        account.silent_for(silent_s)
        raise _crash(order, account, f"the rehearsal's process did not get to run for {silent_s:.3g} s")
    phase = account.under_way
    error = ErrorFacts(
        type="TimeoutError", message=f"{phase}: not done within its budget, and not to be ended"
    )
    account.end(now_ns, PhaseOutcome.TIMED_OUT, Failure.TIMEOUT, error)
    if account.rehearsal(now_ns).ended_by is None:  # the phases behind could have begun, and did not
        raise RuntimeError(error.message)
    raise StageFailure(Failure.TIMEOUT, error)


def _crash(order: _Order, account: Account, message: str) -> RuntimeError:
    """The probe's own fault, as the record and as the exception tell it."""
    error = order.redaction.clean(ErrorFacts(type="probe", message=message))
    account.end(time.monotonic_ns(), PhaseOutcome.CRASHED, None, error)
    return RuntimeError(error.message)
