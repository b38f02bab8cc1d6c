import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from probe.dial import keys
from probe.dial.admin_api import MAX_BODY_BYTES, AdminApi, ConnectSettings, InstanceName
from probe.dial.clock import Trace
from probe.dial.credentials import Identity
from probe.dial.failures import StageFailure
from probe.dial.redaction import Redaction
from probe.model.facts import AdminApiFacts, CertificateFacts
from probe.model.words import Failure, Outcome, Stage
from probe.sandbox import control_plane
from probe.sandbox.control_plane import Instance, connect_settings
from probe.sandbox.http_server import HttpServer, Request, Response, json_response
from tests.dial.peers import (
    BUDGET_S,
    Serve,
    after,
    answers,
    authority,
    blackhole,
    bounded_by,
    closes,
    drips,
    failure_of,
    floods,
    in_tls,
    peer,
    refusing,
    resets,
    says_in_tls,
    server_context,
    sign,
    silent,
    trace,
)

NAME = InstanceName.parse("netra-staging:us-central1:db")
KEY = keys.generate()
INSTANCE = Instance(
    project=NAME.project,
    region=NAME.region,
    name=NAME.instance,
    server_ca_pem=authority().pem,
    private_address="10.20.1.3",
)
CALLS = ["connect_settings", "generate_ephemeral_cert"]
OK = b"HTTP/1.1 200 OK\r\n"


def settings(
    api: AdminApi, attempt: Trace | None = None, ip_type: str = "private", budget_s: float = BUDGET_S
) -> ConnectSettings:
    return api.connect_settings(attempt or trace(), NAME, ip_type, budget_s)


def certificate(
    api: AdminApi, attempt: Trace | None = None, *, iam_auth: bool = False
) -> tuple[str, str | None]:
    return api.ephemeral_certificate(attempt or trace(), NAME, KEY.public_pem, BUDGET_S, iam_auth=iam_auth)


def failure_at(identity: Identity, serve: Serve) -> Failure:
    """What becomes of a stage when the API does this."""
    with peer(serve) as (host, port):
        api = AdminApi(f"http://{host}:{port}", identity)
        with bounded_by(BUDGET_S):
            return failure_of(settings, api)


def failure_for(
    identity: Identity,
    answer: object,
    ip_type: str = "private",
    call: Callable[[AdminApi], object] = settings,
) -> Failure:
    """What becomes of a stage when the API answers this JSON with 200."""
    with HttpServer(host="127.0.0.1", answer=lambda _request: json_response(answer)) as server:
        api = AdminApi(f"http://{server.address}", identity)
        return failure_of(partial(settings, api, ip_type=ip_type) if call is settings else partial(call, api))


# What goes well


def test_both_calls_tell_where_the_instance_is_and_give_a_certificate(identity: Identity) -> None:
    attempt = trace()
    with control_plane.AdminApi(host="127.0.0.1", instance=INSTANCE, sign=sign) as server:
        api = AdminApi(server.endpoint + "/", identity)
        found = settings(api, attempt, budget_s=2)
        pem, login_token = certificate(api, attempt)
    attempt.finish()
    assert found == ConnectSettings(
        address="10.20.1.3", server_ca_pem=authority().pem, database_version="POSTGRES_16"
    )
    assert (pem[:27], login_token) == ("-----BEGIN CERTIFICATE-----", None)
    first, second = attempt.records()
    assert (first.stage, second.stage) == (Stage.ADMIN_API, Stage.CERTIFICATE)
    assert first.outcome is second.outcome is Outcome.PASSED
    assert isinstance(first.facts, AdminApiFacts)
    assert (first.facts.http_status, first.facts.region) == (200, "us-central1")
    assert first.facts.address_types == ("PRIVATE",)
    assert first.span
    assert 0 <= (first.facts.token_s or 0) < first.span.duration_s
    assert isinstance(second.facts, CertificateFacts)
    assert str(second.facts.expires_at).endswith("+00:00")


@pytest.mark.parametrize(
    ("ip_type", "address"), [("private", "10.20.1.3"), ("public", "203.0.113.9"), ("psc", "abc.sql-psc.goog")]
)
def test_the_address_is_of_the_wanted_type(identity: Identity, ip_type: str, address: str) -> None:
    instance = Instance(
        project=NAME.project,
        region=NAME.region,
        name=NAME.instance,
        server_ca_pem=authority().pem,
        private_address="10.20.1.3",
        public_address="203.0.113.9",
        dns_name="abc.sql-psc.goog.",
    )
    with control_plane.AdminApi(host="127.0.0.1", instance=instance, sign=sign) as server:
        found = settings(AdminApi(server.endpoint, identity), ip_type=ip_type, budget_s=2)
    assert found.address == address


