"""How the server proxy misbehaves: at which moment, what it says, and how it goes on."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from probe.sandbox.packets import (
    AUTHENTICATION_GSS,
    READY_FOR_QUERY,
    Kind,
    PacketSplitter,
    error_response,
)
from probe.sandbox.relay import Intercept
from probe.sandbox.streams import Stream, close_in_order, drip, reset, swallow


class Moment(Enum):
    """Before PostgreSQL's protocol begins."""

    ACCEPT = auto()
    CLIENT_HELLO = auto()
    AFTER_TLS = auto()


class Then(Enum):
    """How it goes on."""

    CLOSE = auto()
    """An end in good order."""
    RESET = auto()
    SILENCE = auto()
    DRIP = auto()
    """One byte each 50 ms."""
    GO_ON = auto()
    """As if nothing had been: the packet alone is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """At a moment, or at a kind of packet (that contains ``only_with``): say, then go on as told."""

    at: Moment | Kind
    say: bytes = b""
    then: Then
    only_with: bytes = b""


RECORD_HEADER = b"\x16\x03\x03\x3f\xff"
"""A TLS handshake record of 16383 bytes begins."""
HALF_A_SERVER_HELLO = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + bytes(16)
PLAIN_TEXT = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
GARBAGE = b"\xff\xfe\xfd\xfc this is not PostgreSQL\r\n"
HUGE_MESSAGE = b"R\x7f\xff\xff\xff\x00\x00\x00"
BEGUN_MESSAGE = b"E\x00\x00\x7f\xff"
CANNOT_FORK = b"Ecould not fork new process for connection: Cannot allocate memory\n\0"
FIRST_PACKET = Kind.SSL_REQUEST | Kind.START_UP

TAMPERINGS: dict[str, Tampering] = {
    "reset-on-accept": Tampering(at=Moment.ACCEPT, then=Then.RESET),
    "closed-on-accept": Tampering(at=Moment.ACCEPT, then=Then.CLOSE),
    "tls-silent": Tampering(at=Moment.CLIENT_HELLO, then=Then.SILENCE),
    "tls-drip": Tampering(at=Moment.CLIENT_HELLO, say=RECORD_HEADER, then=Then.DRIP),
    "tls-reset": Tampering(at=Moment.CLIENT_HELLO, say=HALF_A_SERVER_HELLO, then=Then.RESET),
    "tls-closed": Tampering(at=Moment.CLIENT_HELLO, say=HALF_A_SERVER_HELLO, then=Then.CLOSE),
    "not-tls": Tampering(at=Moment.CLIENT_HELLO, say=PLAIN_TEXT, then=Then.CLOSE),
    "silent-after-tls": Tampering(at=Moment.AFTER_TLS, then=Then.SILENCE),
    "closed-after-tls": Tampering(at=Moment.AFTER_TLS, then=Then.CLOSE),
    "reset-after-tls": Tampering(at=Moment.AFTER_TLS, then=Then.RESET),
    "garbage-after-tls": Tampering(at=FIRST_PACKET, say=GARBAGE, then=Then.CLOSE),
    "sslrequest-refused": Tampering(at=Kind.SSL_REQUEST, then=Then.RESET),
    "login-silent": Tampering(at=Kind.START_UP, then=Then.SILENCE),
    "login-drip": Tampering(at=Kind.START_UP, say=BEGUN_MESSAGE, then=Then.DRIP),
    "login-closed": Tampering(at=Kind.START_UP, then=Then.CLOSE),
    "login-reset": Tampering(at=Kind.START_UP, then=Then.RESET),
    "login-garbage": Tampering(at=Kind.START_UP, say=GARBAGE, then=Then.CLOSE),
    "login-huge-message": Tampering(at=Kind.START_UP, say=HUGE_MESSAGE, then=Then.SILENCE),
    "auth-unsupported": Tampering(at=Kind.START_UP, say=AUTHENTICATION_GSS, then=Then.SILENCE),
    "cannot-fork": Tampering(at=Kind.START_UP, say=CANNOT_FORK, then=Then.CLOSE),
    "login-error": Tampering(
        at=Kind.START_UP,
        say=error_response("58030", 'could not read file "global/pg_filenode.map": Input/output error'),
        then=Then.CLOSE,
    ),
    "parameters-refused": Tampering(
        at=Kind.START_UP,
        only_with=b"idle_session_timeout",
        say=error_response("42704", 'unrecognized configuration parameter "idle_session_timeout"'),
        then=Then.CLOSE,
    ),
    "query-silent": Tampering(at=Kind.QUERY, then=Then.SILENCE),
    "query-closed": Tampering(at=Kind.QUERY, then=Then.CLOSE),
    "query-garbage": Tampering(at=Kind.QUERY, say=GARBAGE, then=Then.CLOSE),
    "query-error": Tampering(
        at=Kind.QUERY,
        say=error_response("XX000", "cache lookup failed for type 0", severity="ERROR") + READY_FOR_QUERY,
        then=Then.GO_ON,
    ),
    "session-terminated": Tampering(
        at=Kind.QUERY,
        say=error_response("57P01", "terminating connection due to administrator command"),
        then=Then.CLOSE,
    ),
}


def act(tampering: Tampering, stream: Stream, stopping: threading.Event) -> bool:
    """Say and do what is told; return whether the conversation goes on. Raises ``OSError``."""
    if tampering.say:
        stream.send(tampering.say)
    if tampering.then is not Then.GO_ON:
        ENDINGS[tampering.then](stream, stopping)
    return tampering.then is Then.GO_ON


ENDINGS: dict[Then, Callable[[Stream, threading.Event], None]] = {
    Then.CLOSE: lambda stream, _: close_in_order(stream),
    Then.RESET: lambda stream, _: reset(stream),
    Then.SILENCE: lambda stream, _: swallow(stream.raw),
    Then.DRIP: drip,
}


def _concerns(tampering: Tampering, kind: Kind, packet: bytes) -> bool:
    return isinstance(tampering.at, Kind) and kind in tampering.at and tampering.only_with in packet


def interceptor(tampering: Tampering, stream: Stream, stopping: threading.Event) -> Intercept:
    """Return what takes its packets out of the client's bytes and acts on them; the rest is forwarded."""
    splitter = PacketSplitter()

    def intercept(sent: bytes) -> bytes | None:
        forwarded = bytearray()
        for kind, packet in splitter.feed(sent):
            if not _concerns(tampering, kind, packet):
                forwarded += packet
            elif not act(tampering, stream, stopping):
                return None
        return bytes(forwarded)

    return intercept
