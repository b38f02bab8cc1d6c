import struct

import pytest

from probe.sandbox.packets import READY_FOR_QUERY, SSL_REQUEST, Kind, PacketSplitter, error_response

BODY = struct.pack("!i", 196608) + b"user\0probe\0\0"
START_UP = struct.pack("!i", len(BODY) + 4) + BODY
QUERY = b"Q" + struct.pack("!i", 13) + b"SELECT 1\0"
PASSWORD = b"p" + struct.pack("!i", 8) + b"abc\0"
CONVERSATION = [
    (Kind.SSL_REQUEST, SSL_REQUEST),
    (Kind.START_UP, START_UP),
    (Kind.OTHER, PASSWORD),
    (Kind.QUERY, QUERY),
]


@pytest.mark.parametrize("chunk_bytes", [1, 3, 8, 1000])
def test_packets_come_whole_however_they_arrive(chunk_bytes: int) -> None:
    sent = b"".join(packet for _, packet in CONVERSATION)
    splitter = PacketSplitter()
    packets = [
        packet
        for start in range(0, len(sent), chunk_bytes)
        for packet in splitter.feed(sent[start : start + chunk_bytes])
    ]
    assert packets == CONVERSATION


def test_a_packet_too_short_for_a_code_is_some_other() -> None:
    assert list(PacketSplitter().feed(b"\0\0\0\x04")) == [(Kind.OTHER, b"\0\0\0\x04")]


def test_messages_are_framed_as_postgresql_frames_them() -> None:
    assert READY_FOR_QUERY == b"Z\0\0\0\x05I"
    assert error_response("57P01", "gone") == b"E\0\0\0\x20SFATAL\0VFATAL\0C57P01\0Mgone\0\0"
