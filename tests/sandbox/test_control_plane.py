import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.auth.credentials import Credentials
from google.cloud.sql.connector import Connector

from probe.sandbox.control_plane import AdminApi, Instance

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox CA")])
SETTINGS = "/sql/v1beta4/projects/p/instances/db/connectSettings"
CERTIFICATE = "/sql/v1beta4/projects/p/instances/db:generateEphemeralCert"
CALLS = {"connect_settings": ("GET", SETTINGS), "generate_ephemeral_cert": ("POST", CERTIFICATE)}


class Authority:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.pem = self._certificate(self._key.public_key())

    def _certificate(self, key: Any) -> str:
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(NAME)
            .issuer_name(NAME)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(hours=1))
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, public_key_pem: str) -> str:
        return self._certificate(serialization.load_pem_public_key(public_key_pem.encode()))


AUTHORITY = Authority()
PUBLIC_KEY = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


def _instance(**changes: Any) -> Instance:
    fields: dict[str, Any] = {
        "project": "p",
        "region": "r",
        "name": "db",
        "server_ca_pem": AUTHORITY.pem,
        "private_address": "127.9.1.200",
    }
    return Instance(**(fields | changes))


def _api(
    behaviours: Mapping[str, str] | None = None, *, instance: Instance | None = None
) -> AbstractContextManager[AdminApi]:
    return AdminApi(
        host="127.9.1.1", instance=instance or _instance(), sign=AUTHORITY.sign, behaviours=behaviours or {}
    )


@pytest.fixture
def api() -> Iterator[AdminApi]:
    with _api() as running:
        yield running


def _call(api: AdminApi, method: str, path: str, *, bearer: str = "t", **options: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    with httpx.Client(timeout=0.4, headers=headers) as client:
        return client.request(method, api.endpoint + path, **options)


class FixedToken(Credentials):
    def refresh(self, _request: object) -> None:
        self.token = "the-token"
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)


async def _connect_with_the_stock_connector(api: AdminApi, *, iam: bool) -> None:
    async with Connector(
        credentials=FixedToken(),  # type: ignore[no-untyped-call]
        sqladmin_api_endpoint=api.endpoint,
        loop=asyncio.get_running_loop(),
    ) as connector:
        await connector.connect_async(
            "p:r:db", "pg8000", user="u", password="x", db="d", ip_type="private", enable_iam_auth=iam
        )


def test_the_stock_connector_gets_through_to_the_tcp_connection(api: AdminApi) -> None:
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(_connect_with_the_stock_connector(api, iam=False))
    seen = {request.path: request for request in api.requests}
    assert seen.keys() == {SETTINGS, CERTIFICATE}
    assert all(request.headers["authorization"] == "Bearer the-token" for request in seen.values())
    assert seen[SETTINGS].body is None
    assert seen[CERTIFICATE].body.keys() == {"public_key"}


def test_an_iam_login_sends_its_own_token_along(api: AdminApi) -> None:
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(_connect_with_the_stock_connector(api, iam=True))
    assert [request.body["access_token"] for request in api.requests if request.method == "POST"] == [
        "the-token"
    ]


def test_connect_settings_say_where_the_instance_is(api: AdminApi) -> None:
    answer = _call(api, "GET", SETTINGS).json()
    assert answer["region"] == "r"
    assert answer["databaseVersion"] == "POSTGRES_16"
    assert answer["serverCaCert"]["cert"] == AUTHORITY.pem
    assert answer["ipAddresses"] == [{"type": "PRIVATE", "ipAddress": "127.9.1.200"}]
    assert answer["pscEnabled"] is False


def test_an_instance_may_have_a_public_address_alone() -> None:
    with _api(instance=_instance(private_address=None, public_address="127.9.1.9")) as api:
        answer = _call(api, "GET", SETTINGS).json()
    assert answer["ipAddresses"] == [{"type": "PRIMARY", "ipAddress": "127.9.1.9"}]


def test_a_private_service_connect_instance_has_a_name() -> None:
    with _api(instance=_instance(private_address=None, dns_name="abc.sql-psc.goog")) as api:
        answer = _call(api, "GET", SETTINGS).json()
    assert answer["pscEnabled"] is True
    assert answer["dnsName"] == "abc.sql-psc.goog."
    assert answer["dnsNames"][0]["connectionType"] == "PRIVATE_SERVICE_CONNECT"


