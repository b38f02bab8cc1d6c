"""One point of a series, as a plain value."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from probe.sinks.metric import DURATION_BOUNDS_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Durations in seconds, in the buckets of ``DURATION_BOUNDS_S``."""

    count: int
    mean: float
    sum_of_squared_deviation: float
    bucket_counts: tuple[int, ...]
    """The first for what is below the first bound, the last for what is not below the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One point of one series."""

    metric: str
    """Its name in the catalogue."""
    labels: Mapping[str, str]
    value: int | float | Distribution


def distribution(durations_s: Sequence[float]) -> Distribution:
    """The distribution of at least one duration."""
    buckets = Counter(bisect_right(DURATION_BOUNDS_S, duration_s) for duration_s in durations_s)
    mean = fsum(durations_s) / len(durations_s)
    return Distribution(
        count=len(durations_s),
        mean=mean,
        sum_of_squared_deviation=fsum((duration_s - mean) ** 2 for duration_s in durations_s),
        bucket_counts=tuple(buckets[bucket] for bucket in range(len(DURATION_BOUNDS_S) + 1)),
    )


def point(metric: str, value: float | Distribution, **labels: str) -> Series:
    """A point, its labels in the catalogue's words but for ``profile``, which every metric has."""
    return Series(metric=metric, labels=labels, value=value)
