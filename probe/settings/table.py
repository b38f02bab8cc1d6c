"""The table of all settings, for the README."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from probe.settings.decoding import choices, keys_of, without_none
from probe.settings.schema import Settings

_NAMES = {float: "number", int: "whole number", bool: "true or false", str: "text"}


def settings_table() -> str:
    """Every key with its type, default and meaning, as Markdown."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    lines += [f"| `{key}` | {kind} | {default} | {doc} |" for key, kind, default, doc in _rows(Settings, "")]
    return "\n".join(lines) + "\n"


def _rows(record: type, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    kinds = get_type_hints(record)
    for name, item in keys_of(record).items():
        nested, suffix = _nested(kinds[name])
        if nested is None:
            yield prefix + name, _kind(kinds[name]), _default(item), item.metadata["doc"]
        else:
            yield from _rows(nested, f"{prefix}{name}{suffix}.")


def _nested(kind: Any) -> tuple[type | None, str]:
    """The record behind a key, and how an element of it is written."""
    if is_dataclass(kind) and isinstance(kind, type):
        return kind, ""
    element = get_args(kind)[-1] if get_origin(kind) is Mapping else next(iter(get_args(kind)), None)
    if is_dataclass(element) and isinstance(element, type):
        return element, "[]" if get_origin(kind) is tuple else ".NAME"
    return None, ""


def _kind(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return "list of " + _kind(get_args(kind)[0])
    if words := choices(kind):
        return ", ".join(f"`{word}`" for word in words)
    return _NAMES[without_none(kind)]


def _default(item: Field[Any]) -> str:
    if item.default is MISSING:
        return "required"
    if item.default is None:
        return ""
    return f"`{json.dumps(item.default)}`"