SCOPED = {"connectionType": "PRIVATE_SERVICE_CONNECT", "dnsScope": "INSTANCE"}


@pytest.mark.parametrize(
    ("names", "address"),
    [
        ({"dnsName": "old.example."}, "old.example"),
        ({"dnsNames": [SCOPED | {"name": "b.example."}], "dnsName": "old.example."}, "b.example"),
        (
            {"dnsNames": [SCOPED | {"name": "b.example."}, SCOPED | {"name": "a.sql-psc.goog."}]},
            "a.sql-psc.goog",
        ),
        (
            {"dnsNames": [SCOPED | {"name": "x.", "dnsScope": "CLUSTER"}, "odd"], "dnsName": "old."},
            "old",
        ),
    ],
)
def test_the_name_behind_private_service_connect_is_the_instances_own(
    identity: Identity, names: dict[str, Any], address: str
) -> None:
    answer = connect_settings(INSTANCE) | {"pscEnabled": True} | names
    with HttpServer(host="127.0.0.1", answer=lambda _request: json_response(answer)) as server:
        found = settings(AdminApi(f"http://{server.address}", identity), ip_type="psc", budget_s=2)
    assert found.address == address


def test_a_domain_scoped_project_is_one_project() -> None:
    name = InstanceName.parse("example.com:project:region:instance")
    assert name == InstanceName(project="example.com:project", region="region", instance="instance")


def test_a_login_token_alone_takes_the_stage(identity: Identity) -> None:
    attempt = trace()
    api = AdminApi("http://127.0.0.1:9", identity)
    assert api.login_token(attempt, 2).endswith("-for-sqlservice.login")
    assert [record.stage for record in attempt.records()] == [Stage.ADMIN_API]


# Time and size


@pytest.mark.parametrize(
    "serve",
    [
        silent,
        answers(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"),
        after(1, drips(b"HTTP/1.1 200 OK\r\nX: ", b"x")),
        after(1, drips(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b" ")),
        after(1, drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")),
        after(1, floods(b"HTTP/1.1 100 Continue\r\n\r\n")),
    ],
)
def test_no_silence_and_no_drip_outlives_the_budget(identity: Identity, serve: Serve) -> None:
    assert failure_at(identity, serve) is Failure.TIMEOUT


def test_a_call_that_is_left_behind_ends_soon(identity: Identity) -> None:
    failure_at(identity, after(1, drips(b"HTTP/1.1 200 OK\r\nX: ", b"x")))
    until = time.monotonic() + 2
    while any(thread.name == "bounded" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("serve", "failure"),
    [
        (after(1, floods(b" ", before=OK + b"\r\n")), Failure.MALFORMED),
        (after(1, floods(b" ", before=b"HTTP/1.1 403 Forbidden\r\n\r\n")), Failure.MALFORMED),
        (after(1, floods(b"X: y\r\n", before=OK)), Failure.PROTOCOL),
    ],
)
def test_an_endless_answer_ends_at_the_bound(identity: Identity, serve: Serve, failure: Failure) -> None:
    with peer(serve) as (host, port):
        assert (
            failure_of(partial(settings, AdminApi(f"http://{host}:{port}", identity), budget_s=5)) is failure
        )


def test_a_compressed_answer_is_not_asked_for_and_not_inflated(identity: Identity) -> None:
    heard: list[bytes] = []
    bomb = gzip.compress(b" " * 100 * MAX_BODY_BYTES)
    headers = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()

    def serve(client: socket.socket) -> None:
        heard.append(client.recv(65536))
        client.sendall(headers + bomb)

    with peer(serve) as (host, port):
        api = AdminApi(f"http://{host}:{port}", identity)
        tracemalloc.start()
        try:
            assert failure_of(partial(settings, api, budget_s=5)) is Failure.NOT_JSON
            assert tracemalloc.get_traced_memory()[1] < 8 * MAX_BODY_BYTES
        finally:
            tracemalloc.stop()
    assert b"accept-encoding: identity" in heard[0].lower()


def test_no_silence_inside_tls_outlives_the_budget(identity: Identity) -> None:
    for serve in (silent, drips(b"\x16\x03\x03\x3f\xff"), in_tls(says_in_tls(), server_context())):
        with peer(serve) as (host, port):
            api = AdminApi(f"https://{host}:{port}", identity)
            with bounded_by(BUDGET_S):
                assert failure_of(settings, api) in {Failure.TIMEOUT, Failure.SERVER_CERTIFICATE}


# How it fails


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (400, Failure.HTTP_BAD_REQUEST),
        (401, Failure.UNAUTHENTICATED),
        (403, Failure.FORBIDDEN),
        (404, Failure.NOT_FOUND),
        (429, Failure.RATE_LIMITED),
        (500, Failure.SERVER_ERROR),
        (503, Failure.SERVER_ERROR),
        (204, Failure.MALFORMED),
        (418, Failure.MALFORMED),
    ],
)
def test_a_status_is_told_apart_on_either_call(
    identity: Identity, call: str, status: int, failure: Failure
) -> None:
    attempt = trace()
    behaviours = {call: f"status:{status}"}
    with control_plane.AdminApi(
        host="127.0.0.1", instance=INSTANCE, sign=sign, behaviours=behaviours
    ) as server:
        api = AdminApi(server.endpoint, identity)
        with pytest.raises(StageFailure) as caught:
            settings(api, attempt, budget_s=2), certificate(api, attempt)
    assert (caught.value.failure, caught.value.error.http_status) == (failure, status)
    record = attempt.records()[-1]
    assert record.stage is (Stage.ADMIN_API if call == CALLS[0] else Stage.CERTIFICATE)
    assert isinstance(record.facts, AdminApiFacts | CertificateFacts)
    assert record.facts.http_status == status


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        ("html", Failure.NOT_JSON),
        ("malformed", Failure.MALFORMED),
        ("silent", Failure.TIMEOUT),
        ("drip", Failure.TIMEOUT),
        ("reset", Failure.RESET),
        ("closed", Failure.CLOSED),
    ],
)
def test_a_misbehaviour_is_told_apart_on_either_call(
    identity: Identity, call: str, behaviour: str, failure: Failure
) -> None:
    with control_plane.AdminApi(
        host="127.0.0.1", instance=INSTANCE, sign=sign, behaviours={call: behaviour}
    ) as server:
        api = AdminApi(server.endpoint, identity)
        attempt = trace()
        assert (
            failure_of(lambda: (settings(api, attempt, budget_s=0.4), certificate(api, attempt))) is failure
        )
    assert attempt.records()[-1].stage is (Stage.ADMIN_API if call == CALLS[0] else Stage.CERTIFICATE)


