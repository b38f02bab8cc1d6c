"""A pool that was filled: how far and why no further, step by step, and how long workers waited."""

from collections.abc import Iterable, Iterator, Mapping

from rich.text import Text

from probe.model.observation import Observation
from probe.model.ramp import Canary, Ramp, RampStep, StopReason
from probe.model.words import Check
from probe.sinks.bars import slots
from probe.sinks.figures import canary_of, connects, free_before, waits
from probe.sinks.text import printable
from probe.sinks.wording import Glyphs, Line, attempt, figure, indented, said, told, where

POOLS = (Check.POOL, Check.CAPACITY, Check.HERD)
LEAST_BAR_CELLS = 8
FIGURE_CELLS = 7
MOST_NAMES = 6
LONGEST_NAME = 40

STOPS: Mapping[StopReason, str] = {
    StopReason.COMPLETE: "all that was wanted",
    StopReason.KEEP_FREE: "stopped to keep {keep_free} slots free",
    StopReason.ROLE_LIMIT: "stopped at the role's own limit of {role_limit}",
    StopReason.DATABASE_LIMIT: "stopped at the database's limit of {database_limit}",
    StopReason.REFUSED: "stopped when the server refused one",
    StopReason.CANARY_FAILED: "stopped because a login beside it did not get through",
    StopReason.SLOWER: "stopped because connecting took twice as long as at its best",
    StopReason.FAILED: "stopped because a connection failed",
    StopReason.CONTROL_LOST: "stopped because the control connection ended",
    StopReason.OVERLOADED: "stopped because the probe itself was too slow",
    StopReason.BUDGET: "stopped because its time was used up",
    StopReason.UNGUARDED: "stopped because the server would not let go of a frozen probe's connections",
}


def pools(observations: Iterable[Observation], check: Check, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """Every ramp of one check."""
    items = [item for item in observations if item.check is check]
    for place, item in enumerate(items):
        if place:
            yield Text()
        if isinstance(item.result, Ramp) and item.result.stopped is not None:
            yield Text.assemble((where(item), "bold"), f": {_answer(item.result, item.result.stopped)}")
            yield from _ramp(item.result, width, glyphs)
        else:
            yield Text.assemble((where(item), "bold"), f": {attempt(item)}")
            if isinstance(item.result, Ramp):
                yield from _surroundings(item.result)


def _answer(ramp: Ramp, stopped: StopReason) -> str:
    limits = ramp.limits
    why = STOPS[stopped].format(
        keep_free=ramp.keep_free,
        role_limit=limits.role_limit if limits else "?",
        database_limit=limits.database_limit if limits else "?",
    )
    return f"held {ramp.held} of {ramp.wanted} wanted, {ramp.saturation}: {why}"


def _ramp(ramp: Ramp, width: int, glyphs: Glyphs) -> Iterator[Line]:
    if ramp.error:
        yield indented(Text(told(ramp.error), style="dim"), 6)
    yield from _surroundings(ramp)
    digits = len(str(ramp.held))
    for step in ramp.steps:
        yield from _step(step, ramp, digits, width, glyphs)
    yield indented(Text(_waits(ramp)), 4)
    yield indented(_release(ramp), 4)
    yield from _own_faults(ramp)


def _surroundings(ramp: Ramp) -> Iterator[Line]:
    if ramp.limits:
        kept = ramp.limits.superuser_reserved + ramp.limits.reserved
        words = [
            f"limits: {ramp.limits.usable} slots usable of {ramp.limits.max_connections} ({kept} reserved)"
        ]
        if ramp.before:
            words.append(f"{ramp.before.others} used by others, {free_before(ramp)} free before")
        words += [
            f"{name} limit {most}"
            for name, most in (("role", ramp.limits.role_limit), ("database", ramp.limits.database_limit))
            if most is not None
        ]
        yield indented(Text("; ".join(words)), 4)
    if ramp.crowd:
        names = [f"{printable(name, LONGEST_NAME) or '(no name)'} {count}" for name, count in ramp.crowd]
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        yield indented(Text(f"connected: {', '.join(names[:MOST_NAMES])}{more}", style="dim"), 4)


def _step(step: RampStep, ramp: Ramp, digits: int, width: int, glyphs: Glyphs) -> Iterator[Line]:
    canary = canary_of(step, ramp)
    failed = canary is not None and canary.failure is not None
    free = "free unknown" if step.free is None else f"{step.free:>{max(digits, 2)}} free"
    start = Text.assemble(
        (f"  {glyphs.failed if failed else ' '} ", "bold red"),
        f"step {step.number:>2}  held {step.held:>{digits}}, {free}",
    )
    connect = "" if step.connect_median_s is None else figure(step.connect_median_s)
    end = Text(f"  connect {connect:>{FIGURE_CELLS}}" if connect else "")
    end.append(_canary(canary), style="bold red" if failed else "")
    cells = width - start.cell_len - 2 - end.cell_len
    if ramp.limits and step.free is not None and cells >= LEAST_BAR_CELLS:
        usable = ramp.limits.usable
        bar = slots(usable - step.free - step.held, step.held, usable, min(cells, max(usable, 1)), glyphs)
        start.append(f"  {bar}", style="green")
    yield start.append(end)
    if canary and canary.error:
        yield indented(Text(told(canary.error), style="dim"), 6)


def _canary(canary: Canary | None) -> str:
    if canary is None:
        return ""
    why = f" {said(canary.failure)}" if canary.failure else ""
    return f"  canary {figure(canary.span.duration_s):>{FIGURE_CELLS}}{why}"


def _waits(ramp: Ramp) -> str:
    waited, opened = waits(ramp), connects(ramp)
    counts = {
        "acquired": waited.acquired,
        "timed out": waited.timed_out,
        "refused": waited.refused,
        "failed": waited.failed,
        "cut off": waited.cut_off,
    }
    words = [f"{waited.n} of {ramp.workers} workers" if waited.n != ramp.workers else f"{waited.n} workers"]
    words += [f"{count} {name}" for name, count in counts.items() if count]
    times = [
        _bounded("median", waited.median_s, at_least=waited.median_at_least),
        _bounded("max", waited.max_s, at_least=waited.max_at_least),
    ]
    shown = [f"waits: {', '.join(words)}", ", ".join(filter(None, times))]
    if opened.median_s is not None and opened.max_s is not None:
        shown.append(f"{opened.n} connects, median {figure(opened.median_s)}, max {figure(opened.max_s)}")
    return "; ".join(filter(None, shown))


def _bounded(name: str, value_s: float | None, *, at_least: bool) -> str:
    if value_s is None:
        return ""
    return f"{name} at least {figure(value_s)}" if at_least else f"{name} {figure(value_s)}"


def _release(ramp: Ramp) -> Text:
    words = []
    if ramp.recovery_s is not None:
        words.append(f"recovery {figure(ramp.recovery_s)} after release")
    if ramp.released_s is not None:
        words.append(f"all closed {figure(ramp.released_s)} after release")
    left = "nobody could tell what was left behind"
    words.append(left if ramp.left_behind is None else f"{ramp.left_behind} left behind")
    return Text("; ".join(words), style="bold red" if ramp.left_behind else "")


def _own_faults(ramp: Ramp) -> Iterator[Line]:
    if ramp.parameters_refused:
        yield indented(Text("the server did not know all start-up parameters; connected without those"), 4)
    if ramp.overloaded:
        text = f"the probe itself was too slow, it did not get to run for {figure(ramp.lag_s)}: not believed"
        yield indented(Text(text, style="bold magenta"), 4)
