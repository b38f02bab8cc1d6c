"""Whether connecting has become slower: pure arithmetic over the medians of the steps."""

import statistics
from collections.abc import Iterable, Sequence

from probe.model.ramp import Acquisition

SLOWER_RATIO = 2.0
"""Connecting has become slower when its median has doubled; by how much at least, the settings say."""


def median_s(acquisitions: Iterable[Acquisition]) -> float | None:
    """What opening a connection took; None: none was opened."""
    times = [one.connect_s for one in acquisitions if one.connect_s is not None]
    return statistics.median(times) if times else None


def slower(medians_s: Sequence[float | None], *, by_s: float) -> bool:
    """Whether the last step's median is that much above the least before it.

    Not the first step's: on the connector path that one has the Admin API, the certificate and the TLS
    context in it.
    """
    known = [median for median in medians_s if median is not None]
    if len(known) < 2 or medians_s[-1] is None:  # noqa: PLR2004 - two to be compared
        return False
    least, last = min(known[:-1]), known[-1]
    return last > SLOWER_RATIO * least and last - least >= by_s
