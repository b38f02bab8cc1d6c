"""The rehearsed start-up: each phase where it happened, the share of its budget, and what follows."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from probe.model.rehearsal import PhaseOutcome, PhaseRecord, Rehearsal, Step
from probe.model.report import ChainLink, LinkState, Report
from probe.model.span import Span
from probe.model.words import Check, Failure
from probe.sinks.bars import gauge, stretch
from probe.sinks.text import printable
from probe.sinks.wording import Glyphs, Line, attempt, figure, indented, said, told, where

FIGURE_CELLS = 8
COMFORTABLE_BAR_CELLS = 14
"""Of both bars together; below that the outcome stands on a line of its own."""
LEAST_BAR_CELLS = 9
LEAST_GAUGE_CELLS = 4
LONGEST_NAME = 40
LINK_CELLS = 18
STATE_CELLS = 12
_BAD = frozenset({PhaseOutcome.FAILED, PhaseOutcome.TIMED_OUT, PhaseOutcome.CRASHED})
_STATE_STYLES = {LinkState.SEEN: "red", LinkState.NOT_SEEN: "green", LinkState.NOT_MEASURED: "dim"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of the waterfall: a phase, or a step of one."""

    name: str
    span: Span
    budget_s: float | None
    ended: str
    bad: bool
    good: bool

    @property
    def share(self) -> str:
        """How much of its budget it used, in words."""
        if self.budget_s is None:
            return ""
        percent = self.span.duration_s / self.budget_s * 100
        shown = "<1" if 0 < percent < 1 else f"{percent:.0f}"
        return f"{shown:>3} % of {self.budget_s:.3g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How many cells each column has, and the time that the whole bar stands for."""

    whole: Span
    name: int
    bar: int
    gauge: int
    share: int
    ended_fits: bool


