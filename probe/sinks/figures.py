"""What follows from the raw points of a rehearsal or a ramp: the same figures for every sink."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from probe.model.observation import Observation
from probe.model.ramp import AcquisitionOutcome, Canary, Ramp, RampStep
from probe.model.rehearsal import Rehearsal

CENSORED = frozenset({AcquisitionOutcome.TIMED_OUT, AcquisitionOutcome.CUT_OFF})
"""Who ended so waited at least so long; how long it would have been, nobody knows."""
ENDED_BY_ERROR = frozenset({AcquisitionOutcome.REFUSED, AcquisitionOutcome.FAILED})
"""Who ended so waits no more and has nothing: no figure of a wait for a connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long workers waited for a connection. Median and maximum leave out those that an error ended."""

    n: int
    acquired: int
    timed_out: int
    refused: int
    failed: int
    cut_off: int
    censored: int
    """Of ``n``, those that waited at least as long as was seen: timed out or cut off."""
    median_s: float | None
    median_at_least: bool
    """A censored wait is among those that make the median: it is a lower bound."""
    max_s: float | None
    max_at_least: bool
    """Some waits are censored: the longest is a lower bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connects:
    """How long opening new connections took."""

    n: int
    median_s: float | None
    max_s: float | None


def waits(ramp: Ramp) -> Waits:
    """The figures of every wish that was uttered, from the instant at which it was meant to be."""
    counts = Counter(item.outcome for item in ramp.acquisitions)
    waiting = [item for item in ramp.acquisitions if item.outcome not in ENDED_BY_ERROR]
    waits_s = sorted(item.wait_s for item in waiting)
    bounds_s = [item.wait_s for item in waiting if item.outcome in CENSORED]
    upper_middle_s = waits_s[len(waits_s) // 2] if waits_s else 0.0
    return Waits(
        n=len(ramp.acquisitions),
        acquired=counts[AcquisitionOutcome.ACQUIRED],
        timed_out=counts[AcquisitionOutcome.TIMED_OUT],
        refused=counts[AcquisitionOutcome.REFUSED],
        failed=counts[AcquisitionOutcome.FAILED],
        cut_off=counts[AcquisitionOutcome.CUT_OFF],
        censored=len(bounds_s),
        median_s=median(waits_s) if waits_s else None,
        median_at_least=any(bound_s <= upper_middle_s for bound_s in bounds_s),
        max_s=max(waits_s, default=None),
        max_at_least=bool(bounds_s),
    )


def connects(ramp: Ramp) -> Connects:
    """The figures of every connection that was opened."""
    opened_s = [item.connect_s for item in ramp.acquisitions if item.connect_s is not None]
    return Connects(
        n=len(opened_s),
        median_s=median(opened_s) if opened_s else None,
        max_s=max(opened_s, default=None),
    )


def free_before(ramp: Ramp) -> int | None:
    """Slots that others left at the first reading, our own session not counted; None: nobody could tell."""
    return ramp.limits.usable - ramp.before.others if ramp.before and ramp.limits else None


def used_before(ramp: Ramp) -> int | None:
    """Client connections at the first reading, ours included; None: nobody could tell."""
    return ramp.before.others + ramp.before.ours if ramp.before else None


def least_free(ramp: Ramp) -> int | None:
    """The fewest slots that were ever left to others; None: nobody could tell."""
    first = ramp.before.free(ramp.limits) if ramp.before and ramp.limits else None
    readings = (first, *(step.free for step in ramp.steps))
    return min((free for free in readings if free is not None), default=None)


def canary_of(step: RampStep, ramp: Ramp) -> Canary | None:
    """The last login beside the ramp at this height; None: there was none."""
    return next((canary for canary in reversed(ramp.canaries) if canary.held == step.held), None)


def rehearsals(observations: Iterable[Observation]) -> list[tuple[Observation, Rehearsal]]:
    """The start-ups that were rehearsed, in order."""
    return [(item, item.result) for item in observations if isinstance(item.result, Rehearsal)]


def ramps(observations: Iterable[Observation]) -> list[tuple[Observation, Ramp]]:
    """The pools that were filled, in order."""
    return [(item, item.result) for item in observations if isinstance(item.result, Ramp)]
