"""Which values of a single key are impossible."""

import ipaddress
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any
from urllib.parse import urlsplit

from probe.model.application import Application, Cache, Phase, Pool, Startup
from probe.model.target import Neighbour, Target
from probe.settings.saslprep import refused
from probe.settings.schema import Connector, Egress, Monitoring, Profile, Route, Settings, SqlAdmin

LONGEST_S = 86_400.0
"""A day: a larger number of seconds is a number of something else."""
LARGEST_PORT = 65_535
MOST_ENDPOINTS = 50
"""Targets, and neighbours: each path of one is measured on a thread of its own."""
RESERVED_NAMES = frozenset({"application", "egress"})
"""Observations that belong to no target carry these."""

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INSTANCE = re.compile(r"([a-z0-9-]+(\.[a-z0-9-]+)+:)?[a-z0-9-]+:[a-z0-9-]+:[a-z0-9-]+")
_PROJECT = re.compile(r"([a-z0-9-]+(\.[a-z0-9-]+)+:)?[a-z0-9-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_UNSENDABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TABLE = re.compile(r"[^.\s]{1,63}(\.[^.\s]{1,63})?")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")

Rule = Callable[[Any], str | None]


def value_problem(record: type, name: str, value: object) -> str | None:
    """What is wrong with this value by itself, or None."""
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if isinstance(value, str) and _UNSENDABLE.search(value):
        return "has a control character, or one that is not UTF-8"
    if (rule := _VALUES.get((record, name))) is not None:
        return rule(value)
    if name.endswith("_s") and isinstance(value, float):
        return _duration(value)
    if name.endswith(("_ratio", "_margin")) or "_ratio_" in name:
        return _share(value)
    return None


def host_and_port(address: str) -> tuple[str, int] | None:
    """The two parts of ``HOST:PORT`` or ``[IPV6]:PORT``, or None where it is neither."""
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= LARGEST_PORT):
        return None
    if host.startswith("[") and host.endswith("]"):
        return (host[1:-1], int(port)) if _is_address(host[1:-1]) else None
    return (host, int(port)) if _HOST.fullmatch(host) else None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _duration(value: float) -> str | None:
    return "must be above 0" if value <= 0 else _pause(value)


def _pause(value: float) -> str | None:
    if value < 0:
        return "must not be negative"
    return "is more than a day; the unit is seconds" if value > LONGEST_S else None


def _share(value: Any) -> str | None:
    return None if 0 <= value <= 1 else "must be a share from 0 to 1"


def _between(least: int, most: int) -> Rule:
    return lambda value: None if least <= value <= most else f"must be from {least} to {most}"


def _at_most(most: int) -> Rule:
    return lambda value: None if len(value) <= most else f"has {len(value)} entries: at most {most}"


def _targets(value: Sized) -> str | None:
    return _at_most(MOST_ENDPOINTS)(value) if value else "is empty: name at least one [[targets]]"


def _filled(value: Iterable[object]) -> str | None:
    return None if value else "is empty"


def _matching(pattern: re.Pattern[str], form: str) -> Rule:
    return lambda value: None if pattern.fullmatch(value) else f"must be {form}"


def _optional(rule: Rule) -> Rule:
    return lambda value: rule(value) if value else None


def _address(value: str) -> str | None:
    return None if host_and_port(value) else "must be HOST:PORT (IPv6 in brackets), port 1 to 65535"


def _host(value: str) -> str | None:
    if _is_address(value) or _HOST.fullmatch(value):
        return None
    return "must be an address or a name, without a port"


def _ip_address(value: str) -> str | None:
    return None if _is_address(value) else "must be an IP address"


def _name(value: str) -> str | None:
    if value in RESERVED_NAMES:
        return f'"{value}" is taken by the probe itself; choose another name'
    return _matching(_NAME, "1 to 63 letters, digits, dots, dashes or underscores")(value)


def _endpoint(value: str) -> str | None:
    form = "must be http://HOST[:PORT] or https://HOST[:PORT]"
    try:
        url = urlsplit(value)
        whole = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        return form
    bare = url.username is None and url.path in ("", "/") and not url.query and not url.fragment
    return None if whole and bare and value.isprintable() and " " not in value else form


def _url(*schemes: str) -> Rule:
    """An address with a path, for these schemes."""
    form = "must be " + " or ".join(f"{scheme}://HOST[:PORT]/PATH" for scheme in schemes)
    form += ", without a user or password"

    def rule(value: str) -> str | None:
        try:
            url = urlsplit(value)
            whole = url.scheme in schemes and url.hostname and url.port != 0
        except ValueError:
            return form
        bare = url.username is None and not url.fragment
        return None if whole and bare and value.isprintable() and " " not in value else form

    return rule


