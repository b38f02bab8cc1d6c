"""What several parts of the terminal's view share: signs, figures, and how an attempt is called."""

from dataclasses import dataclass

from rich.padding import Padding
from rich.text import Text

from probe.model.facts import ErrorFacts
from probe.model.observation import Observation
from probe.model.report import Finding
from probe.model.words import Outcome
from probe.sinks.text import printable

LONGEST_ERROR = 200
LONGEST_TOLD = 300

Line = Text | Padding


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The signs that a terminal can show."""

    bar: str
    failed_bar: str
    rest: str
    """What is left of a budget, or free."""
    failed: str
    passed: str


UNICODE = Glyphs(bar="█", failed_bar="▒", rest="·", failed="✗", passed="✓")
ASCII = Glyphs(bar="=", failed_bar="#", rest=".", failed="x", passed="+")


def indented(text: Text, cells: int) -> Line:
    """``text`` with all its lines moved to the right."""
    return Padding(text, (0, 0, 0, cells), expand=False)


def figure(seconds: float) -> str:
    """A duration with the digits that matter."""
    milliseconds = seconds * 1000
    if milliseconds < 10:  # noqa: PLR2004
        return f"{milliseconds:.2f} ms"
    return f"{milliseconds:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def said(word: str) -> str:
    """A word of a closed vocabulary, as a person says it."""
    return word.replace("_", " ")


def told(error: ErrorFacts | None) -> str:
    """What went wrong, in the words of whoever said it; empty: nothing."""
    return printable(f"{error.type}: {error.message}", LONGEST_TOLD) if error else ""


def where(item: Finding | Observation) -> str:
    """The target, and the path where there is one."""
    return printable(f"{item.target} over {item.path}" if item.path else item.target)


def attempt(item: Observation) -> str:
    """Which attempt this was and how it ended."""
    if item.outcome is Outcome.SKIPPED:
        return f"skipped: {said(item.skip_reason or item.outcome)}"
    which = "confirmation" if item.confirmation else "attempt"
    ended = f"{which} {item.attempt}, {item.outcome} after {figure(item.span.duration_s)}"
    return f"{ended} ({printable(item.error.message, LONGEST_ERROR)})" if item.error else ended
