"""Each fault that PostgreSQL or the whole environment has to play, seen by a visitor of the tests' own."""

import socket
import ssl
import subprocess
import sys
import time
from typing import Any

import pytest

from probe.model.cause import Cause
from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.faults import FAULTS, FaultError, combine
from probe.sandbox.staging import HEALTHY, Staging, choices
from probe.sandbox.tampering import TAMPERINGS
from tests.sandbox.client import (
    SSL_REQUEST,
    admin_api,
    built_in_socket,
    dial_connector,
    dial_private,
    dial_unix,
    select_one,
    settings,
    sqlstate,
)

SILENCE_S = 0.4
NO_POSTGRES = "server-down"
"""Starts in a tenth of the time, where PostgreSQL plays no part."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_differs_from_a_healthy_environment_in_something(name: str) -> None:
    fault = FAULTS[name]
    assert choices(fault.staging)
    assert isinstance(fault.cause, Cause)
    assert fault.description
    assert "\n" not in fault.description


def test_every_tampering_but_one_is_a_fault_of_the_table() -> None:
    used = {fault.staging.tampering for fault in FAULTS.values()}
    assert set(TAMPERINGS) - used == {"login-silent"}  # PostgreSQL itself plays that one


def test_no_fault_is_a_healthy_environment() -> None:
    assert combine([]) == HEALTHY


def test_faults_of_different_parts_combine() -> None:
    assert combine(["slow", "neighbour-down"]) == Staging(delay_s=0.2, cache_port="refused")


def test_faults_that_contradict_each_other_are_both_named() -> None:
    with pytest.raises(
        FaultError, match=r"admin-401 and admin-403 contradict each other: both set connect_settings"
    ):
        combine(["admin-401", "admin-403"])


def test_an_unknown_fault_gets_a_hint() -> None:
    with pytest.raises(FaultError, match=r"there is no fault tls-silnt; did you mean tls-silent\?"):
        combine(["tls-silnt"])


def test_a_wild_guess_gets_none() -> None:
    with pytest.raises(FaultError, match=r"there is no fault 12345$"):
        combine(["12345"])


SQLSTATES = {
    "wrong-password": ("28P01", "password authentication failed"),
    "nologin": ("28000", "is not permitted to log in"),
    "hba-rejected": ("28000", "pg_hba.conf rejects connection"),
    "database-missing": ("3D000", "does not exist"),
    "database-closed": ("55000", "is not currently accepting connections"),
    "no-connect-privilege": ("42501", "permission denied for database"),
    "slots-exhausted": ("53300", "sorry, too many clients already"),
    "only-reserved-slots": ("53300", "remaining connection slots are reserved"),
    "role-limit": ("53300", "too many connections for role"),
    "database-limit": ("53300", "too many connections for database"),
    "server-starting": ("57P03", "the database system is starting up"),
    "server-stopping": ("57P03", "the database system is shutting down"),
    "server-not-accepting": ("57P03", "the database system is not accepting connections"),
}


@pytest.mark.parametrize("name", SQLSTATES)
def test_postgresql_itself_refuses_on_every_path(name: str) -> None:
    expected, words = SQLSTATES[name]
    with sandbox([name]) as environment:
        for dial in (dial_connector, dial_private, _dial_built_in):
            code, message = sqlstate(dial(environment), environment.password)
            assert (code, words in message) == (expected, True)


def _dial_built_in(environment: Environment) -> socket.socket:
    return dial_unix(built_in_socket(environment))


def test_a_locked_catalogue_silences_the_login_but_not_the_sslrequest() -> None:
    with sandbox(["login-silent"]) as environment:
        with dial_connector(environment) as tls:
            tls.sendall(SSL_REQUEST)
            assert tls.recv(1) == b"N"
        _assert_silent_login(dial_connector(environment), environment)


def test_a_frozen_server_accepts_and_is_silent_on_every_path_until_it_thaws() -> None:
    with sandbox(["server-stopped"]) as environment:
        for dial in (dial_connector, _dial_built_in):
            _assert_silent_login(dial(environment), environment)
        with socket.create_connection((environment.host, 5432), timeout=SILENCE_S) as client:
            client.sendall(SSL_REQUEST)
            with pytest.raises(TimeoutError):
                client.recv(1)
        assert environment.postgres is not None
        environment.postgres.thaw()
        assert list(select_one(dial_connector(environment), environment.password)[0]) == [1]


def _assert_silent_login(sock: socket.socket, environment: Environment) -> None:
    sock.settimeout(SILENCE_S)
    with pytest.raises(TimeoutError):
        select_one(sock, environment.password)


def test_a_server_that_is_down_refuses_and_its_proxy_closes_after_tls() -> None:
    with sandbox(["server-down"]) as environment:
        with dial_connector(environment) as tls:
            assert tls.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((environment.host, 5432), timeout=1)
        with pytest.raises(FileNotFoundError):
            _dial_built_in(environment)
        assert environment.postgres is None


@pytest.mark.parametrize(
    ("name", "error"), [("socket-missing", FileNotFoundError), ("socket-refused", ConnectionRefusedError)]
)
def test_the_built_in_socket_is_missing_or_refuses(name: str, error: type[Exception]) -> None:
    with sandbox([name]) as environment, pytest.raises(error):
        _dial_built_in(environment)


def test_the_private_port_declines_tls() -> None:
    with (
        sandbox(["private-tls-declined"]) as environment,
        socket.create_connection((environment.host, 5432), timeout=1) as client,
    ):
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"N"
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"E"  # the conversation goes on


def test_a_foreign_authority_signed_the_server_proxys_certificate() -> None:
    with (
        sandbox(["wrong-server-ca", NO_POSTGRES]) as environment,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        dial_connector(environment)


def test_a_foreign_authority_signed_the_client_certificate() -> None:
    with (
        sandbox(["client-cert-foreign", NO_POSTGRES]) as environment,
        dial_connector(environment) as tls,
        pytest.raises(ssl.SSLError, match="UNKNOWN_CA"),
    ):
        tls.recv(1)


def test_everything_private_is_silent() -> None:
    with sandbox(["everything-silent"]) as environment:
        for address in _private_endpoints(environment):
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.2)
        assert admin_api(environment, "/connectSettings")["region"] == "us-central1"


def test_slow_egress_heals_after_the_first_attempt() -> None:
    with sandbox(["egress-slow"]) as environment:
        time.sleep(0.8)  # nobody has knocked yet
        address, *others = _private_endpoints(environment)
        knocked = time.monotonic()
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.3)
        while not _connects(address):
            assert time.monotonic() - knocked < 3
        assert time.monotonic() - knocked > 0.5
        assert all(_connects(other) for other in others)
        assert list(select_one(dial_connector(environment), environment.password)[0]) == [1]


def _private_endpoints(environment: Environment) -> list[tuple[str, int]]:
    neighbours = [address.split(":") for address in environment.neighbours.values()]
    ports = [environment.server_proxy.listener.port, environment.private_front.listener.port]
    return [(environment.host, port) for port in ports] + [(host, int(port)) for host, port in neighbours]


def _connects(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=0.2).close()
    except TimeoutError:
        return False
    return True


def test_one_silent_port_is_all_there_is() -> None:
    with sandbox(["lone-blackhole", NO_POSTGRES]) as environment:
        written = settings(environment)
        assert written["targets"][0]["paths"] == ["connector"]
        assert written["neighbours"] == []
        with pytest.raises(TimeoutError):
            socket.create_connection((environment.host, 3307), timeout=0.2)


@pytest.mark.parametrize("name", ["neighbour-down", "proxy-refused"])
def test_a_port_refuses(name: str) -> None:
    with sandbox([name, NO_POSTGRES]) as environment:
        host, port = environment.neighbours["cache"].split(":")
        address = (host, int(port)) if name == "neighbour-down" else (environment.host, 3307)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=1)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("wrong-region", {"region": "europe-west1"}),
        ("wrong-engine", {"databaseVersion": "MYSQL_8_0"}),
        ("no-private-address", {"ipAddresses": []}),
        ("instance-unreachable", {"ipAddresses": [{"type": "PRIVATE", "ipAddress": "127.255.255.255"}]}),
        ("name-not-found", {"dnsName": f"{'x' * 64}.example.internal."}),
    ],
)
def test_the_admin_api_describes_another_instance(name: str, answer: dict[str, Any]) -> None:
    with sandbox([name, NO_POSTGRES]) as environment:
        described = admin_api(environment, "/connectSettings")
        assert {key: described[key] for key in answer} == answer


@pytest.mark.parametrize(
    ("name", "error"), [("admin-refused", ConnectionRefusedError), ("admin-unreachable", OSError)]
)
def test_the_admin_api_cannot_be_reached(name: str, error: type[Exception]) -> None:
    with sandbox([name, NO_POSTGRES]) as environment:
        host, port = settings(environment)["sqladmin"]["endpoint"].removeprefix("http://").split(":")
        with pytest.raises(error):
            socket.create_connection((host, int(port)), timeout=1)


def test_the_admin_api_speaks_no_tls() -> None:
    with sandbox(["admin-not-tls", NO_POSTGRES]) as environment:
        assert settings(environment)["sqladmin"]["endpoint"].startswith("https://127.")


GOOGLE_AUTH = """
import google.auth, google.auth.transport.requests as r
try:
    c, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    c.refresh(r.Request())
    print("expired" if c.expired else c.token)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("credentials-missing", "DefaultCredentialsError"),
        ("token-refused", "RefreshError ('invalid_grant"),
        ("token-expired", "expired"),
    ],
)
def test_google_auth_gets_no_token(name: str, words: str) -> None:
    with sandbox([name, NO_POSTGRES]) as environment:
        assert _child(environment, GOOGLE_AUTH).startswith(words)


def test_nobody_listens_at_the_metadata_servers_address() -> None:
    with sandbox(["metadata-down", NO_POSTGRES]) as environment:
        host, port = environment.environ["GCE_METADATA_HOST"].split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=1)


LOOK_UP = """
import socket
try:
    socket.getaddrinfo("db.example.internal", 3307)
except socket.gaierror as error:
    print(error.errno == socket.EAI_AGAIN)
"""


@pytest.mark.parametrize("name", ["resolver-down", "resolver-silent"])
def test_the_name_server_fails(name: str) -> None:
    if reason := FAULTS[name].needs():
        pytest.skip(reason)
    with sandbox([name, NO_POSTGRES]) as environment:
        command = [*environment.command_prefix, sys.executable, "-c", LOOK_UP]
        if name == "resolver-down":
            assert _child(environment, LOOK_UP) == "True\n"
        else:
            with pytest.raises(subprocess.TimeoutExpired):
                subprocess.run(command, env=environment.environ, timeout=1.0, check=False)


def _child(environment: Environment, script: str) -> str:
    child = subprocess.run(
        [*environment.command_prefix, sys.executable, "-W", "ignore", "-c", script],
        env=environment.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return child.stdout
