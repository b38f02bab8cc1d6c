"""Which values are impossible together. Reads the certificate file a target names; opens no socket."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path as File
from typing import Any

from probe.model.target import Application, Target, Timeouts
from probe.model.words import Check, Path
from probe.settings.schema import Profile, Settings

LONGEST_SOCKET_PATH_BYTES = 107
LARGEST_CA_BYTES = 1 << 20
KEPT_BACK = 0.25
"""The most of a run's time that is kept back for its metrics."""
DIALLING = frozenset({Check.ROUTE, Check.CLOUDSQL})
"""Checks whose attempts have a connection's budget."""


def record_problems(record: object) -> Iterator[tuple[str, str]]:
    """Each (key, problem) of values that do not fit each other."""
    for rule in _RECORDS.get(type(record), ()):
        yield from rule(record)


def _tcp_fits(timeouts: Timeouts) -> Iterator[tuple[str, str]]:
    # A silence is told by this stage's budget: cut short, it would claim more than was measured.
    if timeouts.tcp_s > timeouts.connection_s:
        budgets = f"{timeouts.tcp_s:g} is above connection_s = {timeouts.connection_s:g}"
        yield "tcp_s", f"{budgets}, where every attempt ends; lower one or raise the other"


def _paths_fit(target: Target) -> Iterator[tuple[str, str]]:
    for path in _repeated(target.paths):
        yield "paths", f'names "{path}" twice'
    if target.primary_path is not None and target.primary_path not in target.paths:
        yield "primary_path", f'"{target.primary_path}" is not one of `paths`'
    socket = f"{target.socket_dir}/{target.instance}/.s.PGSQL.5432"
    if Path.SOCKET in target.paths and len(socket.encode()) > LONGEST_SOCKET_PATH_BYTES:
        yield "socket_dir", f"the socket's path is longer than {LONGEST_SOCKET_PATH_BYTES} bytes: {socket}"


def _tls_fits(target: Target) -> Iterator[tuple[str, str]]:
    if target.iam_auth and target.tls == "disable" and Path.PRIVATE_IP in target.paths:
        yield "tls", '"disable" with `iam_auth` would send the access token in clear over the private_ip path'
    if target.tls != "verify-ca":
        return
    if not target.server_ca:
        yield "server_ca", 'is needed for tls = "verify-ca": a PEM file with the CA of the server'
    elif problem := unusable_ca(target.server_ca):
        yield "server_ca", problem


def _password_fits(target: Target) -> Iterator[tuple[str, str]]:
    if target.password_env and target.password_file:
        yield "password_env", "stands beside `password_file`; give one of the two"
    if not (target.password_env or target.password_file or target.iam_auth):
        yield "password_env", "is missing: give `password_env`, `password_file` or `iam_auth = true`"


def unusable_ca(path: str) -> str | None:
    """Why a file's certificates cannot be trusted in a TLS handshake, or None."""
    import ssl

    try:
        with File(path).open("rb") as file:
            content = file.read(LARGEST_CA_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return f"cannot be read: {reason}"
    if len(content) > LARGEST_CA_BYTES:
        return f"is larger than {LARGEST_CA_BYTES} bytes"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii"))
    except (ssl.SSLError, ValueError):
        return "is no PEM file with a certificate"
    return None


def _reserve_fits(application: Application) -> Iterator[tuple[str, str]]:
    if application.reserved_connections >= application.connection_limit:
        yield "reserved_connections", f"must be below connection_limit = {application.connection_limit}"


def _names_differ(settings: Settings) -> Iterator[tuple[str, str]]:
    places = [(item.name, f"targets[{place}].name") for place, item in enumerate(settings.targets)]
    places += [(item.name, f"neighbours[{place}].name") for place, item in enumerate(settings.neighbours)]
    first: dict[str, str] = {}
    for name, key in places:
        if first.setdefault(name, key) != key:
            yield key, f'"{name}" is the name of {first[name]} already'


def measuring_s(settings: Settings, deadline_s: float) -> float:
    """A run's deadline less what is kept back of it for delivering the metrics."""
    if not settings.monitoring.enabled:
        return deadline_s
    return deadline_s - min(settings.monitoring.budget_s, KEPT_BACK * deadline_s)


def _attempt_fits(settings: Settings) -> Iterator[tuple[str, str]]:
    # Cut off by the run's deadline an attempt is no failure: a silence would never be found out.
    connection_s, told = settings.timeouts.connection_s, set()
    for name, profile in settings.profiles.items():
        own = profile.deadline_s is not None
        deadline_s = profile.deadline_s or settings.deadline_s
        key, left_s = (
            f"profiles.{name}.deadline_s" if own else "deadline_s",
            measuring_s(settings, deadline_s),
        )
        if left_s < connection_s and DIALLING & set(profile.checks) and key not in told:
            told.add(key)
            left = f"{deadline_s:g} leaves {left_s:g} s for measuring"
            yield key, f"{left}, less than one attempt may take: timeouts.connection_s = {connection_s:g}"


def _confirmation_fits(settings: Settings) -> Iterator[tuple[str, str]]:
    # A profile with a shorter deadline of its own goes without; the general one leaves time for it.
    left_s = measuring_s(settings, settings.deadline_s)
    if settings.confirm_after_s >= left_s:
        left = f"deadline_s = {settings.deadline_s:g} leaves {left_s:g} s for measuring"
        yield (
            "confirm_after_s",
            f"{settings.confirm_after_s:g} is never over: {left}; lower it, or 0: not confirmed",
        )


def _checks_differ(profile: Profile) -> Iterator[tuple[str, str]]:
    for check in _repeated(profile.checks):
        yield "checks", f'names "{check}" twice'


def _repeated(items: Iterable[str]) -> list[str]:
    return [item for item, count in Counter(items).items() if count > 1]


_RECORDS: Mapping[type, tuple[Callable[[Any], Iterator[tuple[str, str]]], ...]] = {
    Timeouts: (_tcp_fits,),
    Target: (_paths_fit, _tls_fits, _password_fits),
    Application: (_reserve_fits,),
    Profile: (_checks_differ,),
    Settings: (_names_differ, _attempt_fits, _confirmation_fits),
}
