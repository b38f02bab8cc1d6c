"""Phase ``cache``: Redis's own client, one connection, one PING."""

from typing import Any

from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.retry import Retry

from probe.dial.failures import stage_failure
from probe.model.application import Cache
from probe.model.words import Failure
from probe.rehearsal.act import Act
from probe.rehearsal.phases.exchange import printable

MAX_RECEIVED_BYTES = 64 * 1024
"""What a cache may say to an AUTH and a PING."""


def cache(act: Act) -> bool:
    """Connect, log in where there is a password, PING: no retries. Closed at the end."""
    settings = act.kit.request.startup.cache
    if not settings.address:
        return False
    act.begin("connect", endpoint=settings.address)
    connection = _connection(act, settings)
    act.findings.abandon.append(connection.disconnect)
    try:
        connection.connect()
        act.begin("ping")
        connection.send_command("PING")
        answer = connection.read_response()
        if answer != b"PONG":
            raise stage_failure(Failure.PROTOCOL, f"the cache answered {_shown(answer)} to PING")
    finally:
        connection.disconnect()
    return True


def _shown(answer: Any) -> str:
    return printable(answer) if isinstance(answer, bytes) else f"{answer!r:.100}"


def _connection(act: Act, settings: Cache) -> Connection:
    host, _colon, port = settings.address.rpartition(":")
    password = act.kit.request.cache_password

    def greet(connection: Any) -> None:
        if password:
            act.begin("auth")
        connection.on_connect()

    options: dict[str, Any] = {
        "host": host.strip("[]"),
        "port": int(port),
        "username": (settings.user or None) if password else None,
        "password": password,
        "socket_timeout": act.deadline.left_s(),
        "socket_connect_timeout": act.deadline.left_s(),
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,  # the newer one costs a question of its own, and not every server knows it
        "driver_info": None,
        "redis_connect_func": greet,
    }
    return _TlsConnection(**options, **_trust(settings)) if settings.tls else _PlainConnection(**options)


def _trust(settings: Cache) -> dict[str, Any]:
    if not settings.server_ca:
        return {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    return {"ssl_ca_certs": settings.server_ca, "ssl_check_hostname": False}


class Bounded:
    """A socket that takes no more than a health check may need: the client itself knows no bound."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.left_bytes = MAX_RECEIVED_BYTES

    def recv(self, size: int) -> bytes:
        """As a socket does it."""
        octets: bytes = self._connection.recv(size)
        self._count(len(octets))
        return octets

    def recv_into(self, buffer: Any, size: int = 0) -> int:
        """As a socket does it."""
        received: int = self._connection.recv_into(buffer, size)
        self._count(received)
        return received

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def _count(self, received: int) -> None:
        self.left_bytes -= received
        if self.left_bytes < 0:
            message = f"the cache said more than {MAX_RECEIVED_BYTES} bytes to a PING"
            raise stage_failure(Failure.PROTOCOL, message)


class _PlainConnection(Connection):
    def _connect(self) -> Any:
        return Bounded(super()._connect())


class _TlsConnection(SSLConnection):
    def _connect(self) -> Any:
        return Bounded(super()._connect())
