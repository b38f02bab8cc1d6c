"""Phase ``websocket``: a real handshake with the application's WebSocket endpoint, closed in good order."""

import base64
import contextlib
import hashlib
import os
import struct

import httpx

from probe.dial.bounded import bounded
from probe.dial.clock import Deadline
from probe.dial.failures import StageFailure
from probe.model.facts import ErrorFacts
from probe.model.words import Failure
from probe.rehearsal.act import Act
from probe.rehearsal.phases.exchange import ask, new_client, shown

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""
SWITCHING = 101
THERE_ALL_THE_SAME = frozenset({400, 401, 403, 426})
"""Whoever refuses our handshake in these words is there, and answers."""
NORMAL_CLOSURE = 1000
SWITCHED = {"Upgrade": "websocket", "Connection": "upgrade"}
"""What a 101 has to say besides, among other words maybe, in any case of letters."""
GOODBYE_S = 0.1
"""How long the other side may take to say good-bye: not our concern any more."""
SCHEMES = {"ws": "http", "wss": "https"}


def websocket(act: Act) -> bool:
    """Upgrade. Raises StageFailure for an answer that is neither a proper yes nor a proper no."""
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
    client = new_client(act.kit, deadline)
    try:
        address = f"{SCHEMES[scheme.lower()]}:{rest}"
        answer = bounded(lambda: ask(client, address, headers), deadline, abandon=client.close)
        _judge(answer, key)
    except BaseException:
        client.close()
        raise
    act.findings.farewells.append(lambda: _say_goodbye(client, answer))
    return True


def _judge(answer: httpx.Response, key: bytes) -> None:
    """Raises StageFailure: unhealthy for what is no yes, protocol for a yes that switches to nothing."""
    status, head = answer.status_code, answer.headers
    if status in THERE_ALL_THE_SAME:
        return
    if status != SWITCHING:
        raise _failure(Failure.UNHEALTHY, answer, f"HTTP {status} to a WebSocket handshake")
    for name, token in SWITCHED.items():
        said = head.get(name, "")
        if token not in (word.strip().lower() for word in said.split(",")):
            raise _failure(Failure.PROTOCOL, answer, f"101 with {said!r:.100} for {name}: not {token}")
    accept = head.get("sec-websocket-accept", "")
    if accept != base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode():  # noqa: S324 - the protocol's own
        message = f"101 with {accept!r:.100} for Sec-WebSocket-Accept: not this handshake"
        raise _failure(Failure.UNHEALTHY, answer, message)


def _failure(failure: Failure, answer: httpx.Response, message: str) -> StageFailure:
    return StageFailure(failure, ErrorFacts(type="HTTP", message=message, http_status=answer.status_code))


def _say_goodbye(client: httpx.Client, answer: httpx.Response) -> None:
    """A close frame and one read for theirs; that it fails says nothing: the handshake is done."""
    frame = b"\x88\x82" + bytes(4) + struct.pack("!H", NORMAL_CLOSURE)  # masked, with a mask of zeros
    until = Deadline.after(GOODBYE_S)
    with contextlib.suppress(Exception), contextlib.closing(client):
        if answer.status_code == SWITCHING:
            stream = answer.extensions["network_stream"]
            stream.write(frame, timeout=until.left_s())
            stream.read(1024, timeout=until.left_s())
