"""Text from outside, made safe to show: no control character, escape sequence or endless line."""

from itertools import islice
from typing import Any

LONGEST_CHARACTERS = 2000
LARGEST_TABLE = 60
"""No record of ours has more keys; a table of more is one of names."""
LONGEST_KEY = 100
"""No key of ours is longer; a longer one is a name that somebody else chose."""


def printable(text: str, longest: int = LONGEST_CHARACTERS) -> str:
    """``text`` on one line: what cannot be printed is shown as its escape, what is too long is cut off."""
    cut = text if len(text) <= longest else text[:longest] + "..."
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in cut)


def _escape(letter: str) -> str:
    if letter in "\r\n\t":
        return " "
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


def bounded(value: Any, longest: int) -> Any:
    """The same structure with no text or list longer than ``longest``, and no table or key much larger."""
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[:longest]}... ({len(value)} characters)"
    if isinstance(value, dict):
        most = max(longest, LARGEST_TABLE)
        longest_key = max(longest, LONGEST_KEY)
        return {key[:longest_key]: bounded(item, longest) for key, item in islice(value.items(), most)}
    if isinstance(value, list):
        left_out = [f"... ({len(value)} in all)"] if len(value) > longest else []
        return [bounded(item, longest) for item in value[:longest]] + left_out
    return value
