"""Settings from the file and the environment; every problem of both at once."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as File
from typing import Any

from probe.model.application import Cache
from probe.model.secret import Secret
from probe.model.target import Target
from probe.settings.decoding import decode
from probe.settings.environment import NOT_SETTINGS, cloud_run, overlay, unknown_variables
from probe.settings.problems import Problem, SettingsError, error_of
from probe.settings.saslprep import refused
from probe.settings.schema import BUILT_IN_PROFILES, Settings

__all__ = ["NOT_SETTINGS", "load", "password"]

LARGEST_FILE_BYTES = 1 << 20
LARGEST_PASSWORD_BYTES = 4096


def load(path: str | None, environ: Mapping[str, str], *, secrets: bool = True) -> Settings:
    """The settings of ``path`` (else of PROBE_CONFIG, else of no file), overridden by the environment.

    With ``secrets=False`` no password is looked up. Raises SettingsError with every problem found.
    """
    problems: list[Problem] = []
    path = path or environ.get("PROBE_CONFIG")
    tree = _file_tree(path) if path else {}
    variables = overlay(tree, environ, problems)
    problems += unknown_variables(tree, environ, variables)
    _add_built_in_profiles(tree)
    settings = decode(Settings, tree, "", problems)
    wanted = secrets and isinstance(settings, Settings)
    passwords = _passwords(settings, environ, problems) if wanted else {}
    cache_password = _cache_password(settings.startup.cache, environ, problems) if wanted else None
    if problems or not isinstance(settings, Settings):
        raise error_of(problems, variables)
    return replace(settings, cloud_run=cloud_run(environ), passwords=passwords, cache_password=cache_password)


def password(target: Target, environ: Mapping[str, str]) -> Secret:
    """The password of a target without ``iam_auth``. Raises SettingsError saying where it was looked for."""
    return _looked_up(target, target.name, environ)


def _looked_up(named: Target | Cache, owner: str, environ: Mapping[str, str]) -> Secret:
    if named.password_file:
        return _password_from_file(named.password_file, owner)
    # Someone may have put the password itself here: only what follows the convention for names is shown.
    name = named.password_env
    variable = name if name.isupper() else "the variable that `password_env` names"
    value = environ.get(name)
    if not value:
        state = "is not set" if value is None else "is empty"
        raise SettingsError([f"{variable} {state}: it holds the password of {owner}"])
    return _sendable(value, f"{variable} of {owner}")


def _password_from_file(path: str, owner: str) -> Secret:
    source = f"password_file {path} of {owner}"
    try:
        with File(path).open("rb") as file:
            content = file.read(LARGEST_PASSWORD_BYTES + 1)
        value = content.partition(b"\n")[0].decode().removesuffix("\r")
    except UnicodeDecodeError:
        raise SettingsError([f"{source}: is not UTF-8"]) from None
    except (OSError, ValueError) as error:
        raise SettingsError([f"{source}: cannot be read: {_reason(error)}"]) from None
    if len(content) > LARGEST_PASSWORD_BYTES:
        raise SettingsError([f"{source}: is larger than {LARGEST_PASSWORD_BYTES} bytes"])
    if not value:
        raise SettingsError([f"{source}: its first line is empty"])
    return _sendable(value, source)


def _sendable(value: str, source: str) -> Secret:
    """A password that a login can carry; the variables of the environment need not be UTF-8."""
    if any("\ud800" <= letter <= "\udfff" for letter in value):  # how Python keeps bytes that are none
        raise SettingsError([f"{source}: is not UTF-8"])
    if what := refused(value):
        raise SettingsError([f"{source}: cannot be sent in a login: SASLprep refuses {what}"])
    return Secret(value)


def _passwords(
    settings: Settings, environ: Mapping[str, str], problems: list[Problem]
) -> Mapping[str, Secret]:
    found = {}
    for place, target in enumerate(settings.targets):
        unclear = any(problem.key.startswith(f"targets[{place}].password") for problem in problems)
        if target.iam_auth or unclear:
            continue
        try:
            found[target.name] = password(target, environ)
        except SettingsError as error:
            problems += [Problem(f"targets[{place}]", text) for text in error.problems]
    return found


def _cache_password(cache: Cache, environ: Mapping[str, str], problems: list[Problem]) -> Secret | None:
    unclear = any(problem.key.startswith("startup.cache.password") for problem in problems)
    if unclear or not (cache.password_env or cache.password_file):
        return None
    try:
        return _looked_up(cache, "the cache", environ)
    except SettingsError as error:
        problems += [Problem("startup.cache", text) for text in error.problems]
        return None


def _file_tree(path: str) -> dict[str, Any]:
    try:
        with File(path).open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
        if len(content) > LARGEST_FILE_BYTES:
            raise SettingsError([f"{path}: is larger than {LARGEST_FILE_BYTES} bytes"])
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: is not UTF-8 (byte {error.start})"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: is not TOML: {error}"]) from None
    except RecursionError:
        raise SettingsError([f"{path}: is nested too deeply"]) from None
    except (OSError, ValueError) as error:
        raise SettingsError([f"{path}: cannot be read: {_reason(error)}"]) from None


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _add_built_in_profiles(tree: dict[str, Any]) -> None:
    """A built-in profile keeps its checks where the file says only its deadline."""
    profiles = tree.setdefault("profiles", {})
    if not isinstance(profiles, dict):
        return
    for name, profile in BUILT_IN_PROFILES.items():
        table = profiles.setdefault(name, {})
        if isinstance(table, dict):
            table.setdefault("checks", [check.value for check in profile.checks])
