import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from probe.sandbox.certificates import make_authority, write_server_certificate
from probe.sandbox.listener import Listener, Serve
from probe.sandbox.neighbour import mute_server, over_tls, redis_server


@contextmanager
def _client(password: str = "") -> Iterator[socket.socket]:
    bound = socket.create_server(("127.0.0.1", 0))
    with Listener(bound, redis_server(password)) as listener:
        address = (listener.host, listener.port)
        with socket.create_connection(address, timeout=2) as client:
            yield client


def _ask(client: socket.socket, request: bytes) -> bytes:
    client.sendall(request)
    return client.recv(1000)


@pytest.mark.parametrize("ping", [b"PING\r\n", b"ping\r\n", b"*1\r\n$4\r\nPING\r\n", b"\r\nPING\r\n"])
def test_it_answers_a_ping_in_both_of_the_protocols_forms(ping: bytes) -> None:
    with _client() as client:
        assert _ask(client, ping) == b"+PONG\r\n"


def test_it_answers_several_commands_of_one_segment() -> None:
    with _client() as client:
        client.sendall(b"PING\r\nQUIT\r\n")
        assert b"".join(iter(lambda: client.recv(100), b"")) == b"+PONG\r\n+OK\r\n"


def test_an_unknown_command_is_an_error() -> None:
    with _client() as client:
        assert _ask(client, b"FLUSHALL\r\n") == b"-ERR unknown command 'FLUSHALL'\r\n"


def test_a_password_is_asked_for_and_checked() -> None:
    with _client("secret") as client:
        assert _ask(client, b"PING\r\n").startswith(b"-NOAUTH")
        assert _ask(client, b"AUTH wrong\r\n").startswith(b"-WRONGPASS")
        assert _ask(client, b"AUTH\r\n").startswith(b"-ERR wrong number")
        assert _ask(client, b"AUTH somebody secret\r\n").startswith(b"-WRONGPASS")
        assert _ask(client, b"*3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$6\r\nsecret\r\n") == b"+OK\r\n"
        assert _ask(client, b"PING\r\n") == b"+PONG\r\n"


def test_a_password_that_nobody_asked_for_is_an_error() -> None:
    with _client() as client:
        assert _ask(client, b"AUTH secret\r\n").startswith(b"-ERR")


@pytest.mark.parametrize("request_", [b"*x\r\n", b"*1\r\nPING\r\n", b"*1\r\n$99999999\r\n", b"*-1\r\n"])
def test_what_is_not_the_protocol_is_told_so_and_hung_up_on(request_: bytes) -> None:
    with _client() as client:
        client.sendall(request_)
        assert b"".join(iter(lambda: client.recv(100), b"")).startswith(b"-ERR Protocol error")


def test_hello_logs_in_and_speaks_the_version_that_is_asked_for() -> None:
    with _client("secret") as client:
        assert _ask(client, b"HELLO 3\r\n").startswith(b"-NOAUTH")
        assert _ask(client, b"HELLO 4\r\n").startswith(b"-NOPROTO")
        assert _ask(client, b"HELLO 3 AUTH default wrong\r\n").startswith(b"-WRONGPASS")
        assert _ask(client, b"HELLO 3 AUTH default secret SETNAME x\r\n").startswith(
            b"%7\r\n$6\r\nserver\r\n"
        )
        assert _ask(client, b"HELLO\r\n").startswith(b"*14\r\n")
        assert _ask(client, b"HELLO 3 NONSENSE\r\n").startswith(b"-ERR syntax")


CLIENTS = [{"protocol": 2}, {"protocol": 3}, {}]


@pytest.mark.parametrize("arguments", CLIENTS)
def test_a_real_client_gets_in_with_the_password_alone(arguments: dict[str, Any]) -> None:
    with Listener(socket.create_server(("127.0.0.1", 0)), redis_server("secret")) as listener:
        for right in ({"password": "secret"}, {"username": "default", "password": "secret"}):
            assert _pings(listener, **right, **arguments)
        for wrong in ({"password": "other"}, {"username": "other", "password": "secret"}, {}):
            with pytest.raises(redis.AuthenticationError):
                _pings(listener, **wrong, **arguments)


@pytest.mark.parametrize("arguments", CLIENTS)
def test_a_real_client_needs_no_password_where_there_is_none(arguments: dict[str, Any]) -> None:
    with Listener(socket.create_server(("127.0.0.1", 0)), redis_server()) as listener:
        assert _pings(listener, **arguments)


def test_a_mute_server_accepts_and_never_answers() -> None:
    with (
        Listener(socket.create_server(("127.0.0.1", 0)), mute_server) as listener,
        pytest.raises(redis.TimeoutError),
    ):
        _pings(listener, password="secret")


def test_a_real_client_gets_in_over_tls_and_trusts_the_authority() -> None:
    authority = make_authority("Cache CA")
    with tempfile.TemporaryDirectory() as folder:
        ca, certificate = Path(folder, "ca.pem"), Path(folder, "cache.pem")
        ca.write_text(authority.pem)
        write_server_certificate(authority, name="cache", address="127.0.0.1", path=certificate)
        serve: Serve = over_tls(redis_server("secret"), certificate)
        with Listener(socket.create_server(("127.0.0.1", 0)), serve) as listener:
            assert _pings(listener, password="secret", ssl=True, ssl_ca_certs=str(ca))
            with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
                _pings(listener, password="secret", ssl=True)
            with pytest.raises(redis.ConnectionError):
                _pings(listener, password="secret")


def _pings(listener: Listener, **arguments: Any) -> bool:
    once = Retry(NoBackoff(), 0)
    with redis.Redis(listener.host, listener.port, socket_timeout=2, retry=once, **arguments) as client:
        return bool(client.ping())
