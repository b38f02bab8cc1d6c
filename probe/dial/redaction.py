"""Secrets that must not come back: a hostile or talkative server may echo what it was sent."""

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")

SHOWN = "***"
SHORTEST = 4
"""A shorter secret would make every text unreadable, and is none."""


class Redaction:
    """The secrets of a run, known as soon as they are used."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()

    def add(self, secret: str | None) -> None:
        """From now on this text is replaced wherever it appears."""
        if secret and len(secret) >= SHORTEST and secret not in self._secrets:
            self._secrets += (secret,)

    def clean(self, record: T) -> T:
        """The same frozen record, tuple or text without any secret in it."""
        return self._clean(record) if self._secrets else record

    def _clean(self, value: Any) -> Any:
        if type(value) is str:
            for secret in self._secrets:
                value = value.replace(secret, SHOWN)
            return value
        if isinstance(value, tuple):
            return tuple(self._clean(item) for item in value)
        if is_dataclass(value) and not isinstance(value, type):
            found = {f.name: getattr(value, f.name) for f in fields(value)}
            cleaned = {name: self._clean(item) for name, item in found.items()}
            changed = {name: item for name, item in cleaned.items() if item != found[name]}
            return replace(value, **changed) if changed else value
        return value
