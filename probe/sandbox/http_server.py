"""A small HTTP server on a loopback address, and the ways in which one can misbehave."""

import json
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

from probe.sandbox.listener import Listener, Serve

DRIP_INTERVAL_S = 0.05
MAX_BODY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it was received. The names of the headers are in lower case."""

    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded; None where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(
    document: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The document as the body of an answer."""
    return Response(status=status, body=json.dumps(document).encode(), headers=headers or {})


def _silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _closed(_connection: socket.socket) -> None:
    """The server closes the connection once the exchange is over."""


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while True:
        connection.sendall(b"-")
        time.sleep(DRIP_INTERVAL_S)


MISBEHAVIOURS: Mapping[str, Serve] = {
    "silent": _silent,
    "reset": _reset,
    "closed": _closed,
    "drip": _drip,
}
"""What can happen instead of an answer. Each ends when the client leaves or the server stops."""

Answer = Callable[[Request], Response | Serve | str]
"""An answer, what takes the connection over, or the name of a misbehaviour."""


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, client: socket.socket, answer: Answer) -> None:
        self._answer = answer
        # The base class asks of its server only that it be there.
        super().__init__(client, client.getpeername(), None)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length[:9]) > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(Response(status=413))
            return
        request = Request(
            method=self.command,
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(length)),
        )
        outcome = self._answer(request)
        if isinstance(outcome, Response):
            self._send(outcome)
        else:
            self.close_connection = True
            serve = MISBEHAVIOURS[outcome] if isinstance(outcome, str) else outcome
            serve(self.connection)

    do_POST = do_GET  # noqa: N815 - the base class looks methods up by these names

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, *_args: object) -> None:
        """Nothing: the terminal belongs to whoever started the sandbox."""


class HttpServer:
    """A listener on a port of its own, in daemon threads, from construction until ``stop``."""

    def __init__(self, *, host: str, answer: Answer) -> None:
        self._listener = Listener(socket.create_server((host, 0)), http_service(answer))
        self.address = self._listener.address
        self._listener.__enter__()

    def stop(self) -> None:
        """Closes the port and every connection; a second time does nothing."""
        self._listener.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def http_service(answer: Answer) -> Serve:
    """Return what serves one connection, request after request."""

    def serve(client: socket.socket) -> None:
        _Exchange(client, answer)

    return serve
