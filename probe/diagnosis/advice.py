"""What a ramp says about the full pool though it was never filled: whether it fits now, and what would."""

from collections.abc import Iterator

from probe.diagnosis.rooms import Room, advised, rooms
from probe.diagnosis.seen import Seen, overloaded
from probe.diagnosis.sentences import seconds
from probe.model.application import Application
from probe.model.ramp import Ramp
from probe.model.words import Check


def advice(seen: Seen) -> tuple[str, ...]:
    """One sentence for each pool whose room was read. No finding: it never says that something is wrong."""
    return tuple(
        sentence
        for target in seen.question.targets
        for observation in seen.ramps(target.name)
        if observation.check is Check.POOL and isinstance(observation.result, Ramp)
        for sentence in _of_pool(seen, target.name, observation.result, believed=not overloaded(observation))
    )


def _of_pool(seen: Seen, target: str, ramp: Ramp, *, believed: bool) -> Iterator[str]:
    if ramp.limits is None or ramp.before is None:
        return
    application = seen.question.application
    known = rooms(ramp.limits, ramp.before, seen.database(target))
    sentence = f"{target}: the pool's {application.pool_connections} connections {_fits(application, known)}"
    advises = advised(ramp, application, seen.database(target))
    yield f"{sentence}{_connects(ramp) if believed else ''}; {advises}"


def _fits(application: Application, known: tuple[Room, ...]) -> str:
    wanted = application.pool_connections
    lowest, scarcest = min(known, key=lambda room: room.limit), min(known, key=lambda room: room.free)
    if wanted > lowest.limit:
        return f"can never fit: the server has {lowest.unit}"
    fits = "would fit" if wanted <= scarcest.free else "would not fit"
    return f"{fits} now ({scarcest.free} of {scarcest.unit} are free)"


def _connects(ramp: Ramp) -> str:
    """Connect time against connections held, at both ends of the ramp."""
    steps = [(step.held, step.connect_median_s) for step in ramp.steps if step.connect_median_s is not None]
    if not steps:
        return ""
    (first, first_s), (last, last_s) = steps[0], steps[-1]
    at_the_end = f", {seconds(last_s)} at {last}" if last != first else ""
    return f"; connecting took {seconds(first_s)} at {first} held{at_the_end}"
