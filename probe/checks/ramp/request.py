"""What a ramp is asked to do, and how large the workload of each check is."""

from collections.abc import Callable
from dataclasses import dataclass

from probe.dial.paths import Equipment
from probe.model.application import Application, Pool
from probe.model.ramp import Saturation
from probe.model.target import Target
from probe.model.words import Check, Path

Stepped = Callable[[Check, str, int, int | None], None]
"""The check, the target's name, connections held, slots left to others (None: nobody can tell)."""

MOST_SATURATION_HOLD_S = 2.0
"""Whatever the settings say."""
MOST_INSTANCES = 200
"""Of a herd: each is a thread and a pool of ours."""


def _unseen(*_state: object) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One ramp at one target over one path."""

    check: Check
    """``pool``, ``capacity`` or ``herd``."""
    target: Target
    path: Path
    application: Application
    pool: Pool
    saturation: Saturation = Saturation.GUARDED
    equipment: Equipment
    sqladmin_endpoint: str = ""
    metadata_expected: bool = False
    stepped: Stepped = _unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The application's demand: so many pools of this size, and so many workers that want a connection."""

    workers: int
    pools: int
    pool_size: int
    max_overflow: int
    first_query: bool = False
    """Whether a worker has its connection only when the first query is answered."""

    @property
    def wanted(self) -> int:
        """Connections that are opened if nothing keeps the workers from it."""
        return min(self.workers, self.pools * (self.pool_size + self.max_overflow))


def workload(check: Check, application: Application, pool: Pool) -> Workload:
    """``pool``: one instance of the application; ``capacity``: a burst; ``herd``: every instance at once.

    A herd is of 200 instances at most, and wants as many connections.
    """
    size, overflow = application.pool_size, application.max_overflow
    if check is Check.HERD:
        instances = min(application.max_instances, MOST_INSTANCES)
        return Workload(
            workers=instances, pools=instances, pool_size=size, max_overflow=overflow, first_query=True
        )
    if check is Check.CAPACITY:
        count = pool.capacity_connections
        return Workload(workers=count, pools=1, pool_size=count, max_overflow=0)
    return Workload(workers=pool.workers, pools=1, pool_size=size, max_overflow=overflow)