def startups(report: Report, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """Every rehearsal of the run, then the failure chain where there is one."""
    items = [item for item in report.observations if item.check is Check.STARTUP]
    for place, item in enumerate(items):
        if place:
            yield Text()
        yield Text.assemble((where(item), "bold"), f": {attempt(item)}")
        if isinstance(item.result, Rehearsal):
            yield from _rehearsal(item.result, width, glyphs)
    if report.chain:
        yield Text()
        yield Text("Failure chain", style="bold")
        for link in report.chain:
            yield from _link(link, width, glyphs)


def _rehearsal(item: Rehearsal, width: int, glyphs: Glyphs) -> Iterator[Line]:
    begun = [(phase, phase.span) for phase in item.phases if phase.span]
    if begun:
        whole = Span(started_ns=begun[0][1].started_ns, ended_ns=begun[-1][1].ended_ns)
        groups = [(phase, list(_rows(phase, span))) for phase, span in begun]
        layout = _layout([row for _, rows in groups for row in rows], whole, width)
        for phase, rows in groups:
            yield from (_line(row, layout, glyphs) for row in rows)
            yield from _reason(phase, ended_fits=layout.ended_fits)
    yield from _never_begun(item)
    yield indented(Text(_totals(item)), 4)
    yield from _own_faults(item)


def _rows(phase: PhaseRecord, span: Span) -> Iterator[_Row]:
    yield _Row(
        name=printable(phase.name, LONGEST_NAME),
        span=span,
        budget_s=phase.budget_s,
        ended=said(phase.outcome),
        bad=phase.outcome in _BAD,
        good=phase.outcome is PhaseOutcome.COMPLETED,
    )
    yield from map(_step_row, phase.steps)


def _step_row(step: Step) -> _Row:
    # Why it failed stands below its phase, which ended for that reason.
    failed = "timed out" if step.failure is Failure.TIMEOUT else "failed"
    ended = failed if step.failure else "" if step.finished else "under way"
    return _Row(
        name=f"  {printable(step.name, LONGEST_NAME)}",
        span=step.span,
        budget_s=step.budget_s,
        ended=ended,
        bad=step.failure is not None,
        good=False,
    )


def _layout(rows: list[_Row], whole: Span, width: int) -> _Layout:
    name = max(len(row.name) for row in rows)
    share = max(len(row.share) for row in rows)
    ended = max(len(row.ended) for row in rows)
    room = width - (4 + name + 1) - (1 + 1 + FIGURE_CELLS) - (2 + share)
    ended_fits = room - (2 + ended) >= COMFORTABLE_BAR_CELLS
    room = max(room - (2 + ended) if ended_fits else room, LEAST_BAR_CELLS)
    small = max(room * 2 // 5, LEAST_GAUGE_CELLS)
    return _Layout(whole=whole, name=name, bar=room - small, gauge=small, share=share, ended_fits=ended_fits)


def _line(row: _Row, layout: _Layout, glyphs: Glyphs) -> Text:
    mark = glyphs.failed if row.bad else glyphs.passed if row.good else " "
    sign, style = (glyphs.failed_bar, "red") if row.bad else (glyphs.bar, "green")
    share = row.span.duration_s / row.budget_s if row.budget_s else None
    budget = " " * layout.gauge if share is None else gauge(share, layout.gauge, sign, glyphs.rest)
    line = Text.assemble(
        (f"  {mark} ", "bold red" if row.bad else "green"),
        (f"{row.name:<{layout.name}} ", "bold red" if row.bad else ""),
        (stretch(row.span, layout.whole, layout.bar, sign), style),
        f" {figure(row.span.duration_s):>{FIGURE_CELLS}} ",
        (budget, style),
        f"  {row.share:<{layout.share}}",
    )
    if layout.ended_fits:
        line.append(f"  {row.ended}", style="bold red" if row.bad else "dim")
    return line


def _reason(phase: PhaseRecord, *, ended_fits: bool) -> Iterator[Line]:
    """Why a phase ended as it did, below it; its outcome too where that had no room in the line."""
    ended = said(phase.outcome) if phase.outcome is not PhaseOutcome.COMPLETED and not ended_fits else ""
    goes_on = "not required: the start-up goes on" if phase.outcome in _BAD and not phase.required else ""
    why = said(phase.failure or phase.skip_reason or "")
    at = f"{why} at {phase.endpoint}" if why and phase.endpoint else why
    missing = f"missing: {', '.join(phase.missing)}" if phase.missing else ""
    words = [word for word in (ended, at, missing, goes_on) if word]
    if words:
        yield indented(Text(printable("; ".join(words)), style="bold red" if phase.failure else "dim"), 6)
    if phase.error:
        yield indented(Text(told(phase.error), style="dim"), 6)


def _never_begun(item: Rehearsal) -> Iterator[Line]:
    groups: dict[str, list[str]] = {}
    for phase in item.phases:
        if phase.span is None:
            reason = f", {said(phase.skip_reason)}" if phase.skip_reason else ""
            groups.setdefault(said(phase.outcome) + reason, []).append(phase.name)
    for how, names in groups.items():
        yield indented(Text(printable(f"{how}: {', '.join(names)}"), style="dim"), 4)


def _totals(item: Rehearsal) -> str:
    child = f"child started in {figure(item.child_start_s)}; " if item.child_start_s else ""
    told_code = f"the application would exit with {item.exit_code}"
    end = "what the application would exit with is not known" if item.exit_code is None else told_code
    return f"{child}total {figure(item.total_s)}; {end}"


def _own_faults(item: Rehearsal) -> Iterator[Line]:
    if item.parameters_refused:
        yield indented(Text("the server did not know all start-up parameters; connected without those"), 4)
    if item.overloaded:
        text = f"the probe itself was too slow, it did not get to run for {figure(item.lag_s)}: not believed"
        yield indented(Text(text, style="bold magenta"), 4)


def _link(item: ChainLink, width: int, glyphs: Glyphs) -> Iterator[Line]:
    marks = {LinkState.SEEN: glyphs.failed, LinkState.NOT_SEEN: glyphs.passed, LinkState.NOT_MEASURED: "?"}
    line = Text.assemble(
        (f"  {marks[item.state]} ", _STATE_STYLES[item.state]),
        f"{said(item.link):<{LINK_CELLS}}  ",
        (f"{said(item.state):<{STATE_CELLS}}", _STATE_STYLES[item.state]),
    )
    text = printable(item.said)
    if line.cell_len + 2 + len(text) <= width:
        yield line.append(f"  {text}")
    else:
        yield line
        yield indented(Text(text), 6)
