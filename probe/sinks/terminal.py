"""The report for a person: the answer, why, where the time went; readable uncoloured and in ASCII too."""

import os
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import TextIO

from rich.console import Console
from rich.text import Text

from probe.model.observation import Observation
from probe.model.report import Finding, Report
from probe.model.words import Check, Outcome, Severity, Verdict
from probe.sinks.ramp import POOLS, pools
from probe.sinks.routes import routes
from probe.sinks.startup import startups
from probe.sinks.text import printable
from probe.sinks.waterfall import representatives, waterfall
from probe.sinks.wording import (
    ASCII,
    UNICODE,
    Glyphs,
    Line,
    attempt,
    figure,
    indented,
    said,
    where,
)

PLAIN_WIDTH = 80
WIDEST = 120
_VERDICT_STYLES = {
    Verdict.HEALTHY: "bold green",
    Verdict.DEGRADED: "bold yellow",
    Verdict.DOWN: "bold red",
    Verdict.INCONCLUSIVE: "bold magenta",
}
_SEVERITY_STYLES = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_SEVERITY_ORDER = tuple(Severity)


def render(report: Report, width: int = PLAIN_WIDTH, *, color: bool = False, ascii_only: bool = False) -> str:
    """The whole view as text, ``width`` cells wide, with escape sequences only where ``color`` is true."""
    out = StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=color,
        color_system="auto" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    for line in _lines(report, width, ASCII if ascii_only else UNICODE):
        console.print(line, soft_wrap=False)
    text = "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
    return text.encode("ascii", "backslashreplace").decode() if ascii_only else text


def write(report: Report, stream: TextIO) -> None:
    """Write the view to ``stream``: coloured and as wide as the terminal, or plain where it is none."""
    color = stream.isatty()
    width = (
        min(os.get_terminal_size(stream.fileno()).columns or PLAIN_WIDTH, WIDEST) if color else PLAIN_WIDTH
    )
    stream.write(render(report, width, color=color, ascii_only=not _shows(stream, UNICODE)))
    stream.flush()


def _shows(stream: TextIO, glyphs: Glyphs) -> bool:
    try:
        (glyphs.bar + glyphs.failed_bar + glyphs.failed).encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _lines(report: Report, width: int, glyphs: Glyphs) -> Iterator[Line]:
    yield from _answer(report)
    yield from _section("Findings", _findings(report.findings))
    yield from _section("Where the time went", _waterfalls(report.observations, width, glyphs))
    yield from _section("Start-up rehearsal", startups(report, width, glyphs))
    for check in POOLS:
        yield from _section(check.capitalize(), pools(report.observations, check, width, glyphs))
    yield from _section("Room for the pool", (indented(Text(printable(said)), 4) for said in report.advice))
    yield from _section("Routes", routes(report.observations, glyphs))
    yield Text()
    yield _metrics(report)


def _section(title: str, lines: Iterable[Line]) -> Iterator[Line]:
    for place, line in enumerate(lines):
        if place == 0:
            yield Text()
            yield Text(title, style="bold underline")
        yield line


def _answer(report: Report) -> Iterator[Line]:
    yield Text.assemble(
        (f"{report.verdict.upper()}  ", _VERDICT_STYLES[report.verdict]), printable(report.headline)
    )
    identity = report.identity
    facts = [f"run {identity.id}", f"profile {identity.profile}", figure(report.duration_s)]
    if report.interrupted:
        facts.append("interrupted")
    yield Text(printable(" | ".join(facts)), style="dim")
    if len(report.targets) > 1:
        for name, verdict in report.targets:
            yield Text.assemble("  ", (f"{verdict.upper():<13}", _VERDICT_STYLES[verdict]), printable(name))


def _findings(findings: Iterable[Finding]) -> Iterator[Line]:
    ranked = sorted(findings, key=lambda item: _SEVERITY_ORDER.index(item.severity))
    known = {item.id for item in ranked}
    roots = [item for item in ranked if item.consequence_of not in known]
    for place, root in enumerate(roots):
        if place:
            yield Text()
        yield from _finding(root)
        for item in _consequences(root.id, ranked, {root.id}):
            yield from _consequence(item)


def _consequences(cause: str, findings: list[Finding], seen: set[str]) -> Iterator[Finding]:
    for item in findings:
        if item.consequence_of == cause and item.id not in seen:
            seen.add(item.id)
            yield item
            yield from _consequences(item.id, findings, seen)


def _finding(item: Finding) -> Iterator[Line]:
    yield Text.assemble(
        (f"{item.severity.upper()} ", _SEVERITY_STYLES[item.severity]),
        (f"{item.cause}", "bold"),
        f"  [{item.id}] layer {item.layer}, {where(item)}",
    )
    yield indented(Text(printable(item.summary)), 4)
    yield indented(Text.assemble(("Do: ", "bold"), printable(item.action)), 4)
    if item.escalate:
        yield indented(Text("The infrastructure team must act."), 4)
    yield indented(Text(f"Evidence: {_evidence(item)}", style="dim"), 4)


def _consequence(item: Finding) -> Iterator[Line]:
    line = Text.assemble(
        "and so ", (item.cause.value, "bold"), f" [{item.id}] {where(item)}: {printable(item.summary)}"
    )
    yield indented(line, 6)


def _evidence(item: Finding) -> str:
    shown = 8
    more = f" and {len(item.evidence) - shown} more" if len(item.evidence) > shown else ""
    return printable(", ".join(item.evidence[:shown])) + more


def _waterfalls(observations: Iterable[Observation], width: int, glyphs: Glyphs) -> Iterator[Line]:
    items = list(observations)
    for place, item in enumerate(representatives(items)):
        if place:
            yield Text()
        same = [other for other in items if _key(other) == _key(item)]
        yield Text.assemble((where(item), "bold"), f": {_passed(same)}{attempt(item)}")
        yield from waterfall(item, width, glyphs)


def _passed(items: list[Observation]) -> str:
    measured = [item for item in items if item.outcome is not Outcome.SKIPPED]
    passed = sum(item.outcome is Outcome.PASSED for item in measured)
    return f"{passed} of {len(measured)} passed; " if measured else ""


def _key(item: Observation) -> tuple[Check, str, str | None]:
    return item.check, item.target, item.path


def _metrics(report: Report) -> Text:
    delivery = report.delivery
    line = Text(f"Metrics: {delivery.written} written, {delivery.dropped} dropped")
    if delivery.dropped:
        line.stylize("yellow")
    if delivery.failure:
        line.append(f" ({said(delivery.failure)})")
    return line
