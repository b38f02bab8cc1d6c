"""What the parent asks of a load, and the words that both sides use."""

from dataclasses import dataclass

from probe.dial.parameters import Known
from probe.rehearsal.way import WayIn

ALONE_S = 3.0
"""A child that hears nothing for so long lets go by itself: its parent may be frozen."""
EXIT_ALONE = 77
"""How it ends then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """The pools to fill. Goes to the child over its standard input, never elsewhere."""

    way: WayIn
    known: Known
    """Which start-up parameters the server is known to know."""
    pools: int
    pool_size: int
    max_overflow: int
    wait_s: float
    """How long a worker waits for a pooled connection."""
    recycle_s: float
    pre_ping: bool
    first_query: bool
    metadata_expected: bool

    @property
    def capacity(self) -> int:
        """The most connections that all pools together open."""
        return self.pools * (self.pool_size + self.max_overflow)
