"""The points of rehearsed start-ups and of pools that were filled. What never began writes none."""

from collections.abc import Iterable, Iterator
from itertools import chain

from probe.model.observation import Observation
from probe.model.ramp import Limits, Ramp
from probe.model.rehearsal import PhaseOutcome, Rehearsal
from probe.sinks.figures import connects, least_free, ramps, rehearsals, used_before, waits
from probe.sinks.point import Series, point

MEASURED = frozenset({PhaseOutcome.COMPLETED, PhaseOutcome.FAILED, PhaseOutcome.TIMED_OUT})
"""A phase that ended so was begun, and it was the application's own time that passed in it."""


def application_points(counted: Iterable[Observation]) -> Iterator[Series]:
    """The points of all rehearsals and ramps; of what was measured twice those of the last one."""
    observations = list(counted)
    started = {item.target: result for item, result in rehearsals(observations)}
    filled = {(item.target, item.check): result for item, result in ramps(observations)}
    # Of several ramps the first reading counts: none of ours had disturbed the server before it.
    read = {
        item.target: (used, result.limits)
        for item, result in reversed(ramps(observations))
        if (used := used_before(result)) is not None
    }
    yield from chain.from_iterable(_startup(result, target) for target, result in started.items())
    yield from chain.from_iterable(_pool(result, *key) for key, result in filled.items())
    yield from chain.from_iterable(_server(*reading, target) for target, reading in read.items())


def _startup(item: Rehearsal, target: str) -> Iterator[Series]:
    if item.overloaded:
        return
    if item.child_start_s is not None:
        yield point("startup_child_start", item.child_start_s, target=target)
    begun = [phase for phase in item.phases if phase.span]
    for phase in begun:
        if phase.span and phase.share is not None and phase.outcome in MEASURED:
            labels = {"target": target, "phase": phase.name}
            yield point("startup_phase_duration", phase.span.duration_s, **labels)
            yield point("startup_phase_budget_ratio", phase.share, **labels)
    if begun and item.exit_code is not None:
        yield point("startup_exit_code", item.exit_code, target=target)
        if all(phase.outcome in MEASURED for phase in begun):
            yield point("startup_duration", item.total_s, target=target)


def _pool(item: Ramp, target: str, check: str) -> Iterator[Series]:
    if item.stopped is None or item.overloaded:
        return
    waited = waits(item)
    values = {
        "pool_connections_held": item.held,
        "pool_connections_free_min": least_free(item),
        "pool_wait_max": waited.max_s,
        "pool_wait_median": waited.median_s,
        "pool_connect_median": connects(item).median_s,
        "pool_refused": waited.refused,
        "pool_timed_out": waited.timed_out,
        "pool_recovery": item.recovery_s,
    }
    for metric, value in values.items():
        if value is not None:
            yield point(metric, value, target=target, check=check)


def _server(used: int, limits: Limits | None, target: str) -> Iterator[Series]:
    yield point("server_connections_used", used, target=target)
    if limits is not None:
        yield point("server_connections_limit", limits.usable, target=target)
    if limits is not None and limits.usable > 0:
        yield point("server_connections_ratio", used / limits.usable, target=target)
