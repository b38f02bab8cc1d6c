"""From the raw tree of a TOML file and the environment to records, collecting every problem on the way."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from probe.settings.consistency import record_problems
from probe.settings.problems import Problem, did_you_mean, shown, unknown_key
from probe.settings.schema import Settings
from probe.settings.values import value_problem

UNREADABLE = object()
"""Stands for a value that has a problem; whatever holds it is not built."""

_NAMES = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}


def keys_of(record: type) -> dict[str, Field[Any]]:
    """The keys that a table of this record may have: those with a meaning."""
    return {item.name: item for item in fields(record) if "doc" in item.metadata}


def choices(kind: Any) -> tuple[str, ...]:
    """The words that a closed vocabulary allows; empty where ``kind`` is none."""
    kind = without_none(kind)
    if get_origin(kind) is Literal:
        return get_args(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return tuple(member.value for member in kind)
    return ()


def without_none(kind: Any) -> Any:
    """``X`` of ``X | None``; any other type as it is."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return next(part for part in get_args(kind) if part is not NoneType)


def expected(kind: Any) -> str:
    """What a scalar of this type looks like, in words."""
    if words := choices(kind):
        return "one of " + ", ".join(f'"{word}"' for word in words)
    return _NAMES[without_none(kind)]


def decode(kind: Any, raw: object, key: str, problems: list[Problem]) -> Any:
    """A value of type ``kind``, or UNREADABLE and at least one more problem."""
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, raw, key, problems)
    if get_origin(kind) is tuple:
        return _list(get_args(kind)[0], raw, key, problems)
    if get_origin(kind) is Mapping:
        return _table(get_args(kind)[1], raw, key, problems)
    return _scalar(kind, raw, key, problems)


def _scalar(kind: Any, raw: object, key: str, problems: list[Problem]) -> Any:
    try:
        return msgspec.convert(raw, kind)
    except (msgspec.ValidationError, OverflowError):
        near = did_you_mean(raw, choices(kind)) if isinstance(raw, str) else ""
        problems.append(Problem(key, f"expected {expected(kind)}, got {shown(key, raw)}{near}"))
        return UNREADABLE


def _list(kind: Any, raw: object, key: str, problems: list[Problem]) -> Any:
    if not isinstance(raw, list):
        brackets = f" ([[{key}]])" if is_dataclass(kind) else ""
        problems.append(Problem(key, f"expected a list{brackets}, got {shown(key, raw)}"))
        return UNREADABLE
    items = [decode(kind, item, f"{key}[{place}]", problems) for place, item in enumerate(raw)]
    return UNREADABLE if UNREADABLE in items else tuple(items)


def _table(kind: Any, raw: object, key: str, problems: list[Problem]) -> Any:
    if not isinstance(raw, dict):
        problems.append(Problem(key, f"expected a table, got {shown(key, raw)}"))
        return UNREADABLE
    items = {name: decode(kind, item, f"{key}.{name}", problems) for name, item in raw.items()}
    return UNREADABLE if UNREADABLE in items.values() else items


def _record(record: type, raw: object, key: str, problems: list[Problem]) -> Any:
    if not isinstance(raw, dict):
        problems.append(Problem(key, f"expected a table, got {shown(key, raw)}"))
        return UNREADABLE
    keys, prefix = keys_of(record), f"{key}." if key else ""
    problems += [
        Problem(prefix + name, unknown_key(name, keys, _tables())) for name in raw if name not in keys
    ]
    kinds = get_type_hints(record)
    values = {name: _field(item, kinds[name], raw, prefix, problems) for name, item in keys.items()}
    problems += _value_problems(record, values, prefix)
    if UNREADABLE in values.values():
        return UNREADABLE
    built = record(**values)
    told = {problem.key for problem in problems}
    together = [Problem(f"{prefix}{name}", text) for name, text in record_problems(built)]
    problems += [problem for problem in together if problem.key not in told]
    return built


def _field(
    item: Field[Any], kind: Any, raw: Mapping[str, object], prefix: str, problems: list[Problem]
) -> Any:
    if item.name in raw:
        return decode(kind, raw[item.name], prefix + item.name, problems)
    if item.default is not MISSING:
        return item.default
    if item.default_factory is not MISSING:
        return item.default_factory()
    problems.append(Problem(prefix + item.name, f"is missing ({item.metadata['doc']})"))
    return UNREADABLE


def _value_problems(record: type, values: Mapping[str, object], prefix: str) -> list[Problem]:
    readable = {name: value for name, value in values.items() if value is not UNREADABLE}
    texts = {name: value_problem(record, name, value) for name, value in readable.items()}
    return [Problem(prefix + name, text) for name, text in texts.items() if text]


def _tables() -> dict[str, str]:
    """Where each key belongs, for a key that stands in the wrong table."""
    found = dict.fromkeys(keys_of(Settings), "at the top of the file, before the first table")
    for name, kind in get_type_hints(Settings).items():
        record = next((part for part in (kind, *get_args(kind)) if is_dataclass(part)), None)
        place = f"in [[{name}]]" if get_origin(kind) is tuple else f"in [{name}]"
        if isinstance(record, type) and get_origin(kind) is not Mapping:
            found |= {key: place for key in keys_of(record) if key not in found}
    return found