def _each(rule: Rule) -> Rule:
    """The first entry with a problem, and its place: a URL or a misplaced secret is not shown."""

    def each(value: Iterable[str]) -> str | None:
        problems = ((place, rule(item)) for place, item in enumerate(value, start=1))
        return next((f"entry {place} {problem}" for place, problem in problems if problem), None)

    return each


def _all(*rules: Rule) -> Rule:
    return lambda value: next((problem for rule in rules if (problem := rule(value))), None)


def _environment_name(value: str) -> str | None:
    if _ENVIRONMENT_NAME.fullmatch(value):
        return None
    return "is not the name of an environment variable; a password itself does not belong here"


def _role(value: str) -> str | None:
    if what := refused(value):
        return f"cannot be sent in a login: SASLprep refuses {what}"
    return _filled(value)


def _absolute(value: str) -> str | None:
    return None if value.startswith("/") else "must be an absolute path"


_COUNT = _between(1, 100_000)
_COUNT_OR_NONE = _between(0, 100_000)
_SAMPLES = _between(1, 100)
_CONNECTIONS = _between(1, 200)
MOST_PHASES = 20
MOST_NAMES = 100
"""Tables, secrets and services of one application."""
LARGEST_POOL = 1000
LONGEST_SATURATION_S = 2.0


def _saturation(value: float) -> str | None:
    return _duration(value) or (
        f"must be at most {LONGEST_SATURATION_S:g}" if value > LONGEST_SATURATION_S else None
    )


_VALUES: Mapping[tuple[type, str], Rule] = {
    (Settings, "project"): _matching(_PROJECT, "a project id, such as my-project"),
    (Settings, "region"): _matching(_NAME, "a region, such as us-central1"),
    (Settings, "targets"): _targets,
    (Settings, "neighbours"): _at_most(MOST_ENDPOINTS),
    (Settings, "confirm_after_s"): _pause,
    (SqlAdmin, "endpoint"): _endpoint,
    (Monitoring, "endpoint"): _optional(_address),
    (Egress, "address"): _optional(_address),
    (Route, "attempts"): _SAMPLES,
    (Route, "interval_s"): _pause,
    (Connector, "gateway"): _optional(_ip_address),
    (Profile, "checks"): _filled,
    (Profile, "deadline_s"): lambda value: None if value is None else _duration(value),
    (Target, "name"): _name,
    (Target, "instance"): _matching(_INSTANCE, "PROJECT:REGION:INSTANCE (example.com:PROJECT:... is fine)"),
    (Target, "paths"): _filled,
    (Target, "private_ip"): _optional(_host),
    (Target, "port"): _between(1, LARGEST_PORT),
    (Target, "socket_dir"): _absolute,
    (Target, "database"): _filled,
    (Target, "user"): _role,
    (Target, "password_env"): _optional(_environment_name),
    (Target, "samples"): _SAMPLES,
    (Target, "interval_s"): _pause,
    (Neighbour, "name"): _name,
    (Neighbour, "address"): _address,
    (Application, "pool_size"): _between(1, LARGEST_POOL),
    (Application, "max_overflow"): _between(0, LARGEST_POOL),
    (Application, "max_instances"): _COUNT,
    (Application, "connection_limit"): _COUNT,
    (Application, "reserved_connections"): _COUNT_OR_NONE,
    (Application, "scaling_delay_s"): _pause,
    (Phase, "name"): _matching(_NAME, "1 to 63 letters, digits, dots, dashes or underscores"),
    (Startup, "phases"): _at_most(MOST_PHASES),
    (Startup, "secrets"): _all(_at_most(MOST_NAMES), _each(_environment_name)),
    (Startup, "required_tables"): _all(
        _at_most(MOST_NAMES), _each(_matching(_TABLE, "TABLE or SCHEMA.TABLE"))
    ),
    (Startup, "services"): _all(_at_most(MOST_NAMES), _each(_url("http", "https"))),
    (Startup, "websocket"): _optional(_url("ws", "wss")),
    (Startup, "health"): _optional(_url("http", "https")),
    (Cache, "address"): _optional(_address),
    (Cache, "password_env"): _optional(_environment_name),
    (Pool, "workers"): _CONNECTIONS,
    (Pool, "keep_free"): _COUNT_OR_NONE,
    (Pool, "step"): _CONNECTIONS,
    (Pool, "saturation_hold_s"): _saturation,
    (Pool, "saturation_allowed"): _each(_matching(_INSTANCE, "PROJECT:REGION:INSTANCE")),
    (Pool, "capacity_connections"): _CONNECTIONS,
}
