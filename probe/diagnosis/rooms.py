"""How many connections there are for a pool, and who has them: arithmetic on what the server says."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import floor

from probe.model.application import Application
from probe.model.ramp import Headroom, Limits, Ramp

MAX_HOLDERS = 5
CONTROL_DATABASE = "postgres"
"""Where the ramp's control connection is, whatever the application's database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A limit that the application's connections must keep, and what others have of it."""

    limit: int
    taken: int
    said: str
    """How the limit is worked out."""
    unit: str
    """What is limited."""

    @property
    def free(self) -> int:
        """What is left; the probe's own connections pass and are not counted."""
        return max(0, self.limit - self.taken)

    @property
    def share(self) -> float:
        """Of the limit that is in use; a limit of nothing is used up."""
        return self.taken / self.limit if self.limit > 0 else 1.0


def rooms(limits: Limits, before: Headroom, database: str) -> tuple[Room, ...]:
    """The server's room, and that of the application's ``database`` where it has a limit of its own."""
    reserved = limits.superuser_reserved + limits.reserved
    server = Room(
        limit=limits.usable,
        taken=before.others,
        said=f"max_connections {limits.max_connections} - {reserved} reserved = {limits.usable}",
        unit=f"{limits.usable} usable connections",
    )
    if limits.database_limit is None:
        return (server,)
    elsewhere = database != CONTROL_DATABASE
    of_database = Room(
        limit=limits.database_limit,
        taken=max(0, before.database - max(0, before.ours - elsewhere)),
        said=f"the database's own CONNECTION LIMIT is {limits.database_limit}",
        unit=f"{limits.database_limit} connections that the database's CONNECTION LIMIT allows",
    )
    return server, of_database


def peak_others(ramp: Ramp) -> int:
    """The most connections that others had at once, as far as the ramp's readings tell."""
    return max(_others(ramp), default=0)


def _others(ramp: Ramp) -> Iterator[int]:
    if ramp.before is None or ramp.limits is None:
        return
    yield ramp.before.others
    for step in ramp.steps:
        if step.free is not None:
            yield ramp.limits.usable - step.free - step.held - ramp.before.ours


def advised(ramp: Ramp, application: Application, database: str) -> str:
    """The pool that would fit the scarcest room, given what was seen. Empty where nothing was."""
    if ramp.limits is None or ramp.before is None:
        return ""
    server, *of_database = rooms(ramp.limits, ramp.before, database)
    seen = (replace(server, taken=peak_others(ramp)), *of_database)
    scarcest = min(seen, key=lambda room: room.free)
    margin, instances = application.capacity_safety_margin, application.max_instances
    each = floor(round(scarcest.free * margin / instances, 6))
    return (
        f"from what was seen, at most {each} connection{'s' * (each != 1)} an instance: "
        f"({scarcest.limit} - {scarcest.taken} of others) x {margin:g}"
        f" / {instances} instance{'s' * (instances != 1)}"
    )


def holders(ramp: Ramp) -> str:
    """``backend 15, psql 1``: who has connections. Empty: nobody, or it is not known."""
    return ", ".join(f"{name or 'unnamed'} {count}" for name, count in ramp.crowd[:MAX_HOLDERS])
