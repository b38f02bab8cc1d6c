import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pg8000.dbapi
import pytest

from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.faults import FAULTS
from probe.sandbox.settings_file import Pace
from tests.sandbox.client import (
    SSL_REQUEST,
    admin_api,
    built_in_socket,
    dial_connector,
    dial_private,
    dial_unix,
    select_one,
    settings,
)

START_LIMIT_S = 15.0
"""Half a second on a machine that has nothing else to do."""
TABLES_OF_THE_APPLICATION = """
SELECT tablename, has_table_privilege('probe', quote_ident(tablename), 'SELECT') FROM pg_tables
WHERE schemaname = 'public'
"""
SYSTEM_PYTHON = f"/usr/bin/python3.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def healthy() -> Iterator[Environment]:
    started = time.monotonic()
    with sandbox() as environment:
        start_s = time.monotonic() - started
        sys.stdout.write(f"the sandbox started in {start_s:.2f} s\n")
        assert start_s < START_LIMIT_S
        yield environment


def test_the_connector_path_leads_to_postgresql(healthy: Environment) -> None:
    assert list(select_one(dial_connector(healthy), healthy.password)[0]) == [1]


def test_the_server_proxy_passes_the_sslrequest_to_postgresql_which_declines(healthy: Environment) -> None:
    with dial_connector(healthy) as tls:
        assert tls.version() == "TLSv1.3"
        tls.sendall(SSL_REQUEST)
        assert tls.recv(10) == b"N"


def test_the_private_path_leads_to_postgresql_over_tls(healthy: Environment) -> None:
    assert list(select_one(dial_private(healthy), healthy.password)[0]) == [1]


def test_the_private_path_takes_a_plain_login_too(healthy: Environment) -> None:
    address = (healthy.host, healthy.private_front.listener.port)
    assert list(select_one(socket.create_connection(address, timeout=3), healthy.password)[0]) == [1]


def test_the_built_in_socket_leads_to_postgresql(healthy: Environment) -> None:
    assert list(select_one(dial_unix(built_in_socket(healthy)), healthy.password)[0]) == [1]


def test_the_server_has_25_slots_3_of_them_reserved(healthy: Environment) -> None:
    assert healthy.postgres is not None
    names = ("max_connections", "superuser_reserved_connections", "reserved_connections")
    shown = [int(healthy.postgres.execute(f"SHOW {name}")[0][0]) for name in names]
    assert shown == [25, 3, 0]


def test_the_neighbours_answer(healthy: Environment) -> None:
    for neighbour in settings(healthy)["neighbours"]:
        host, port = neighbour["address"].split(":")
        with socket.create_connection((host, int(port)), timeout=3) as client:
            if neighbour["name"] == "cache":
                client.sendall(f"AUTH {healthy.cache_password}\r\nPING\r\n".encode())
                assert client.recv(5) == b"+OK\r\n"
                assert client.recv(100) == b"+PONG\r\n"
            else:
                client.sendall(b"GET /ping HTTP/1.1\r\nHost: analytics\r\nConnection: close\r\n\r\n")
                assert b"".join(iter(lambda: client.recv(1000), b"")).endswith(b"\r\n\r\nOk.\n")


def test_the_applications_tables_are_there_and_the_role_may_not_read_them(healthy: Environment) -> None:
    assert healthy.postgres is not None
    rows = healthy.postgres.execute(TABLES_OF_THE_APPLICATION, database="netra")
    assert {(name, readable) for name, readable in rows} == {
        ("users", False),
        ("threads", False),
        ("messages", False),
    }


def test_the_role_may_connect_to_the_database_postgres_too(healthy: Environment) -> None:
    sock = dial_unix(built_in_socket(healthy))
    assert list(select_one(sock, healthy.password, database="postgres")[0]) == [1]


def test_the_application_and_the_service_that_it_calls_are_healthy(healthy: Environment) -> None:
    startup = settings(healthy)["startup"]
    *_, auth = startup["services"]
    for url in (auth, startup["health"], f"{startup['health']}/database"):
        with urllib.request.urlopen(url, timeout=3) as response:  # noqa: S310 - the sandbox's own address
            assert (response.status, json.load(response)) == (200, {"status": "healthy"})


@pytest.mark.parametrize("fault", ["lone-blackhole", "secret-missing", "cache-mute"])
def test_the_settings_are_valid_without_a_warning(fault: str) -> None:
    with sandbox([fault, "server-down"], pace=Pace(checks=("startup",))) as environment:
        done = subprocess.run(
            [sys.executable, "-m", "probe", "check-config", "--config", str(environment.settings_path)],
            env=environment.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "valid: 1 target(s), 0 warning(s)\n", "")


def test_the_admin_api_gives_the_private_address(healthy: Environment) -> None:
    addresses = admin_api(healthy, "/connectSettings")["ipAddresses"]
    assert addresses == [{"type": "PRIVATE", "ipAddress": healthy.host}]


