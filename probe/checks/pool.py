"""Checks ``pool``, ``capacity`` and ``herd``: filling the application's pools as far as it harms nobody.

A ramp raises what went wrong with the database (StageFailure) or with the probe; a guard that stops it is no
failure, and what it measured stands on the trace.
"""

import time
from dataclasses import replace

from probe.checks.ramp.ascent import Ascent
from probe.checks.ramp.guard import Bound
from probe.checks.ramp.listen import Stop, origin_ns
from probe.checks.ramp.request import Request, Workload, workload
from probe.checks.ramp.watch import CutOff, Entered, Watch
from probe.checks.series import Series
from probe.dial.clock import Trace
from probe.dial.parameters import LET_GO_S, Purpose
from probe.dial.paths import Concessions
from probe.dial.redaction import Redaction
from probe.model.facts import ErrorFacts
from probe.model.ramp import Ramp, Saturation, StopReason
from probe.rehearsal.load_request import LoadRequest
from probe.rehearsal.way import WayIn

RELEASE_S = 3.0
"""What a ramp that is cut off gets to let go."""
LOOK_S = 0.6
"""How long others are watched before the first step: longer than it takes to count their logins."""
STATEMENT_S = 5.0
"""The most that a statement of a pooled connection may take."""

SUPERUSER = "the probe's role is a superuser and would take the reserved slots as well: not saturated"


def series(request: Request) -> Series:
    """One ramp, to be run by itself: a second one at the same instance is told that it is busy."""
    redaction = Redaction()
    redaction.add(request.equipment.password)
    return Series(
        check=request.check,
        target=request.target.name,
        path=request.path,
        dial=lambda trace, concessions: _dial(request, trace, concessions),
        budget_s=request.pool.budget_s,
        redaction=redaction,
        release_s=RELEASE_S,
    )


def _dial(request: Request, trace: Trace, concessions: Concessions) -> None:
    """Raises StageFailure, Skipped; RuntimeError where the probe itself went wrong."""
    work = workload(request.check, request.application, request.pool)
    trace.result = Ramp(
        saturation=request.saturation,
        wanted=work.wanted,
        workers=work.workers,
        keep_free=request.pool.keep_free,
    )
    budget_s = min(request.equipment.timeouts.connection_s, request.pool.budget_s)
    try:
        with Watch(request, concessions, origin_ns=origin_ns(trace), budget_s=budget_s) as watch:
            entered = watch.await_entry(trace.stopped)
            stopped = _ramp(request, work, trace, watch, entered)
    except CutOff:
        return  # what was measured stands on the trace
    if stopped is not None and stopped.failure is not None:
        raise stopped.failure


def _ramp(request: Request, work: Workload, trace: Trace, watch: Watch, entered: Entered) -> Stop | None:
    ramp = _before(request, work, trace, watch, entered)
    no_room = ramp.saturation is Saturation.GUARDED and ramp.allowed < 1
    if no_room or ramp.wanted < 1 or ramp.overloaded:
        trace.result = ramp
        return None
    trace.result = ramp = replace(ramp, stopped=None, left_behind=None)
    load = _load_request(request, work, entered)
    return Ascent(request, work, trace, watch, entered, load, ramp).run()


def _before(request: Request, work: Workload, trace: Trace, watch: Watch, entered: Entered) -> Ramp:
    """The ramp as it stands before the first step; stopped already where there is no room."""
    limits, keep_free = entered.limits, request.pool.keep_free
    first = watch.reading.headroom
    asked_full = request.saturation is Saturation.FULL
    full = asked_full and not entered.parameters_refused and not limits.superuser
    begun_ns = time.monotonic_ns()
    if first.free(limits) > keep_free:  # else leave at once
        trace.stopped.wait(LOOK_S)
    if trace.stopped.is_set():
        raise CutOff
    late_s = (time.monotonic_ns() - begun_ns) / 1e9 - LOOK_S
    overloaded = late_s > request.pool.start_delay_s
    lost = watch.lost
    if lost is not None and not overloaded:  # else it ended because we were away
        raise lost
    room, reason = _room(watch, entered)
    reason = reason if room < 1 else StopReason.COMPLETE
    return Ramp(
        saturation=Saturation.FULL if full else Saturation.GUARDED,
        wanted=work.wanted,
        workers=work.workers,
        keep_free=keep_free,
        limits=limits,
        before=replace(first, leftovers=watch.leftovers),
        allowed=room,
        stopped=StopReason.OVERLOADED if overloaded else reason,
        error=ErrorFacts(type="probe", message=SUPERUSER) if asked_full and limits.superuser else None,
        overloaded=overloaded,
        lag_s=late_s if overloaded else 0.0,
        crowd=entered.crowd,
        parameters_refused=entered.parameters_refused,
        left_behind=None if overloaded else 0,
    )


def _room(watch: Watch, entered: Entered) -> Bound:
    """Connections that the pools may open, beside the control connection and what is still there of ours."""
    count, reason = entered.guard.allowed(watch.seen)
    return max(0, count - max(1, watch.reading.headroom.ours)), reason


def _way_in(request: Request, entered: Entered) -> WayIn:
    return WayIn(
        target=request.target,
        path=request.path,
        run_id=request.equipment.run_id,
        purpose=Purpose(statement_s=STATEMENT_S, idle_s=LET_GO_S),
        password=request.equipment.password,
        login_token=entered.way.login_token,
        host=entered.way.host,
        connector_wait_s=request.application.connector_wait_s,
        sqladmin_endpoint=request.sqladmin_endpoint,
        # pg8000 would make a TLS context for each connection's SSLRequest, 30 ms of CPU: with many at once
        # the probe's own CPU would look like a database that gets slower.
        ssl_request=False,
    )


def _load_request(request: Request, work: Workload, entered: Entered) -> LoadRequest:
    application = request.application
    return LoadRequest(
        way=_way_in(request, entered),
        known=entered.concessions.parameters,
        pools=work.pools,
        pool_size=work.pool_size,
        max_overflow=work.max_overflow,
        wait_s=application.pool_wait_s,
        recycle_s=application.pool_recycle_s,
        pre_ping=application.pool_pre_ping,
        first_query=work.first_query,
        metadata_expected=request.metadata_expected,
    )
