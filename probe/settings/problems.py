"""What is wrong with a setting, in one line each, and the words of those lines."""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_SHOWN_CHARACTERS = 60
_UNITS = (
    "ms",
    "us",
    "ns",
    "sec",
    "secs",
    "second",
    "seconds",
    "millis",
    "milliseconds",
    "min",
    "minutes",
    "m",
)


class Problem(NamedTuple):
    """``key`` is the full path, ``targets[0].interval_s``; empty for the file as a whole."""

    key: str
    text: str


class SettingsError(Exception):
    """The settings cannot be used; ``problems`` has one line for each reason."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(_printable(line) for line in problems)
        super().__init__("\n".join(self.problems))


def error_of(problems: Iterable[Problem], variables: Mapping[str, str]) -> SettingsError:
    """The error for these problems; a key that came from a variable is called by that variable's name."""
    lines = (
        f"{_origin(problem.key, variables)}: {problem.text}" if problem.key else problem.text
        for problem in problems
    )
    return SettingsError(dict.fromkeys(lines))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _origin(key: str, variables: Mapping[str, str]) -> str:
    for start, variable in variables.items():
        rest = key.removeprefix(start)
        if key.startswith(start) and (not rest or rest[0] in ".["):
            return variable + rest
    return key


def shown(key: str, value: object) -> str:
    """A value as a message may show it: short, on one line, and never what may be a secret."""
    if "password" in key.rpartition(".")[2] or "secret" in key:
        return "a value that is not shown"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """`` - did you mean `x`?``, or nothing where no known name is near."""
    import difflib  # only who has a typing error pays for it

    near = difflib.get_close_matches(name, list(known), n=1)
    return f" - did you mean `{prefix}{near[0]}`?" if near else ""


def unknown_key(name: str, known: Iterable[str], tables: Mapping[str, str]) -> str:
    """Why a key is not one, and which would be; ``tables`` says where keys of other tables belong."""
    known = tuple(known)
    stem, _, unit = name.rpartition("_")
    if unit in _UNITS and f"{stem}_s" in known:
        return f"unknown key - did you mean `{stem}_s`? Times are in seconds"
    if near := did_you_mean(name, known):
        return "unknown key" + near
    if name in tables:
        return f"unknown key - it belongs {tables[name]}"
    if unit in _UNITS:
        return "unknown key - times are in seconds, and their keys end in `_s`"
    return f"unknown key; known here: {', '.join(known)}"
