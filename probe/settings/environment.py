"""Settings from environment variables: ``PROBE_TIMEOUTS__TCP_S=3`` is ``timeouts.tcp_s``."""

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from probe.settings.decoding import keys_of, without_none
from probe.settings.problems import Problem, did_you_mean
from probe.settings.schema import CloudRun, Settings

PREFIX = "PROBE_"
LEVEL = "__"
NOT_SETTINGS = frozenset(
    {"PROBE_CONFIG", "PROBE_FAIL_ON", "PROBE_PROFILE", "PROBE_FORMAT", "PROBE_CHECK", "PROBE_SATURATE"}
)
"""Options of the command line that have a variable of their own."""


def cloud_run(environ: Mapping[str, str]) -> CloudRun:
    """What Cloud Run says of this execution."""
    return CloudRun(
        job=environ.get("CLOUD_RUN_JOB") or "local",
        execution=environ.get("CLOUD_RUN_EXECUTION", ""),
        task_index=environ.get("CLOUD_RUN_TASK_INDEX") or "0",
        task_attempt=environ.get("CLOUD_RUN_TASK_ATTEMPT") or "0",
        metadata_expected=not environ.get("GOOGLE_APPLICATION_CREDENTIALS")
        and any(environ.get(name) for name in ("GCE_METADATA_HOST", "CLOUD_RUN_JOB", "K_SERVICE")),
    )


def overlay(tree: dict[str, Any], environ: Mapping[str, str], problems: list[Problem]) -> dict[str, str]:
    """Put the variables' values into ``tree``; which key came from which variable."""
    taken: dict[str, str] = {}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        keys = tuple(variable.removeprefix(PREFIX).lower().split(LEVEL))
        kind = _kind(Settings, keys)
        if kind is None or variable in NOT_SETTINGS:
            continue
        taken[".".join(keys)] = variable
        _put(tree, keys, _parsed(kind, environ[variable], variable, problems))
    return taken


def unknown_variables(
    tree: Mapping[str, Any], environ: Mapping[str, str], taken: Mapping[str, str]
) -> list[Problem]:
    """A problem for each ``PROBE_`` variable that looks like a misspelt setting.

    One that resembles none is somebody else's: platforms name variables after services, and the password of
    a target that is not configured is no mistake.
    """
    known = {*taken.values(), *NOT_SETTINGS, *_named_for_secrets(tree)}
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    return [Problem(name, said) for name in unknown if (said := _misspelt(name))]


def _misspelt(variable: str) -> str | None:
    keys = variable.removeprefix(PREFIX).lower().split(LEVEL)
    if keys[0] in ("targets", "neighbours"):
        return f"unknown variable; a list is given whole, as JSON in {PREFIX}{keys[0].upper()}"
    # Compared without the prefix, which would make any two of them look alike.
    known = [*_variables(Settings, ""), *(name.removeprefix(PREFIX) for name in NOT_SETTINGS)]
    near = did_you_mean(variable.removeprefix(PREFIX), known, PREFIX)
    return "unknown variable" + near if near or LEVEL in variable else None


def _kind(kind: Any, keys: tuple[str, ...]) -> Any:
    """The type of the setting that these keys lead to, or None."""
    if not keys:
        return None if is_dataclass(kind) else kind
    if get_origin(kind) is Mapping:
        return _kind(get_args(kind)[1], keys[1:])
    if not (is_dataclass(kind) and isinstance(kind, type)) or keys[0] not in keys_of(kind):
        return None
    return _kind(get_type_hints(kind)[keys[0]], keys[1:])


def _variables(record: type, prefix: str) -> Iterator[str]:
    kinds = get_type_hints(record)
    for name in keys_of(record):
        if is_dataclass(kinds[name]):
            yield from _variables(kinds[name], prefix + name.upper() + LEVEL)
        else:
            yield prefix + name.upper()


def _parsed(kind: Any, text: str, variable: str, problems: list[Problem]) -> Any:
    """The raw value in a variable; one that cannot be parsed stays text, for the decoding to refuse."""
    if get_origin(kind) in (tuple, Mapping):
        return _json(text, variable, problems)
    if without_none(kind) is not kind and not text:
        return None
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        return text


def _json(text: str, variable: str, problems: list[Problem]) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        problems.append(Problem(variable, f"is not JSON: {error}"))
        return []


def _put(tree: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            return  # the file has something else there, which the decoding refuses
    tree[keys[-1]] = value


def _named_for_secrets(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key.endswith("_env") and isinstance(value, str):
                yield value
            yield from _named_for_secrets(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from _named_for_secrets(item)
