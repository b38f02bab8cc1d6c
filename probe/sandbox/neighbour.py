"""A Redis-speaking neighbour behind the same connector, healthy or not: enough for its clients' logins."""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from probe.sandbox.listener import Serve
from probe.sandbox.streams import swallow

MAX_REQUEST_BYTES = 65536
MAX_ARGUMENTS = 64
USER = b"default"
IDENTITY = {"server": "redis", "version": "7.4.0", "mode": "standalone", "role": "master"}

OK = b"+OK\r\n"
SYNTAX = b"-ERR syntax error\r\n"
NO_PROTOCOL = b"-NOPROTO unsupported protocol version\r\n"
LOGIN_FIRST = b"-NOAUTH Authentication required.\r\n"
LOGIN_IN_HELLO = b"-NOAUTH HELLO must be called with the client already authenticated\r\n"
NO_PASSWORD = b"-ERR AUTH <password> called without any password configured for the default user.\r\n"
WRONG_PASSWORD = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"


class MalformedRequestError(Exception):
    """Not RESP, or more of it than this server takes."""


class _Session:
    """One client's: whether it has said the password, and which version of the protocol it chose."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._authenticated = not password

    def answer(self, command: list[bytes]) -> bytes:
        """Answer one command."""
        name, *arguments = command
        if (answer := BEFORE_LOGIN.get(name.upper())) is not None:
            return answer(self, arguments)
        if not self._authenticated:
            return LOGIN_FIRST
        if (answer := AFTER_LOGIN.get(name.upper())) is not None:
            return answer(self, arguments)
        return b"-ERR unknown command '%s'\r\n" % name[:128]

    def authenticate(self, arguments: list[bytes]) -> bytes:
        """``AUTH [USER] PASSWORD``."""
        match arguments:
            case [password]:
                user = USER
            case [user, password]:
                pass
            case _:
                return b"-ERR wrong number of arguments for 'auth' command\r\n"
        if not self._password and len(arguments) == 1:
            return NO_PASSWORD
        if user != USER or (self._password and password != self._password):
            return WRONG_PASSWORD
        self._authenticated = True
        return OK

    def hello(self, arguments: list[bytes]) -> bytes:
        """``HELLO [VERSION [AUTH USER PASSWORD] [SETNAME NAME]]``."""
        version, *options = arguments or [b"2"]
        if version not in (b"2", b"3"):
            return NO_PROTOCOL
        if options and options[0].upper() == b"AUTH":
            if (refusal := self.authenticate(options[1:3])) != OK:
                return refusal
            options = options[3:]
        match options:
            case [] | [b"SETNAME" | b"setname", _]:
                return _identity(version) if self._authenticated else LOGIN_IN_HELLO
        return SYNTAX

    def client(self, arguments: list[bytes]) -> bytes:
        """``CLIENT``, as far as a login needs it; what a server does not know its clients do without."""
        name = arguments[0] if arguments else b""
        if name.upper() in (b"SETINFO", b"SETNAME"):
            return OK
        return b"-ERR unknown subcommand '%s'. Try CLIENT HELP.\r\n" % name[:128]

    def ping(self, arguments: list[bytes]) -> bytes:
        """``PING [TEXT]``."""
        return _bulk(arguments[0]) if arguments else b"+PONG\r\n"

    def quit(self, _arguments: list[bytes]) -> bytes:
        """``QUIT``: the connection is closed behind the answer."""
        return OK

    def select(self, _arguments: list[bytes]) -> bytes:
        """``SELECT``: all databases are equally empty."""
        return OK


Commands = Mapping[bytes, Callable[[_Session, list[bytes]], bytes]]

BEFORE_LOGIN: Commands = {b"AUTH": _Session.authenticate, b"HELLO": _Session.hello, b"QUIT": _Session.quit}
AFTER_LOGIN: Commands = {b"PING": _Session.ping, b"CLIENT": _Session.client, b"SELECT": _Session.select}


def redis_server(password: str = "") -> Serve:
    """Return what serves one connection; with a password nothing else is answered before it."""

    def serve(client: socket.socket) -> None:
        session = _Session(password)
        try:
            for command in _commands(client):
                client.sendall(session.answer(command))
                if command[0].upper() == b"QUIT":
                    return
        except MalformedRequestError as error:
            client.sendall(f"-ERR Protocol error: {error}\r\n".encode())

    return serve


def mute_server(client: socket.socket) -> None:
    """Serve a connection by accepting it, and nothing else."""
    swallow(client)


def over_tls(serve: Serve, certificate: Path) -> Serve:
    """Return what serves one connection inside TLS; no client certificate is asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve_in_tls(client: socket.socket) -> None:
        # Of a duplicate, since wrapping takes a socket away from its owner, who has to end it.
        with context.wrap_socket(client.dup(), server_side=True) as tls:
            serve(tls)

    return serve_in_tls


def _identity(version: bytes) -> bytes:
    pairs = [_bulk(name.encode()) + _bulk(value.encode()) for name, value in IDENTITY.items()]
    pairs += [_bulk(b"proto") + b":%s\r\n" % version, _bulk(b"id") + b":1\r\n", _bulk(b"modules") + b"*0\r\n"]
    header = b"%%%d\r\n" % len(pairs) if version == b"3" else b"*%d\r\n" % (2 * len(pairs))
    return header + b"".join(pairs)


def _bulk(text: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text), text)


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
