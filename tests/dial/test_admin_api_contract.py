"""Our two calls of the Admin API against those that the installed connector makes at the same stand-in."""

import subprocess
import sys
from pathlib import Path as File
from typing import Any

import pytest

from probe.dial import keys
from probe.dial.admin_api import AdminApi, InstanceName
from probe.dial.credentials import Identity
from probe.sandbox import control_plane
from probe.sandbox.control_plane import Instance, ReceivedRequest
from tests.dial.peers import authority, sign, trace

CONNECTION_NAME = "netra-staging:us-central1:db"
CONNECT = """
import sys
from google.cloud.sql.connector import Connector
connector = Connector(sqladmin_api_endpoint=sys.argv[1], refresh_strategy="lazy")
for iam_auth in (False, True):
    try:
        connector.connect(
            sys.argv[2], "pg8000", user="u", db="d", password="p", ip_type="private", enable_iam_auth=iam_auth
        )
    except ConnectionRefusedError:
        print("refused")
connector.close()
"""


@pytest.fixture(scope="module")
def received(identity: Identity) -> dict[str, list[ReceivedRequest]]:
    """What the connector sends, then what we send, without and with IAM login."""
    instance = Instance(
        project="netra-staging",
        region="us-central1",
        name="db",
        server_ca_pem=authority().pem,
        private_address="127.251.7.9",
    )
    with control_plane.AdminApi(host="127.0.0.1", instance=instance, sign=sign) as server:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CONNECT, server.endpoint, CONNECTION_NAME],
            capture_output=True,
            cwd=File(__file__).parents[2],
            timeout=30,
            check=False,
        )
        assert done.stdout == b"refused\n" * 2, done.stderr.decode()
        theirs = server.requests
        for iam_auth in (False, True):
            call(AdminApi(server.endpoint, identity), iam_auth=iam_auth)
        return {"theirs": theirs, "ours": server.requests[len(theirs) :]}


def call(api: AdminApi, *, iam_auth: bool) -> None:
    attempt, name = trace(), InstanceName.parse(CONNECTION_NAME)
    api.connect_settings(attempt, name, "private", 5)
    api.ephemeral_certificate(attempt, name, keys.generate().public_pem, 5, iam_auth=iam_auth)


def shape(body: Any) -> Any:
    """The JSON without what differs from one process to the next: keys and tokens by their form."""
    if body is None:
        return None
    shown = dict(body)
    shown["public_key"] = [line for line in body["public_key"].splitlines() if "-----" in line]
    shown["key_bytes"] = len(body["public_key"].strip())
    if "access_token" in body:
        shown["access_token"] = body["access_token"].partition("-for-")[2]
    return shown


def test_the_calls_are_the_connectors_in_order_method_and_path(
    received: dict[str, list[ReceivedRequest]],
) -> None:
    by_whom = {whom: [(r.method, r.path) for r in requests] for whom, requests in received.items()}
    assert by_whom["ours"] == by_whom["theirs"]
    assert [method for method, _path in by_whom["ours"]] == ["GET", "POST"] * 2


def test_the_bodies_have_the_connectors_keys_and_forms(received: dict[str, list[ReceivedRequest]]) -> None:
    by_whom = {whom: [shape(r.body) for r in requests] for whom, requests in received.items()}
    assert by_whom["ours"] == by_whom["theirs"]
    assert by_whom["ours"][3]["access_token"] == "sqlservice.login"
    assert "access_token" not in by_whom["ours"][1]


def test_the_headers_that_carry_meaning_are_the_connectors(
    received: dict[str, list[ReceivedRequest]],
) -> None:
    for theirs, ours in zip(received["theirs"], received["ours"], strict=True):
        assert ours.headers["content-type"] == theirs.headers["content-type"] == "application/json"
        for headers in (theirs.headers, ours.headers):
            scheme, token = headers["authorization"].split(" ")
            assert scheme == "Bearer"
            assert "-for-sqlservice.admin" in token