def test_a_child_sees_nothing_of_the_developers_own_credentials(healthy: Environment) -> None:
    assert healthy.environ["GCE_METADATA_HOST"] == healthy.metadata.address
    assert healthy.environ["PROBE_DB_PASSWORD"] == healthy.password
    assert healthy.environ["PROBE_CACHE_PASSWORD"] == healthy.cache_password
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in healthy.environ
    assert list(Path(healthy.environ["HOME"]).iterdir()) == []


def test_google_auth_finds_the_stand_ins_identity_in_a_child(healthy: Environment) -> None:
    script = (
        "import google.auth, google.auth.transport.requests as r;"
        "c, p = google.auth.default(); c.refresh(r.Request()); print(p, c.token)"
    )
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=healthy.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert child.stdout.startswith("netra-staging sandbox-token-")


def test_the_settings_take_the_pace_that_is_asked_for() -> None:
    pace = Pace(samples=1, interval_s=0.05, confirm_after_s=0.0)
    with sandbox(["server-down"], pace=pace) as environment:
        written = settings(environment)
    assert (written["confirm_after_s"], written["targets"][0]["samples"]) == (0.0, 1)


def test_two_sandboxes_live_side_by_side(healthy: Environment) -> None:
    with sandbox(["wrong-password"]) as other:
        assert other.host != healthy.host
        with pytest.raises(pg8000.dbapi.DatabaseError):
            select_one(dial_connector(other), other.password)
        assert list(select_one(dial_connector(healthy), healthy.password)[0]) == [1]


@pytest.mark.parametrize("faults", [[], ["crowd"], ["rehearsal-killed"]])
def test_nothing_is_left_after_a_sandbox(faults: list[str]) -> None:
    if any(FAULTS[name].needs() for name in faults):
        pytest.skip("this machine cannot have it")
    threads = set(threading.enumerate())
    with sandbox(faults) as environment:
        folder, group = environment.settings_path.parent, environment.process_group
        assert _members(group)
    assert not folder.exists()
    assert _members(group) == []
    assert {thread for thread in threading.enumerate() if "grpc" not in thread.name.lower()} <= threads


CANNOT_START = """
import resource
from probe.sandbox.environment import sandbox
from probe.sandbox.binaries import SandboxError
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    with sandbox():
        pass
except SandboxError as error:
    print(error)
"""


def test_nothing_is_left_when_the_start_fails() -> None:
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        child = subprocess.run(
            [sys.executable, "-c", CANNOT_START],
            env={**os.environ, "TMPDIR": folder},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        assert child.stdout.startswith("initdb failed: ")
        assert list(Path(folder).iterdir()) == []


KILLED = """
import sys, time
from probe.sandbox.environment import sandbox
with sandbox(sys.argv[1:]) as environment:
    print(environment.settings_path.parent, environment.process_group, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("fault", [None, "server-stopped"])
def test_a_killed_sandbox_leaves_neither_processes_nor_folders(fault: str | None) -> None:
    arguments = [fault] if fault else []
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        folder, group = child.stdout.readline().split()
        child.kill()
    _await(lambda: not Path(folder).exists() and _members(int(group)) == [])


def test_an_interrupted_sandbox_leaves_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stdout is not None
        folder, group = child.stdout.readline().split()
        child.send_signal(signal.SIGINT)
        assert child.wait(15) == -signal.SIGINT
    assert not Path(folder).exists()
    assert _members(int(group)) == []


AS_NOBODY = """
from probe.sandbox.environment import sandbox
from probe.sandbox.resolver import cannot_bind_name_server
with sandbox() as environment:
    print(environment.postgres.execute("SELECT 'as an ordinary user'")[0][0])
print(cannot_bind_name_server())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="this is already an ordinary user")
def test_it_runs_as_an_ordinary_user() -> None:
    python = next((python for python in (sys.executable, SYSTEM_PYTHON) if _nobody_can_run(python)), None)
    if python is None:
        pytest.skip("uid 65534 can read no Python of this version")
    child = _as_nobody(python, AS_NOBODY)
    said, reason = child.stdout.splitlines()
    assert said == "as an ordinary user"
    assert reason == "port 53 needs root" or reason.startswith("no mount namespace")


def _nobody_can_run(python: str) -> bool:
    try:
        return _as_nobody(python, "import probe.sandbox.environment").returncode == 0
    except OSError:
        return False


def _as_nobody(python: str, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-c", script],
        user=65534,
        group=65534,
        extra_groups=[],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def _members(group: int) -> list[int]:
    listing = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in listing.stdout.splitlines()]
    return [int(pid) for pid, pgid, stat in rows if int(pgid) == group and not stat.startswith("Z")]


def _await(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
