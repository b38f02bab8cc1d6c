"""PostgreSQL's frontend packets in a byte stream, and the few messages that the sandbox says itself."""

import struct
from collections.abc import Iterator
from enum import Flag, auto

SSL_REQUEST_CODE = 80877103
START_UP_CODE = 196608
HEADER_BYTES = 8
TYPED_HEADER_BYTES = 5

SSL_REQUEST = struct.pack("!ii", HEADER_BYTES, SSL_REQUEST_CODE)


class Kind(Flag):
    """What a frontend packet is, as far as the sandbox cares."""

    OTHER = auto()
    SSL_REQUEST = auto()
    START_UP = auto()
    QUERY = auto()


class PacketSplitter:
    """Holds the bytes of an unfinished packet; before the start-up packet none has a type byte."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._started = False

    def feed(self, received: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Yield every packet that is complete now, whole."""
        self._pending += received
        while size := self._complete_bytes():
            packet = bytes(self._pending[:size])
            del self._pending[:size]
            yield self._kind(packet), packet

    def _complete_bytes(self) -> int:
        offset = 1 if self._started else 0
        if len(self._pending) < offset + 4:
            return 0
        (length,) = struct.unpack_from("!I", self._pending, offset)
        size = offset + int(length)
        return size if len(self._pending) >= size else 0

    def _kind(self, packet: bytes) -> Kind:
        if self._started:
            return Kind.QUERY if packet[:1] in {b"Q", b"P"} else Kind.OTHER
        code = struct.unpack_from("!i", packet, 4)[0] if len(packet) >= HEADER_BYTES else 0
        self._started = code == START_UP_CODE
        return {SSL_REQUEST_CODE: Kind.SSL_REQUEST, START_UP_CODE: Kind.START_UP}.get(code, Kind.OTHER)


def start_up(*, user: str, database: str) -> bytes:
    """Compose the packet with which a client's login begins."""
    body = f"user\0{user}\0database\0{database}\0\0".encode()
    return struct.pack("!ii", HEADER_BYTES + len(body), START_UP_CODE) + body


def message(type_: bytes, body: bytes) -> bytes:
    """Compose a backend message."""
    return type_ + struct.pack("!I", len(body) + 4) + body


def error_response(sqlstate: str, text: str, *, severity: str = "FATAL") -> bytes:
    """Compose an ErrorResponse."""
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": text}
    return message(b"E", b"".join(f"{code}{value}\0".encode() for code, value in fields.items()) + b"\0")


READY_FOR_QUERY = message(b"Z", b"I")
AUTHENTICATION_GSS = message(b"R", struct.pack("!i", 7))
