"""What a rehearsal knows and must never say: passwords, the application's secrets, what addresses carry."""

import base64
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from probe.rehearsal.request import StartupRequest

TELLING = 8
"""A shorter value of a query is an ordinary word (``true``, ``json``): only the whole query is a secret."""


def secrets(request: StartupRequest, environ: Mapping[str, str]) -> Iterator[str]:
    """The texts; the environment is the one that the child inherits."""
    yield from (password for password in (request.password, request.cache_password) if password)
    startup = request.startup
    yield from (environ[name] for name in startup.secrets if environ.get(name))
    for url in (*startup.services, startup.websocket, startup.health):
        yield from _in_address(url)


def _in_address(url: str) -> Iterator[str]:
    """Its query, and the name and password before the host: as they are written, and as they are sent."""
    parts = urlsplit(url)
    yield from _both(parts.query)
    for _name, value in parse_qsl(parts.query):
        yield from (value for value in _both(value) if len(value) >= TELLING)
    if parts.password:
        yield from _both(parts.password)
        login = f"{unquote(parts.username or '')}:{unquote(parts.password)}"
        yield base64.b64encode(login.encode()).decode()


def _both(text: str) -> tuple[str, ...]:
    return (text, unquote(text))
