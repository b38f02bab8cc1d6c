"""Bars of signs: where a stretch of time stands in a longer one, and how much of a whole is used."""

from probe.model.span import Span
from probe.sinks.wording import Glyphs


def stretch(part: Span, whole: Span, cells: int, sign: str) -> str:
    """``part`` where it stands in ``whole``, of which every cell is the same share; one cell at least."""
    whole_s = whole.duration_s or 1.0
    start = round((part.started_s - whole.started_s) / whole_s * cells)
    start = min(max(start, 0), cells - 1)
    length = min(max(round(part.duration_s / whole_s * cells), 1), cells - start)
    return (" " * start + sign * length).ljust(cells)


def gauge(share: float, cells: int, sign: str, rest: str) -> str:
    """``share`` of ``cells`` filled: the last sign of rest is the end of the budget."""
    filled = min(max(round(share * cells), 0), cells)
    return sign * filled + rest * (cells - filled)


def slots(others: int, held: int, usable: int, cells: int, glyphs: Glyphs) -> str:
    """The usable slots of a server: those of others, those held, the free ones."""
    scale = cells / max(usable, 1)
    taken = min(max(round(others * scale), 0), cells)
    filled = min(max(round((others + held) * scale) - taken, int(held > 0)), cells - taken)
    return glyphs.failed_bar * taken + glyphs.bar * filled + glyphs.rest * (cells - taken - filled)
