import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from probe.sandbox.listener import Listener
from probe.sandbox.neighbour import redis_server


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
        assert _ask(client, b"AUTH\r\n").startswith(b"-WRONGPASS")
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
