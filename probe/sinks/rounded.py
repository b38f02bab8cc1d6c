"""Records as plain values: times in seconds, rounded; tuples as lists."""

from typing import Any

from probe.model.span import Span

DECIMALS = 6
Json = dict[str, Any]


def seconds(value: float) -> float:
    """A time without digits that no clock has."""
    return round(value, DECIMALS)


def optional(value: float | None) -> float | None:
    """The same where there may be none."""
    return None if value is None else seconds(value)


def instant(value_ns: int) -> float:
    """An instant in seconds since the run's start."""
    return seconds(value_ns / 1e9)


def times(span: Span | None) -> Json:
    """When it began and how long it took; null: it did not happen."""
    if span is None:
        return {"started_s": None, "duration_s": None}
    return {"started_s": seconds(span.started_s), "duration_s": seconds(span.duration_s)}


def plain(record: Json) -> Json:
    """Tuples as lists, and measured times rounded like all others."""
    return {key: _value(key, value) for key, value in record.items()}


def _value(key: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return seconds(value) if key.endswith("_s") and isinstance(value, float) else value
