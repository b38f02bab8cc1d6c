"""Which values are impossible together. Reads the certificate file a target names; opens no socket."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path as File
from typing import Any

from probe.model.application import Application, Cache, Startup
from probe.model.target import Target
from probe.model.words import Path
from probe.settings.schema import Profile, Settings

LONGEST_SOCKET_PATH_BYTES = 107
LARGEST_CA_BYTES = 1 << 20


def record_problems(record: object) -> Iterator[tuple[str, str]]:
    """Each (key, problem) of values that do not fit each other."""
    for rule in _RECORDS.get(type(record), ()):
        yield from rule(record)


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


def _phases_differ(startup: Startup) -> Iterator[tuple[str, str]]:
    for name in _repeated(phase.name for phase in startup.phases):
        yield "phases", f'names "{name}" twice'


def _cache_fits(cache: Cache) -> Iterator[tuple[str, str]]:
    if cache.password_env and cache.password_file:
        yield "password_env", "stands beside `password_file`; give one of the two"
    if cache.server_ca and (problem := unusable_ca(cache.server_ca)):
        yield "server_ca", problem
    if cache.server_ca and not cache.tls:
        yield "server_ca", "has no meaning without `tls = true`"


def _application_has_its_target(settings: Settings) -> Iterator[tuple[str, str]]:
    application = settings.application
    names = [target.name for target in settings.targets]
    if not names:
        return
    if application.target and application.target not in names:
        yield "application.target", f'"{application.target}" is not the name of a target'
        return
    target = settings.targets[names.index(application.target) if application.target else 0]
    if application.path is not None and application.path not in target.paths:
        yield "application.path", f'"{application.path}" is not one of the `paths` of {target.name}'


def _names_differ(settings: Settings) -> Iterator[tuple[str, str]]:
    places = [(item.name, f"targets[{place}].name") for place, item in enumerate(settings.targets)]
    places += [(item.name, f"neighbours[{place}].name") for place, item in enumerate(settings.neighbours)]
    first: dict[str, str] = {}
    for name, key in places:
        if first.setdefault(name, key) != key:
            yield key, f'"{name}" is the name of {first[name]} already'


def _checks_differ(profile: Profile) -> Iterator[tuple[str, str]]:
    for check in _repeated(profile.checks):
        yield "checks", f'names "{check}" twice'


def _repeated(items: Iterable[str]) -> list[str]:
    return [item for item, count in Counter(items).items() if count > 1]


_RECORDS: Mapping[type, tuple[Callable[[Any], Iterator[tuple[str, str]]], ...]] = {
    Target: (_paths_fit, _tls_fits, _password_fits),
    Application: (_reserve_fits,),
    Profile: (_checks_differ,),
    Startup: (_phases_differ,),
    Cache: (_cache_fits,),
    Settings: (_names_differ, _application_has_its_target),
}
