"""Secrets that must not come back: a hostile or talkative server may echo what it was sent."""

import json
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from probe.model.facts import ErrorFacts

T = TypeVar("T")

SHOWN = "***"
SHORTEST = 4
"""A shorter secret would make every text unreadable, and is none."""
TELLING = 8
"""So many characters of a secret give it away: an error's message may have been cut in the middle of one."""


class Redaction:
    """The secrets of a run, known as soon as they are used."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()
        self._pieces: frozenset[str] = frozenset()

    def add(self, secret: str | None) -> None:
        """From now on this text is replaced wherever it appears, escaped or not; in errors its parts too."""
        if secret and len(secret) >= SHORTEST and secret not in self._secrets:
            known = {*self._secrets, *_written(secret)}
            # The pieces first, and the longest form first: another thread may be cleaning.
            self._pieces = frozenset(piece for text in known for piece in _pieces(text))
            self._secrets = tuple(sorted(known, key=len, reverse=True))

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
            return self._clean_record(value)
        return value

    def _clean_record(self, value: Any) -> Any:
        found = {f.name: getattr(value, f.name) for f in fields(value)}
        cleaned = {name: self._clean(item) for name, item in found.items()}
        if isinstance(value, ErrorFacts):
            cleaned["message"] = self._without_pieces(cleaned["message"])
        changed = {name: item for name, item in cleaned.items() if item != found[name]}
        return replace(value, **changed) if changed else value

    def _without_pieces(self, text: str) -> str:
        kept, hidden_until = "", 0
        for start, character in enumerate(text):
            if text[start : start + TELLING] in self._pieces:
                kept += SHOWN if start >= hidden_until else ""
                hidden_until = start + TELLING
            kept += character if start >= hidden_until else ""
        return kept


def _written(secret: str) -> tuple[str, ...]:
    """The secret as it stands in a text, in JSON, and in Python's notation of text and bytes."""
    return (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(secret.encode())[2:-1])


def _pieces(secret: str) -> set[str]:
    return {secret[start : start + TELLING] for start in range(len(secret) - TELLING + 1)}
