"""A WebSocket endpoint (RFC 6455): the handshake, pongs for pings, a good-bye for a good-bye."""

import base64
import binascii
import hashlib
import socket
import struct
from typing import BinaryIO

from probe.sandbox.http_server import Request, Response
from probe.sandbox.listener import Serve
from probe.sandbox.streams import PlainStream, close_in_order

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION = "13"
KEY_BYTES = 16
HEADER_BYTES = 2
MASK_BYTES = 4
MAX_PAYLOAD_BYTES = 65536
MAX_CONTROL_BYTES = 125

CLOSE, PING, PONG = 0x8, 0x9, 0xA
OPCODES = frozenset({0x0, 0x1, 0x2, CLOSE, PING, PONG})
FINAL, RESERVED, MASKED, CONTROL = 0x80, 0x70, 0x80, 0x8
NORMAL_CLOSE = 1000
PROTOCOL_ERROR = 1002
TOO_BIG = 1009
LONG_LENGTHS = {126: "!H", 127: "!Q"}


class FrameError(Exception):
    """Nothing that a client may send; ``code`` is the close code that says so."""

    def __init__(self, code: int) -> None:
        super().__init__(f"close code {code}")
        self.code = code


def answer_handshake(request: Request) -> Response | Serve:
    """Accept an opening handshake by taking the connection over; a plain GET is answered 426."""
    headers = request.headers
    wishes = {wish.strip().lower() for wish in headers.get("connection", "").split(",")}
    asked = headers.get("upgrade", "").lower() == "websocket" and "upgrade" in wishes
    if not asked or headers.get("sec-websocket-version") != VERSION:
        told = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": VERSION}
        return Response(status=426, headers=told)
    key = headers.get("sec-websocket-key", "")
    if request.method != "GET" or not _is_key(key):
        return Response(status=400)

    def converse(client: socket.socket) -> None:
        client.sendall(_accepted(key))
        with client.makefile("rb") as reader:
            _converse(client, reader)

    return converse


def _converse(client: socket.socket, reader: BinaryIO) -> None:
    """Answer frame after frame until either side says good-bye or the stream ends."""
    while True:
        try:
            frame = _next_frame(reader)
        except FrameError as error:
            client.sendall(_frame(CLOSE, struct.pack("!H", error.code)))
            close_in_order(PlainStream(client))  # a reset would overtake the good-bye
            return
        if frame is None:
            return
        opcode, payload = frame
        if opcode == CLOSE:
            client.sendall(_frame(CLOSE, payload[:2] or struct.pack("!H", NORMAL_CLOSE)))
            return
        if opcode == PING:
            client.sendall(_frame(PONG, payload))


def _next_frame(reader: BinaryIO) -> tuple[int, bytes] | None:
    """Return the opcode and the payload; None at the stream's end. Raises ``FrameError``."""
    header = reader.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    opcode, length = header[0] & 0x0F, header[1] & 0x7F
    lonely_control = bool(opcode & CONTROL) and (not header[0] & FINAL or length > MAX_CONTROL_BYTES)
    if header[0] & RESERVED or opcode not in OPCODES or not header[1] & MASKED or lonely_control:
        raise FrameError(PROTOCOL_ERROR)
    form = LONG_LENGTHS.get(length)
    rest = reader.read(struct.calcsize(form)) if form else b""
    if form and len(rest) == struct.calcsize(form):
        (length,) = struct.unpack(form, rest)
    if length > MAX_PAYLOAD_BYTES:
        raise FrameError(TOO_BIG)
    masked = reader.read(MASK_BYTES + length)
    if len(masked) < MASK_BYTES + length:
        return None
    mask, payload = masked[:MASK_BYTES], masked[MASK_BYTES:]
    return opcode, bytes(byte ^ mask[place % MASK_BYTES] for place, byte in enumerate(payload))


def _frame(opcode: int, payload: bytes) -> bytes:
    return bytes([FINAL | opcode, len(payload)]) + payload


def _accepted(key: str) -> bytes:
    accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode(), usedforsecurity=False).digest()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    return "\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept}", "", ""]).encode()


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False
