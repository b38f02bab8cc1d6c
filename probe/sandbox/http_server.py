"""A small HTTP server on a loopback address, and the ways in which one can misbehave."""

import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Self

STOP_S = 2.0
"""The longest that stopping waits for the connections that are still open."""

DRIP_INTERVAL_S = 0.05


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


MISBEHAVIOURS: Mapping[str, Callable[[socket.socket], None]] = {
    "silent": _silent,
    "reset": _reset,
    "closed": _closed,
    "drip": _drip,
}
"""What can happen instead of an answer. Each ends when the client leaves or the server stops."""

Answer = Callable[[Request], Response | str]
"""An answer, or the name of a misbehaviour."""


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Listener"

    def do_GET(self) -> None:
        length_bytes = int(self.headers.get("Content-Length") or 0)
        request = Request(
            method=self.command,
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length_bytes),
        )
        outcome = self.server.answer(request)
        if isinstance(outcome, Response):
            self._send(outcome)
        else:
            self.close_connection = True
            MISBEHAVIOURS[outcome](self.connection)

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


class _Listener(ThreadingMixIn, TCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, answer: Answer) -> None:
        self.answer = answer
        self._open: set[socket.socket] = set()
        self._changed = Condition()
        super().__init__((host, 0), _Exchange)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        # Closing alone: a shutdown before it would send a FIN where a RST is wanted.
        with self._changed:
            self._open.discard(request)
            request.close()
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no error of the server; anything else is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def break_off(self) -> None:
        """Ends every exchange that is still going on; waits for that for at most ``STOP_S`` seconds."""
        with self._changed:
            for connection in self._open:
                _shut(connection)
            self._changed.wait_for(lambda: not self._open, timeout=STOP_S)


class HttpServer:
    """A listener on a port of its own, in daemon threads, from construction until ``stop``."""

    def __init__(self, *, host: str, answer: Answer) -> None:
        self._listener = _Listener(host, answer)
        bound_host, port = self._listener.socket.getsockname()
        self.address = f"{bound_host}:{port}"
        self._thread = Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Closes the port and every connection; a second time does nothing."""
        self._listener.shutdown()
        self._listener.server_close()
        self._listener.break_off()
        self._thread.join(STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is gone already
