"""What the application talks to over HTTP, and the application itself: health addresses and a WebSocket."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from probe.sandbox.http_server import Answer, Request, Response, http_service, json_response
from probe.sandbox.listener import Listener, Serve
from probe.sandbox.ports import bind
from probe.sandbox.websocket import answer_handshake

ServiceState = Literal["normal", "503", "silent", "unhealthy", "reset"]

HEALTHY = json_response({"status": "healthy"})
NOT_FOUND = json_response({"detail": "Not Found"}, status=404)
WRONG_STATES: Mapping[str, Response | str] = {
    "503": json_response({"detail": "Service Unavailable"}, status=503),
    "unhealthy": json_response({"status": "starting"}),
    "silent": "silent",
    "reset": "reset",
}
PONG = Response(body=b"Ok.\n", content_type="text/plain; charset=UTF-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The HTTP stand-ins, each on a port of its own."""

    auth: Listener
    """A service that the application calls."""
    backend: Listener
    """The application itself, with its WebSocket endpoint."""


def start_services(
    stack: ExitStack, host: str, *, auth: ServiceState, backend: ServiceState, websocket: ServiceState
) -> Services:
    """Start both at ``host``; the stack stops them."""
    health = {"/health": _health(backend), "/health/database": _health(backend)}
    rooms = health | {"/ws": _in_state(websocket, answer_handshake)}
    return Services(
        auth=stack.enter_context(Listener(bind(stack, host), _served({"/health": _health(auth)}))),
        backend=stack.enter_context(Listener(bind(stack, host), _served(rooms))),
    )


def clickhouse(client: socket.socket) -> None:
    """Serve a connection as ClickHouse's HTTP port does, as far as ``/ping`` and ``/``."""
    _served({"/ping": lambda _: PONG, "/": lambda _: PONG})(client)


def _health(state: ServiceState) -> Answer:
    return _in_state(state, lambda _: HEALTHY)


def _in_state(state: ServiceState, normal: Answer) -> Answer:
    return normal if state == "normal" else lambda _: WRONG_STATES[state]


def _served(rooms: Mapping[str, Answer]) -> Serve:
    def answer(request: Request) -> Response | Serve | str:
        room = rooms.get(request.path.partition("?")[0])
        return room(request) if room else NOT_FOUND

    return http_service(answer)
