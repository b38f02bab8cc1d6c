"""Whether the application's pool fits the server: by its limits, and by what is free just now."""

from collections.abc import Iterator

from probe.diagnosis.rooms import Room, advised, holders, rooms
from probe.diagnosis.seen import Seen, finding, overloaded
from probe.model.application import Application
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.ramp import Ramp
from probe.model.report import Finding


def room_findings(seen: Seen, target: str) -> Iterator[Finding]:
    """Once for a target, by the first reading of its first ramp: all of them read the same server."""
    for observation in seen.ramps(target):
        ramp = observation.result
        if isinstance(ramp, Ramp) and ramp.limits and ramp.before and not overloaded(observation):
            known = rooms(ramp.limits, ramp.before, seen.database(target))
            yield from _limits(seen, observation, ramp, known)
            yield from _now(seen, observation, ramp, known)
            yield from _role(seen, observation, ramp)
            return


def _limits(seen: Seen, observation: Observation, ramp: Ramp, known: tuple[Room, ...]) -> Iterator[Finding]:
    """The pool of one instance, and those of all, against the limit that is the lowest."""
    application, name = seen.question.application, observation.target
    pool, instances = application.pool_connections, application.max_instances
    lowest = min(known, key=lambda room: room.limit)
    advice = advised(ramp, application, seen.database(name))
    if pool > lowest.limit:
        yield finding(
            Cause.POOL_EXCEEDS_SERVER_LIMIT,
            name,
            f"{name}: {_pool(application)} connections of one instance, but {lowest.said}; {advice}",
            [observation.id],
        )
    if instances > 1 and instances * pool > lowest.limit:
        yield finding(
            Cause.FLEET_EXCEEDS_SERVER_LIMIT,
            name,
            f"{name}: max_instances {instances} x {pool} = {instances * pool} connections, "
            f"but {lowest.said}; {advice}",
            [observation.id],
        )


def _now(seen: Seen, observation: Observation, ramp: Ramp, known: tuple[Room, ...]) -> Iterator[Finding]:
    """What others hold just now: pressure, or merely too little for one more pool; never both.

    A pool that never fits is no news about now: there only the share that is in use counts.
    """
    application, name = seen.question.application, observation.target
    pool, ratio = application.pool_connections, seen.question.thresholds.connections_ratio
    tight = min(known, key=lambda room: room.free)
    fits_never, fits_now = pool > min(room.limit for room in known), pool <= tight.free
    crowded = next((room for room in known if room.taken > ratio * room.limit), None)
    parts = [f"{crowded.share:.0%} in use (threshold {ratio:.0%})"] if crowded else []
    parts += [] if fits_now else [f"the pool's {pool} do not fit now"]
    if crowded or not (fits_now or fits_never or 2 * tight.taken <= tight.limit):
        cause, room = Cause.CONNECTIONS_UNDER_PRESSURE, crowded or tight
    elif not (fits_now or fits_never):
        cause, room = Cause.POOL_DOES_NOT_FIT_NOW, tight
        parts += [advised(ramp, application, seen.database(name))]
    else:
        return
    sentence = f"{name}: {_taken(room, ramp)}: {room.free} are free, {', '.join(parts)}"
    yield finding(cause, name, sentence, [observation.id])


def _role(seen: Seen, observation: Observation, ramp: Ramp) -> Iterator[Finding]:
    """A limit of the role that the probe logs in as."""
    pool, name = seen.question.application.pool_connections, observation.target
    limit = ramp.limits.role_limit if ramp.limits else None
    if limit is None or limit >= pool:
        return
    role = next((t.user for t in seen.question.targets if t.name == name and t.user), "")
    yield finding(
        Cause.ROLE_LIMIT_BELOW_POOL,
        name,
        f"{name}: {f'role {role}' if role else 'the role of the probe'} has CONNECTION LIMIT {limit}: ours, "
        f"not the server's; it bounds what this run could try of the pool's {pool}, not the application",
        [observation.id],
    )


def _pool(application: Application) -> str:
    return (
        f"pool_size {application.pool_size} + max_overflow {application.max_overflow}"
        f" = {application.pool_connections}"
    )


def _taken(room: Room, ramp: Ramp) -> str:
    who = holders(ramp)
    return f"{room.taken} of {room.unit} are held by others{f' ({who})' if who else ''}"
