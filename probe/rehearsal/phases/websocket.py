"""Phase ``websocket``: a real handshake with the application's WebSocket endpoint, closed in good order."""

import base64
import contextlib
import hashlib
import os
import struct
from dataclasses import dataclass

import httpx

from probe.dial.clock import Deadline
from probe.dial.failures import StageFailure
from probe.model.facts import ErrorFacts
from probe.model.words import Failure
from probe.rehearsal.act import Act
from probe.rehearsal.phases.exchange import exchange, shown

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""
SWITCHING = 101
THERE_ALL_THE_SAME = frozenset({400, 401, 403, 426})
"""Whoever refuses our handshake in these words is there, and answers."""
NORMAL_CLOSURE = 1000
GOODBYE_S = 0.5
"""How long the other side may take to say good-bye: not our concern any more."""
SCHEMES = {"ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class _Greeting:
    status: int
    accept: str


def websocket(act: Act) -> bool:
    """Upgrade. Raises StageFailure (unhealthy) for an answer that is neither yes nor a proper no."""
    url = act.kit.request.startup.websocket
    if not url:
        return False
    deadline = act.begin("handshake", endpoint=shown(url))
    scheme, _colon, rest = url.partition(":")
    key = base64.b64encode(os.urandom(16))
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key.decode(),
    }
    address = f"{SCHEMES[scheme.lower()]}:{rest}"
    greeting = exchange(act.kit, address, headers, deadline, lambda answer: _greet(answer, deadline))
    complaint = _complaint(greeting, key)
    if complaint:
        error = ErrorFacts(type="HTTP", message=complaint, http_status=greeting.status)
        raise StageFailure(Failure.UNHEALTHY, error)
    return True


def _greet(answer: httpx.Response, deadline: Deadline) -> _Greeting:
    if answer.status_code == SWITCHING:
        _say_goodbye(answer, deadline)
    return _Greeting(answer.status_code, answer.headers.get("sec-websocket-accept", ""))


def _say_goodbye(answer: httpx.Response, deadline: Deadline) -> None:
    """A close frame, and one read for theirs; that it fails says nothing: the handshake is done."""
    stream = answer.extensions["network_stream"]
    frame = b"\x88\x82" + bytes(4) + struct.pack("!H", NORMAL_CLOSURE)  # masked, with a mask of zeros
    with contextlib.suppress(Exception):
        stream.write(frame, timeout=min(GOODBYE_S, deadline.left_s()))
        stream.read(1024, timeout=min(GOODBYE_S, deadline.left_s()))


def _complaint(greeting: _Greeting, key: bytes) -> str:
    """What is wrong; empty: nothing."""
    if greeting.status in THERE_ALL_THE_SAME:
        return ""
    if greeting.status != SWITCHING:
        return f"HTTP {greeting.status} to a WebSocket handshake"
    expected = base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode()  # noqa: S324 - the protocol's own
    right = greeting.accept == expected
    return "" if right else f"101 with {greeting.accept!r:.100} for Sec-WebSocket-Accept: not this handshake"
