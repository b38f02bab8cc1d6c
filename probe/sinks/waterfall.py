"""Where the time of an attempt went: one line a stage, a bar as long as its share."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.text import Text

from probe.model.observation import Observation, StageRecord
from probe.model.words import Check, Failure, Outcome, Path, SkipReason
from probe.sinks.bars import stretch
from probe.sinks.wording import Glyphs, Line, figure, indented, said, told

NAME_CELLS = 12
FIGURE_CELLS = 9
NOTE_CELLS = 27
LEAST_BAR_CELLS = 10
NOT_REACHED = frozenset({SkipReason.EARLIER_STAGE_FAILED})


def representatives(observations: Iterable[Observation]) -> list[Observation]:
    """Of each target and path the attempt that tells most: the first that failed, else the slowest."""
    measured = [item for item in observations if item.check is Check.CLOUDSQL]
    groups: dict[tuple[str, Path | None], list[Observation]] = {}
    for item in measured:
        groups.setdefault((item.target, item.path), []).append(item)
    return [max(group, key=_weight) for group in groups.values()]


def _weight(item: Observation) -> tuple[bool, bool, float]:
    # `max` takes the first among equals; among failed attempts the first is the one to show.
    bad = item.outcome in (Outcome.FAILED, Outcome.CRASHED)
    return bad, item.outcome is Outcome.PASSED, 0.0 if bad else item.span.duration_s


def waterfall(item: Observation, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """The lines of one attempt, ``width`` cells wide at most where a name is no longer than it should be."""
    for reached, stages in groupby(item.stages, key=lambda stage: stage.skip_reason not in NOT_REACHED):
        if reached:
            for stage in stages:
                yield from _stage(stage, item, width, glyphs)
        else:
            yield Text(f"    not reached: {', '.join(stage.stage for stage in stages)}", style="dim")


def _stage(stage: StageRecord, item: Observation, width: int, glyphs: Glyphs) -> Iterator[Line]:
    if stage.span is None:
        reason = said(stage.skip_reason or stage.outcome)
        yield Text(f"    {stage.stage:<{NAME_CELLS}}skipped: {reason}", style="dim")
        return
    note_cells = 0 if item.outcome is Outcome.PASSED else 2 + NOTE_CELLS
    bar_cells = max(LEAST_BAR_CELLS, width - 4 - NAME_CELLS - 1 - FIGURE_CELLS - note_cells)
    failed = stage.outcome in (Outcome.FAILED, Outcome.CRASHED)
    mark, sign = (glyphs.failed, glyphs.failed_bar) if failed else (" ", glyphs.bar)
    line = Text.assemble(
        (f"  {mark} {stage.stage:<{NAME_CELLS}}", "bold red" if failed else ""),
        (stretch(stage.span, item.span, bar_cells, sign), "red" if failed else "green"),
        f" {figure(stage.span.duration_s):>{FIGURE_CELLS}}",
    )
    yield from _noted(line, _note(stage), width)
    yield from _error(stage)


def _error(stage: StageRecord) -> Iterator[Line]:
    if stage.error is not None:
        yield indented(Text(told(stage.error), style="dim"), 6)


def _note(stage: StageRecord) -> str:
    words = [said(stage.failure or stage.skip_reason or "")]
    if stage.failure is Failure.TIMEOUT and stage.budget_s is not None:
        words.append(f"(budget {stage.budget_s:g} s)")
    return " ".join(word for word in words if word)


def _noted(line: Text, note: str, width: int) -> Iterator[Line]:
    """The note behind the line where it fits, else below it."""
    if not note:
        yield line
    elif line.cell_len + 2 + len(note) <= width:
        yield line.append(f"  {note}", style="bold red")
    else:
        yield line
        yield Text(f"      {note}", style="bold red")
