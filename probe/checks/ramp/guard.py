"""How many connections a ramp may hold: pure arithmetic over what the server told."""

import math
from dataclasses import dataclass, replace

from probe.model.ramp import Headroom, Limits, StopReason

OUR_CANARY = 1
A_STRANGER = 1
"""Room for one login that passes between two readings, and that no reading shows."""
PASSING_S = 0.1
"""How long such a login is taken to last: where many come in a second, several are there at once."""
MOST_STRANGERS = 10

Bound = tuple[int, StopReason]
"""How many, and what keeps it to that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The most that others had at once, of all readings so far: what was taken before may be taken again."""

    others: int = 0
    role: int = 0
    """Of our role."""
    database: int = 0
    """In the application's database."""
    logins_per_s: float = 0.0

    def and_now(self, headroom: Headroom, *, ours_in_database: int, logins_per_s: float) -> "Seen":
        """With one more reading."""
        return replace(
            self,
            others=max(self.others, headroom.others),
            role=max(self.role, headroom.role - headroom.ours),
            database=max(self.database, headroom.database - ours_in_database),
            logins_per_s=max(self.logins_per_s, logins_per_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What the server allows, and what of it is left to others.

    The server's slots and the database's limit are shared with the application. So is the role's, as no
    reading tells whose a role is (an application that is scaled to zero has no session): only a role that
    the settings call ours may be used up.
    """

    limits: Limits
    keep_free: int
    own_role: bool
    elsewhere: int
    """How many connections of ours are in another database than the application's."""

    def allowed(self, seen: Seen) -> Bound:
        """How many connections of ours there may be: the pool's, those being opened, and the control's."""
        limits = self.limits
        reserve = self.keep_free + OUR_CANARY + strangers(seen.logins_per_s)
        bounds = [(limits.usable - seen.others - reserve, StopReason.KEEP_FREE)]
        if limits.role_limit is not None:
            kept = OUR_CANARY if self.own_role else reserve
            bounds.append((limits.role_limit - seen.role - kept, StopReason.ROLE_LIMIT))
        if limits.database_limit is not None:
            left = limits.database_limit - seen.database - reserve
            bounds.append((left + self.elsewhere, StopReason.DATABASE_LIMIT))
        least, reason = _least(bounds)
        return max(0, least), reason

    def free(self, headroom: Headroom, *, known: int) -> int:
        """Slots of the server that are left to others; ``known``: what we know to have or to be opening."""
        return headroom.free(self.limits) - _unseen(headroom, known)

    def spare(self, headroom: Headroom, *, known: int) -> Bound:
        """How many more could be taken until others lack what is theirs; below zero: they do."""
        limits, unseen = self.limits, _unseen(headroom, known)
        bounds = [(self.free(headroom, known=known) - self.keep_free, StopReason.KEEP_FREE)]
        if limits.role_limit is not None:
            kept = 0 if self.own_role else self.keep_free
            bounds.append((limits.role_limit - headroom.role - unseen - kept, StopReason.ROLE_LIMIT))
        if limits.database_limit is not None:
            left = limits.database_limit - headroom.database - unseen
            bounds.append((left - self.keep_free, StopReason.DATABASE_LIMIT))
        return _least(bounds)


def strangers(logins_per_s: float) -> int:
    """Room for logins that pass between two readings."""
    passing = math.ceil(min(logins_per_s * PASSING_S, MOST_STRANGERS))
    return max(A_STRANGER, passing)


def _unseen(headroom: Headroom, known: int) -> int:
    """Connections of ours that the reading does not show yet."""
    return max(0, known - headroom.ours)


def _least(bounds: list[Bound]) -> Bound:
    return min(bounds, key=lambda bound: bound[0])