@pytest.mark.parametrize(
    ("serve", "failure"),
    [
        (answers(b"SSH-2.0-OpenSSH\r\n\r\n"), Failure.PROTOCOL),
        (answers(b"", then=closes), Failure.CLOSED),
        (answers(OK + b"Content-Length: 10\r\n\r\n{", then=closes), Failure.CLOSED),
        (after(1, resets), Failure.RESET),
        (answers(OK + b"Content-Length: -1\r\n\r\n"), Failure.PROTOCOL),
        (answers(OK + b"Content-Length: 2\r\n\r\n{}"), Failure.MALFORMED),
        (answers(OK + b"Content-Length: 2\r\n\r\n\xff\xfe"), Failure.NOT_JSON),
        (answers(OK + b"Content-Length: 0\r\n\r\n"), Failure.NOT_JSON),
        (answers(OK + b"Content-Length: 2\r\n\r\n[]"), Failure.MALFORMED),
    ],
)
def test_a_broken_exchange_is_told_apart(identity: Identity, serve: Serve, failure: Failure) -> None:
    assert failure_at(identity, serve) is failure


@pytest.mark.parametrize("location", ["/elsewhere", "http://127.0.0.1:9/", "http://[broken", "ftp://x"])
def test_a_redirect_is_not_followed(identity: Identity, location: str) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.path)
        return Response(status=302, headers={"Location": location})

    with HttpServer(host="127.0.0.1", answer=answer) as server:
        api = AdminApi(f"http://{server.address}", identity)
        assert failure_of(partial(settings, api, budget_s=2)) in {Failure.MALFORMED, Failure.PROTOCOL}
    assert len(asked) == 1


def test_json_that_is_nested_without_end_is_no_json(identity: Identity) -> None:
    body = b"[" * 200_000
    with HttpServer(host="127.0.0.1", answer=lambda _request: Response(body=body)) as server:
        api = AdminApi(f"http://{server.address}", identity)
        assert failure_of(partial(settings, api, budget_s=2)) is Failure.NOT_JSON


def without(*keys_: str) -> dict[str, Any]:
    return {key: value for key, value in connect_settings(INSTANCE).items() if key not in keys_}


