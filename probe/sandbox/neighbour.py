"""A Redis-speaking neighbour behind the same connector: PING, AUTH, QUIT."""

import socket
from collections.abc import Iterator
from typing import IO

from probe.sandbox.listener import Serve
from probe.sandbox.streams import swallow

MAX_REQUEST_BYTES = 65536
MAX_ARGUMENTS = 64


class MalformedRequestError(Exception):
    """Not RESP, or more of it than this server takes."""


def redis_server(password: str = "") -> Serve:
    """Return what serves one connection; with a password nothing but AUTH is answered before it."""

    def serve(client: socket.socket) -> None:
        authenticated = not password
        try:
            for command in _commands(client):
                answer, authenticated = _answer(command, password, authenticated=authenticated)
                client.sendall(answer)
                if command[0].upper() == b"QUIT":
                    return
        except MalformedRequestError as error:
            client.sendall(f"-ERR Protocol error: {error}\r\n".encode())

    return serve


def mute_server(client: socket.socket) -> None:
    """Serve a connection by accepting it: enough for a neighbour of which only the port is asked."""
    swallow(client)


def _answer(command: list[bytes], password: str, *, authenticated: bool) -> tuple[bytes, bool]:
    name, *arguments = command
    if name.upper() == b"AUTH":
        return _authenticate(arguments, password)
    if name.upper() == b"QUIT":
        return b"+OK\r\n", authenticated
    if not authenticated:
        return b"-NOAUTH Authentication required.\r\n", False
    if name.upper() == b"PING":
        return b"+PONG\r\n", True
    return b"-ERR unknown command '%s'\r\n" % name[:128], True


def _authenticate(arguments: list[bytes], password: str) -> tuple[bytes, bool]:
    if not password:
        return b"-ERR Client sent AUTH, but no password is set\r\n", True
    if arguments and arguments[-1] == password.encode():
        return b"+OK\r\n", True
    return b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", False


def _commands(client: socket.socket) -> Iterator[list[bytes]]:
    """Yield each command, inline or as an array of bulk strings, until the client ends."""
    reader = client.makefile("rb")
    with reader:
        while line := reader.readline(MAX_REQUEST_BYTES):
            if line.startswith(b"*"):
                count = _number(line, MAX_ARGUMENTS)
                command = [_bulk_string(reader) for _ in range(count)]
            else:
                command = line.split()
            if command:
                yield command


def _bulk_string(reader: IO[bytes]) -> bytes:
    header = reader.readline(MAX_REQUEST_BYTES)
    if not header.startswith(b"$"):
        raise MalformedRequestError("expected '$'")
    return reader.read(_number(header, MAX_REQUEST_BYTES) + 2)[:-2]


def _number(line: bytes, limit: int) -> int:
    try:
        number = int(line[1:])
    except ValueError:
        raise MalformedRequestError("invalid length") from None
    if not 0 <= number <= limit:
        raise MalformedRequestError("invalid length")
    return number
