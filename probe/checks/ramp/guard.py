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


def strangers(logins_per_s: float) -> int:
    """Room for logins that pass between two readings."""
    passing = math.ceil(min(logins_per_s * PASSING_S, MOST_STRANGERS))
    return max(A_STRANGER, passing)


def allowed(limits: Limits, seen: Seen, *, keep_free: int, elsewhere: int) -> tuple[int, StopReason]:
    """How many connections of ours there may be, and what keeps it to that.

    All of ours count: the pool's, those being opened, and the control connection. ``elsewhere``: how many of
    them are in another database than the application's. A database's limit is shared with the application, a
    role's with whoever else uses the role: these keep their free slots as well. Of a role that nobody else
    uses only the canary's is kept.
    """
    reserve = keep_free + OUR_CANARY + strangers(seen.logins_per_s)
    bounds = [(limits.usable - seen.others - reserve, StopReason.KEEP_FREE)]
    if limits.role_limit is not None:
        kept = reserve if seen.role > 0 else OUR_CANARY
        bounds.append((limits.role_limit - seen.role - kept, StopReason.ROLE_LIMIT))
    if limits.database_limit is not None:
        left = limits.database_limit - seen.database - reserve
        bounds.append((left + elsewhere, StopReason.DATABASE_LIMIT))
    least, reason = min(bounds, key=lambda bound: bound[0])
    return max(0, least), reason


def free(limits: Limits, headroom: Headroom, *, known: int) -> int:
    """Slots that are left to others, given how many connections we know that we have or are opening."""
    return limits.usable - headroom.others - max(headroom.ours, known)