ANSWER = connect_settings(INSTANCE)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (without("region"), Failure.MALFORMED),
        (ANSWER | {"region": 7}, Failure.MALFORMED),
        (ANSWER | {"region": ""}, Failure.MALFORMED),
        (ANSWER | {"region": "x" * 256}, Failure.MALFORMED),
        (ANSWER | {"ipAddresses": [{"type": "PRIVATE", "ipAddress": "x" * 256}]}, Failure.MALFORMED),
        (ANSWER | {"ipAddresses": [{"type": "PRIVATE", "ipAddress": ""}]}, Failure.MALFORMED),
        (without("databaseVersion"), Failure.MALFORMED),
        (without("serverCaCert"), Failure.MALFORMED),
        (ANSWER | {"serverCaCert": "pem"}, Failure.MALFORMED),
        (ANSWER | {"serverCaCert": {}}, Failure.MALFORMED),
        (without("ipAddresses"), Failure.NO_ADDRESS),
        (ANSWER | {"ipAddresses": []}, Failure.NO_ADDRESS),
        (ANSWER | {"ipAddresses": None}, Failure.NO_ADDRESS),
        (ANSWER | {"ipAddresses": [{"type": "PRIVATE"}]}, Failure.MALFORMED),
        (ANSWER | {"ipAddresses": "10.20.1.3"}, Failure.MALFORMED),
        (ANSWER | {"ipAddresses": 5}, Failure.MALFORMED),
        (ANSWER | {"pscEnabled": True, "dnsNames": 5}, Failure.MALFORMED),
        (ANSWER | {"region": "europe-west1"}, Failure.WRONG_REGION),
        (ANSWER | {"databaseVersion": "MYSQL_8_0"}, Failure.WRONG_ENGINE),
        (ANSWER | {"ipAddresses": [{"type": "PRIMARY", "ipAddress": "203.0.113.9"}]}, Failure.NO_ADDRESS),
    ],
)
def test_each_missing_or_odd_piece_of_the_settings_is_told(
    identity: Identity, answer: dict[str, Any], failure: Failure
) -> None:
    assert failure_for(identity, answer) is failure


def test_an_instance_without_private_service_connect_has_no_such_name(identity: Identity) -> None:
    assert failure_for(identity, ANSWER, ip_type="psc") is Failure.NO_ADDRESS
    assert failure_for(identity, ANSWER | {"pscEnabled": True}, ip_type="psc") is Failure.NO_ADDRESS


PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"ephemeralCert": {}},
        {"ephemeralCert": "pem"},
        {"ephemeralCert": {"cert": "no pem"}},
        {"ephemeralCert": {"cert": PEM.format("AAAA")}},
        {"ephemeralCert": {"cert": PEM.format("")}},
        {"ephemeralCert": {"cert": "\ud800"}},
    ],
)
def test_each_missing_or_odd_piece_of_the_certificate_is_malformed(
    identity: Identity, answer: dict[str, Any]
) -> None:
    assert failure_for(identity, answer, call=certificate) is Failure.MALFORMED


def test_nobody_there_is_told_from_nobody_answering(identity: Identity) -> None:
    with refusing() as (host, port):
        assert failure_of(settings, AdminApi(f"http://{host}:{port}", identity)) is Failure.REFUSED
    with blackhole() as (host, port), bounded_by(BUDGET_S):
        assert failure_of(settings, AdminApi(f"http://{host}:{port}", identity)) is Failure.TIMEOUT


def test_tls_that_is_none_and_a_certificate_that_nobody_vouches_for_are_told_apart(
    identity: Identity,
) -> None:
    for serve, failure in (
        (answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Failure.NOT_TLS),
        (in_tls(says_in_tls(), server_context()), Failure.SERVER_CERTIFICATE),
    ):
        with peer(serve) as (host, port):
            assert failure_of(settings, AdminApi(f"https://{host}:{port}", identity)) is failure


def test_a_mistake_of_our_own_stays_one(identity: Identity) -> None:
    with pytest.raises(Exception, match="protocol") as caught:
        settings(AdminApi("ftp://127.0.0.1", identity))
    assert not isinstance(caught.value, StageFailure)


def test_a_server_that_echoes_the_token_is_cleaned(identity: Identity, redaction: Redaction) -> None:
    def answer(request: Request) -> Response:
        message = f"bad {request.headers['authorization']}" * 40
        return json_response({"error": {"message": message}}, status=401)

    attempt = trace()
    with HttpServer(host="127.0.0.1", answer=answer) as server:
        api = AdminApi(f"http://{server.address}", identity)
        with pytest.raises(StageFailure) as caught:
            settings(api, attempt, budget_s=2)
    attempt.fail(caught.value.failure, caught.value.error)
    assert "-for-sqlservice" in str(attempt.records())
    cleaned = str(redaction.clean(attempt.records()))
    assert "-for-sqlservice" not in cleaned
    assert "bad Bearer ***" in cleaned
