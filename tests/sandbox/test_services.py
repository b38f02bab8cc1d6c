"""HTTP stand-ins and the WebSocket, asked by raw bytes and by the standard library."""

import base64
import hashlib
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse

import pytest

from probe.sandbox.http_server import MAX_BODY_BYTES
from probe.sandbox.listener import Listener
from probe.sandbox.services import Services, ServiceState, clickhouse, start_services

HOST = "127.0.0.1"
KEY = base64.b64encode(bytes(range(16))).decode()
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
MASK = b"\x01\x02\x03\x04"


@contextmanager
def _services(
    *, auth: ServiceState = "normal", backend: ServiceState = "normal", websocket: ServiceState = "normal"
) -> Iterator[Services]:
    with ExitStack() as stack:
        yield start_services(stack, HOST, auth=auth, backend=backend, websocket=websocket)


def _get(
    listener: Listener, path: str, headers: dict[str, str] | None = None, *, timeout_s: float = 2.0
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(listener.host, listener.port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/health", "/health/database", "/health?full=1"])
def test_a_healthy_application_says_so(path: str) -> None:
    with _services() as services:
        response, body = _get(services.backend, path)
    assert (response.status, json.loads(body)) == (200, {"status": "healthy"})


def test_what_is_not_there_is_not_found() -> None:
    with _services() as services:
        assert _get(services.auth, "/ws")[0].status == 404


def test_several_requests_go_over_one_connection() -> None:
    with _services() as services:
        connection = HTTPConnection(HOST, services.auth.port, timeout=2)
        for _ in range(3):
            connection.request("GET", "/health")
            assert connection.getresponse().read()
        connection.close()


def test_each_is_unwell_by_itself() -> None:
    with _services(auth="503", backend="unhealthy") as services:
        assert _get(services.auth, "/health")[0].status == 503
        response, body = _get(services.backend, "/health")
        assert (response.status, json.loads(body)) == (200, {"status": "starting"})
        assert _get(services.backend, "/ws")[0].status == 426


def test_a_silent_service_reads_and_never_answers() -> None:
    with _services(auth="silent") as services, pytest.raises(TimeoutError):
        _get(services.auth, "/health", timeout_s=0.3)


def test_a_service_resets() -> None:
    with _services(auth="reset") as services, pytest.raises(ConnectionResetError):
        _get(services.auth, "/health")


def test_analytics_answers_a_ping_as_clickhouse_does() -> None:
    with Listener(socket.create_server((HOST, 0)), clickhouse) as listener:
        response, body = _get(listener, "/ping")
    assert (response.status, body) == (200, b"Ok.\n")


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "9" * 30, "-1", "x"])
def test_a_body_that_is_too_long_or_no_number_is_not_waited_for(length: str) -> None:
    with _services() as services:
        assert _get(services.auth, "/health", {"Content-Length": length})[0].status == 413


def test_a_plain_get_of_the_websocket_is_told_to_upgrade() -> None:
    with _services() as services:
        response, _ = _get(services.backend, "/ws")
    assert response.status == 426
    assert (response.headers["Upgrade"], response.headers["Sec-WebSocket-Version"]) == ("websocket", "13")


@pytest.mark.parametrize("key", ["", "!", base64.b64encode(b"short").decode()])
def test_a_handshake_without_a_right_key_is_a_bad_request(key: str) -> None:
    with _services() as services:
        assert _get(services.backend, "/ws", {**HANDSHAKE, "Sec-WebSocket-Key": key})[0].status == 400


def test_another_version_of_the_protocol_is_told_the_right_one() -> None:
    with _services() as services:
        response, _ = _get(services.backend, "/ws", {**HANDSHAKE, "Sec-WebSocket-Version": "8"})
    assert (response.status, response.headers["Sec-WebSocket-Version"]) == (426, "13")


@pytest.mark.parametrize(("state", "status"), [("503", 503), ("unhealthy", 200)])
def test_an_unready_websocket_answers_the_handshake_with_something_else(
    state: ServiceState, status: int
) -> None:
    with _services(websocket=state) as services:
        assert _get(services.backend, "/ws", HANDSHAKE)[0].status == status
        assert _get(services.backend, "/health")[0].status == 200


@contextmanager
def _conversation() -> Iterator[socket.socket]:
    with (
        _services() as services,
        socket.create_connection((HOST, services.backend.port), timeout=2) as client,
    ):
        headers = "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items())
        client.sendall(f"GET /ws HTTP/1.1\r\nHost: sandbox\r\n{headers}\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += client.recv(1)
        digest = hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324
        status, *told = answer.decode().split("\r\n")
        assert status == "HTTP/1.1 101 Switching Protocols"
        assert f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}" in told
        yield client


def _frame(first_byte: int, payload: bytes, *, masked: bool = True) -> bytes:
    masking = 0x80 if masked else 0
    if len(payload) < 126:
        header = bytes([first_byte, masking | len(payload)])
    elif len(payload) < 1 << 16:
        header = bytes([first_byte, masking | 126]) + struct.pack("!H", len(payload))
    else:
        header = bytes([first_byte, masking | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return header + payload
    return header + MASK + bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))


def _rest(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(1000), b""))


def test_pings_get_their_own_pongs_and_texts_are_listened_to() -> None:
    with _conversation() as client:
        client.sendall(
            _frame(0x89, b"one") + _frame(0x81, b"x" * 300) + _frame(0x89, b"two") + _frame(0x88, b"")
        )
        assert _rest(client) == b"\x8a\x03one\x8a\x03two\x88\x02\x03\xe8"


def test_a_good_bye_is_answered_with_its_own_code() -> None:
    with _conversation() as client:
        client.sendall(_frame(0x88, b"\x03\xe9leaving"))
        assert _rest(client) == b"\x88\x02\x03\xe9"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (_frame(0x89, b"x", masked=False), 1002),
        (_frame(0xC1, b"x"), 1002),
        (_frame(0x83, b"x"), 1002),
        (_frame(0x09, b"x"), 1002),
        (_frame(0x89, b"x" * 126), 1002),
        (_frame(0x82, b"x" * 65537), 1009),
    ],
)
def test_what_is_no_frame_is_told_so_and_hung_up_on(sent: bytes, code: int) -> None:
    with _conversation() as client:
        client.sendall(sent)
        assert _rest(client) == b"\x88\x02" + struct.pack("!H", code)


@pytest.mark.parametrize("sent", [b"", b"\x89", b"\x89\x81\x01\x02", b"\x82\xfe\x01", b"\x82\xff\x00"])
def test_a_client_that_leaves_in_the_middle_ends_the_conversation(sent: bytes) -> None:
    with _conversation() as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert _rest(client) == b""