def test_the_certificate_is_made_of_the_key_that_was_sent(api: AdminApi) -> None:
    answer = _call(api, "POST", CERTIFICATE, json={"public_key": PUBLIC_KEY}).json()
    certificate = x509.load_pem_x509_certificate(answer["ephemeralCert"]["cert"].encode())
    key = certificate.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert key.decode() == PUBLIC_KEY


@pytest.mark.parametrize(
    "body", [{}, {"public_key": "no PEM"}, {"public_key": PUBLIC_KEY, "access_token": 1}, ["public_key"]]
)
def test_a_certificate_of_no_key_is_a_bad_request(api: AdminApi, body: object) -> None:
    response = _call(api, "POST", CERTIFICATE, json=body)
    assert response.status_code == 400
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(("method", "path"), CALLS.values())
def test_without_a_bearer_token_the_answer_is_401(api: AdminApi, method: str, path: str) -> None:
    error = _call(api, method, path, bearer="").json()["error"]
    assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", SETTINGS.replace("/p/", "/other/")),
        ("GET", SETTINGS.replace("/db/", "/other/")),
        ("GET", "/"),
        ("POST", SETTINGS),
    ],
)
def test_what_is_not_there_is_404(api: AdminApi, method: str, path: str) -> None:
    assert _call(api, method, path).json()["error"]["status"] == "NOT_FOUND"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 418])
def test_each_call_can_fail_with_any_status(call: str, status: int) -> None:
    with _api({call: f"status:{status}"}) as api:
        response = _call(api, *CALLS[call])
    assert response.status_code == status
    assert response.json()["error"]["code"] == status


def _html(api: AdminApi, call: str) -> None:
    response = _call(api, *CALLS[call])
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=UTF-8")


def _malformed(api: AdminApi, call: str) -> None:
    assert _call(api, *CALLS[call]).json() == {}


def _silent(api: AdminApi, call: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        _call(api, *CALLS[call])
    assert len(api.requests) == 1


def _reset(api: AdminApi, call: str) -> None:
    with pytest.raises(httpx.ReadError) as caught:
        _call(api, *CALLS[call])
    assert "reset" in str(caught.value)


def _closed(api: AdminApi, call: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        _call(api, *CALLS[call])


def _drip(api: AdminApi, call: str) -> None:
    method, path = CALLS[call]
    host, port = api.address.split(":")
    with socket.create_connection((host, int(port)), timeout=1) as client:
        client.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        received = b""
        ends = time.monotonic() + 0.3
        while time.monotonic() < ends:
            received += client.recv(100)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert 3 <= received.partition(b": ")[2].count(b"-") <= 8
    assert b"\r\n\r\n" not in received


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("behaviour", "look"),
    [
        ("html", _html),
        ("malformed", _malformed),
        ("silent", _silent),
        ("reset", _reset),
        ("closed", _closed),
        ("drip", _drip),
    ],
)
def test_each_call_can_misbehave(behaviour: str, look: Callable[[AdminApi, str], None], call: str) -> None:
    with _api({call: behaviour}) as api:
        look(api, call)
        other = next(name for name in CALLS if name != call)
        assert _call(api, *CALLS[other], json={"public_key": PUBLIC_KEY}).status_code == 200


def test_stopping_ends_exchanges_that_still_go_on() -> None:
    with _api({"connect_settings": "silent"}) as api:
        host, port = api.address.split(":")
        client = socket.create_connection((host, int(port)), timeout=1)
        client.sendall(f"GET {SETTINGS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while not api.requests:
            time.sleep(0.005)
        started = time.monotonic()
    assert time.monotonic() - started < 0.5
    with client:
        assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1)


@pytest.mark.parametrize("behaviours", [{"connect_settings": "odd"}, {"other": "normal"}])
def test_an_unknown_behaviour_is_a_programming_error(behaviours: Mapping[str, str]) -> None:
    with pytest.raises(ValueError, match="no such"):
        _api(behaviours)
