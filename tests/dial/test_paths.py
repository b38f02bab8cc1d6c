import contextlib
import dataclasses
import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import pytest

from probe.dial import keys, paths, tls
from probe.dial.admin_api import AdminApi, ConnectSettings, InstanceName
from probe.dial.clock import Trace
from probe.dial.credentials import Identity
from probe.dial.parameters import Known
from probe.dial.paths import STAGES, Concessions, Equipment
from probe.model.facts import LoginFacts
from probe.model.observation import StageRecord
from probe.model.target import Target, Timeouts
from probe.model.words import Failure, Outcome, Path, SkipReason, Stage
from probe.sandbox import control_plane
from probe.sandbox.control_plane import Instance
from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.http_server import HttpServer, json_response
from tests.dial.peers import (
    LOGGED_IN,
    ONE_ROW,
    PEER_S,
    TlsPeer,
    answers,
    asks_for,
    authority,
    bound_to_3307,
    closes,
    failure_of,
    in_tls,
    peer,
    says_in_tls,
    server_context,
    sign,
    silent,
    trace,
)

KEY = keys.generate()
CONNECTION_NAME = "netra-staging:us-central1:staging-shared-postgres"
NAME = InstanceName.parse(CONNECTION_NAME)
TIMEOUTS = Timeouts(
    connection_s=5,
    admin_api_s=2,
    certificate_s=2,
    dns_s=2,
    tcp_s=2,
    tls_s=2,
    proxy_s=2,
    login_s=2,
    query_s=2,
)


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with sandbox() as running:
        yield running


def equipment(identity: Identity, endpoint: str, password: str | None = None, **more: Any) -> Equipment:
    return Equipment(
        timeouts=TIMEOUTS,
        admin_api=AdminApi(endpoint, identity),
        key=lambda: KEY,
        run_id="run",
        password=password,
        **more,
    )


def target(**values: Any) -> Target:
    return Target(name="db", instance=CONNECTION_NAME, database="netra", user="probe", **values)


def real(environment: Environment, **values: Any) -> Target:
    """The sandbox's instance; its port on the private_ip path is its own."""
    folder = str(environment.socket_dir)
    while not (File(folder) / CONNECTION_NAME).exists():
        folder = str(File(folder).parent)
    return target(socket_dir=folder, **values)


def equipped(environment: Environment, identity: Identity, **more: Any) -> Equipment:
    context = tls.private_context(server_ca_pem=None)
    options: dict[str, Any] = {"password": environment.password, "private_context": context} | more
    return equipment(identity, environment.admin_api.endpoint, **options)


def dialled(
    path: Path, to: Target, by: Equipment, concessions: Concessions = paths.FULL
) -> tuple[StageRecord, ...]:
    attempt = trace(by.timeouts.connection_s)
    begun_ns = time.monotonic_ns()
    paths.query(attempt, path, to, by, concessions)
    taken_s = (time.monotonic_ns() - begun_ns) / 1e9
    records = attempt.records()
    assert sum(record.span.duration_s for record in records if record.span) == pytest.approx(
        attempt.span().duration_s, rel=1e-6
    )
    assert attempt.span().duration_s <= taken_s
    return records


def outcomes(records: tuple[StageRecord, ...]) -> dict[Stage, Outcome | SkipReason]:
    return {record.stage: record.skip_reason or record.outcome for record in records}


def where_it_failed(path: Path, to: Target, by: Equipment, **more: Any) -> tuple[Stage, Failure]:
    attempt = trace(by.timeouts.connection_s)
    failure = failure_of(lambda: paths.query(attempt, path, to, by, **more))
    return attempt.records()[-1].stage, failure


# Over every path to a real server


def test_the_connector_path_passes_every_stage(environment: Environment, identity: Identity) -> None:
    records = dialled(Path.CONNECTOR, real(environment), equipped(environment, identity))
    assert outcomes(records) == {
        **dict.fromkeys(STAGES[Path.CONNECTOR], Outcome.PASSED),
        Stage.DNS: SkipReason.LITERAL_ADDRESS,
    }
    assert isinstance(records[-2].facts, LoginFacts)
    assert str(records[-2].facts.server_version).startswith("1")


@pytest.mark.parametrize("asked", [False, True])
def test_the_private_path_passes_with_an_address_of_its_own_or_the_admin_apis(
    environment: Environment, identity: Identity, asked: bool
) -> None:
    port = environment.private_front.listener.port
    to = target(private_ip="" if asked else environment.host, port=port)
    records = dialled(Path.PRIVATE_IP, to, equipped(environment, identity))
    stages = ([Stage.ADMIN_API] if asked else []) + list(STAGES[Path.PRIVATE_IP])
    assert [record.stage for record in records] == stages


def test_the_private_path_goes_without_tls_where_it_is_switched_off(
    environment: Environment, identity: Identity
) -> None:
    to = target(private_ip=environment.host, port=environment.private_front.listener.port)
    records = dialled(Path.PRIVATE_IP, to, equipped(environment, identity, private_context=None))
    assert outcomes(records)[Stage.TLS] is SkipReason.SWITCHED_OFF


def test_the_socket_path_is_three_stages(environment: Environment, identity: Identity) -> None:
    records = dialled(Path.SOCKET, real(environment), equipped(environment, identity))
    assert outcomes(records) == dict.fromkeys(STAGES[Path.SOCKET], Outcome.PASSED)


def test_a_wrong_password_fails_in_the_login_over_every_path(
    environment: Environment, identity: Identity
) -> None:
    by = equipped(environment, identity, password="wrong-password")
    to = real(environment, private_ip=environment.host, port=environment.private_front.listener.port)
    for path in (Path.CONNECTOR, Path.PRIVATE_IP):
        assert where_it_failed(path, to, by) == (Stage.LOGIN, Failure.PASSWORD_REJECTED)


def test_no_password_at_all_is_an_empty_one(environment: Environment, identity: Identity) -> None:
    by = equipped(environment, identity, password=None)
    assert where_it_failed(Path.CONNECTOR, real(environment), by)[0] is Stage.LOGIN


def test_nothing_is_left_open_after_a_dial(environment: Environment, identity: Identity) -> None:
    by = equipped(environment, identity)
    before = len(list(File("/proc/self/fd").iterdir()))
    for path, to in ((Path.CONNECTOR, real(environment)), (Path.SOCKET, real(environment))):
        dialled(path, to, by)
        where_it_failed(path, dataclasses.replace(to, user="nobody"), by)
    until = time.monotonic() + 2
    while (
        len(list(File("/proc/self/fd").iterdir())) > before
    ):  # the sandbox's own ends are in this process too
        assert time.monotonic() < until
        time.sleep(0.02)
    assert environment.postgres is not None
    left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'probe/%'"
    while environment.postgres.execute(left) != [[0]]:  # a backend takes a moment to end
        assert time.monotonic() < until
        time.sleep(0.02)


# Round trips


@contextlib.contextmanager
def far_away(upstream: tuple[str, int], delay_s: float) -> Iterator[str]:
    """A host whose port 3307 leads there over a line that holds back what the client sends."""

    def serve(client: socket.socket) -> None:
        with socket.create_connection(upstream, timeout=PEER_S) as server:
            line: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            threads = [
                threading.Thread(target=_listen, args=(client, line, delay_s)),
                threading.Thread(target=_deliver, args=(line, server)),
            ]
            for thread in threads:
                thread.start()
            with contextlib.suppress(OSError):
                while received := server.recv(65536):
                    client.sendall(received)
            for thread in threads:
                thread.join(PEER_S)

    with peer(serve, bound_to_3307()) as (host, _port):
        yield host


def _listen(client: socket.socket, line: "queue.SimpleQueue[tuple[float, bytes]]", delay_s: float) -> None:
    received = b"begun"
    while received:
        try:
            received = client.recv(65536)
        except OSError:
            received = b""
        line.put((time.monotonic() + delay_s, received))


def _deliver(line: "queue.SimpleQueue[tuple[float, bytes]]", server: socket.socket) -> None:
    while True:
        due, octets = line.get()
        if not octets:
            server.shutdown(socket.SHUT_RDWR)
            return
        time.sleep(max(0.0, due - time.monotonic()))
        server.sendall(octets)


@contextlib.contextmanager
def admin_api_for(host: str, identity: Identity, environment: Environment) -> Iterator[AdminApi]:
    """An Admin API that knows the sandbox's instance at another address."""
    original = AdminApi(environment.admin_api.endpoint, identity)
    found: ConnectSettings = original.connect_settings(trace(), NAME, "private", 2)
    instance = Instance(
        project=NAME.project,
        region=NAME.region,
        name=NAME.instance,
        server_ca_pem=found.server_ca_pem,
        private_address=host,
    )

    def passed_on(public_key_pem: str) -> str:
        return original.ephemeral_certificate(trace(), NAME, public_key_pem, 2, iam_auth=False)[0]

    with control_plane.AdminApi(host="127.0.0.1", instance=instance, sign=passed_on) as server:
        yield AdminApi(server.endpoint, identity)


def test_each_stage_costs_its_protocols_least_round_trips(
    environment: Environment, identity: Identity
) -> None:
    round_trip_s = 0.06
    with (
        far_away((environment.host, 3307), round_trip_s) as host,
        admin_api_for(host, identity, environment) as admin_api,
    ):
        by = dataclasses.replace(equipped(environment, identity), admin_api=admin_api)
        records = dialled(Path.CONNECTOR, real(environment), by)
    trips = {
        record.stage: round(record.span.duration_s / round_trip_s)
        for record in records
        if record.span and record.stage not in {Stage.ADMIN_API, Stage.CERTIFICATE, Stage.TCP}
    }
    assert trips == {Stage.TLS: 1, Stage.PROXY: 1, Stage.LOGIN: 3, Stage.QUERY: 1}


# What is asked of a server that is ours


@contextlib.contextmanager
def server_proxy(serve: Any, identity: Identity) -> Iterator[Equipment]:
    """An instance whose server proxy does this inside TLS, and what it takes to dial it."""
    context = server_context(client_certificate=True)
    with peer(in_tls(serve, context), bound_to_3307()) as (host, _port):
        instance = Instance(
            project=NAME.project,
            region=NAME.region,
            name=NAME.instance,
            server_ca_pem=authority().pem,
            private_address=host,
        )
        with control_plane.AdminApi(host="127.0.0.1", instance=instance, sign=sign) as server:
            yield equipment(identity, server.endpoint, "correct-horse")


def postgres(heard: list[bytes], *flights: bytes) -> Any:
    """Says these inside TLS, one a flight of the client, and keeps what it heard."""

    def serve(tls_peer: TlsPeer) -> None:
        for flight in flights:
            received = b""
            while not received:
                received = tls_peer.receive() or b""
            heard.append(received)
            tls_peer.send(flight)
        silent(tls_peer.raw)

    return serve


def start_up(packet: bytes) -> dict[bytes, bytes]:
    fields = packet[8:-2].split(b"\0")
    return dict(zip(fields[::2], fields[1::2], strict=True))


def test_an_iam_login_gives_the_login_token_in_clear_inside_tls(identity: Identity) -> None:
    heard: list[bytes] = []
    serve = postgres(heard, b"N", asks_for(3), LOGGED_IN, ONE_ROW)
    to = dataclasses.replace(
        target(iam_auth=True), user="probe@netra-staging.iam.gserviceaccount.com", name="iam"
    )
    with server_proxy(serve, identity) as by:
        records = dialled(Path.CONNECTOR, to, by)
    assert records[-1].outcome is Outcome.PASSED
    assert start_up(heard[1])[b"user"] == b"probe@netra-staging.iam"
    assert heard[2][:1] == b"p"
    assert heard[2][5:-1].endswith(b"-for-sqlservice.login")


def test_the_server_lets_go_of_a_session_whose_probe_has_died(identity: Identity) -> None:
    heard: list[bytes] = []
    with server_proxy(postgres(heard, b"N", LOGGED_IN, ONE_ROW), identity) as by:
        dialled(Path.CONNECTOR, target(), by)
    parameters = start_up(heard[1])
    assert parameters[b"application_name"] == b"probe/run"
    assert parameters[b"statement_timeout"] == b"2000"
    assert parameters[b"idle_session_timeout"] == b"5000"
    assert not [name for name in parameters if name.startswith(b"tcp_")]


@pytest.mark.parametrize(
    ("proxy_check", "concessions"), [("off", paths.FULL), ("auto", Concessions(ssl_request=False))]
)
def test_the_ssl_request_is_left_out_where_it_is_switched_off_or_conceded(
    identity: Identity, proxy_check: Any, concessions: Concessions
) -> None:
    heard: list[bytes] = []
    with server_proxy(postgres(heard, LOGGED_IN, ONE_ROW), identity) as by:
        records = dialled(Path.CONNECTOR, target(proxy_check=proxy_check), by, concessions)
    assert outcomes(records)[Stage.PROXY] is SkipReason.SWITCHED_OFF
    assert struct.unpack("!i", heard[0][4:8]) == (196608,)


@pytest.mark.parametrize(("known", "left"), [(Known.OLD, {b"statement_timeout"}), (Known.NONE, set[bytes]())])
def test_the_start_parameters_are_left_out_once_conceded(
    identity: Identity, known: Known, left: set[bytes]
) -> None:
    heard: list[bytes] = []
    with server_proxy(postgres(heard, b"N", LOGGED_IN, ONE_ROW), identity) as by:
        dialled(Path.CONNECTOR, target(), by, Concessions(parameters=known))
    assert set(start_up(heard[1])) == {b"user", b"database", b"application_name"} | left


@pytest.mark.parametrize("made", [True, False])
def test_conceding_the_curve_offers_every_one_and_never_goes_without_tls(
    environment: Environment, identity: Identity, made: bool
) -> None:
    every = tls.private_context(server_ca_pem=None, curve=None) if made else None
    to = target(private_ip=environment.host, port=environment.private_front.listener.port)
    by = equipped(environment, identity, any_curve_context=every)
    records = dialled(Path.PRIVATE_IP, to, by, Concessions(one_curve=False))
    assert outcomes(records)[Stage.TLS] is Outcome.PASSED


@pytest.mark.parametrize("path", [Path.PRIVATE_IP, Path.SOCKET])
def test_off_the_connector_path_an_iam_login_asks_for_a_token_first(identity: Identity, path: Path) -> None:
    to = target(iam_auth=True, private_ip="127.0.0.1", port=9, socket_dir="/nonexistent")
    by = equipment(identity, "http://127.0.0.1:9")
    attempt = trace()
    failure_of(lambda: paths.query(attempt, path, to, by))
    assert attempt.records()[0].stage is Stage.ADMIN_API


def test_a_certificate_for_another_key_is_malformed(identity: Identity) -> None:
    foreign = keys.generate()
    with server_proxy(says_in_tls(), identity) as by:
        other = dataclasses.replace(by, key=lambda: dataclasses.replace(foreign, public_pem=KEY.public_pem))
        assert where_it_failed(Path.CONNECTOR, target(), other) == (Stage.CERTIFICATE, Failure.MALFORMED)


@pytest.mark.parametrize("server_ca_pem", ["no pem", "no p\u00e9m", "\ud800"])
def test_a_ca_that_is_none_is_malformed(identity: Identity, server_ca_pem: str) -> None:
    settings = control_plane.connect_settings(
        Instance(
            project=NAME.project,
            region=NAME.region,
            name=NAME.instance,
            server_ca_pem=server_ca_pem,
            private_address="127.0.0.1",
        )
    )

    def answer(request: Any) -> Any:
        if request.method == "GET":
            return json_response(settings)
        return json_response({"ephemeralCert": {"cert": sign(request.json["public_key"])}})

    with HttpServer(host="127.0.0.1", answer=answer) as server:
        by = equipment(identity, f"http://{server.address}")
        assert where_it_failed(Path.CONNECTOR, target(), by) == (Stage.CERTIFICATE, Failure.MALFORMED)


def test_every_stage_shares_the_connections_budget(identity: Identity) -> None:
    def slow(client: socket.socket) -> None:
        time.sleep(0.2)
        answers(b"N", then=closes)(client)

    with peer(slow) as (host, port):
        by = equipment(
            identity, "http://127.0.0.1:9", private_context=tls.private_context(server_ca_pem=None)
        )
        attempt = trace(budget_s=0.15)
        begun = time.monotonic()
        failure = failure_of(paths.query, attempt, Path.PRIVATE_IP, target(private_ip=host, port=port), by)
        assert (failure, attempt.records()[-1].stage) == (Failure.TIMEOUT, Stage.TLS)
        assert time.monotonic() - begun < 0.25


# TCP alone


@pytest.mark.parametrize("path", [Path.CONNECTOR, Path.PRIVATE_IP])
def test_the_way_to_an_endpoint_is_tcp_alone(
    environment: Environment, identity: Identity, path: Path
) -> None:
    attempt = trace()
    port = environment.private_front.listener.port
    paths.endpoint(
        attempt, target(private_ip=environment.host, port=port), path, equipped(environment, identity)
    )
    assert attempt.records()[-1].stage is Stage.TCP
    assert attempt.endpoint == f"{environment.host}:{3307 if path is Path.CONNECTOR else port}"


def test_nothing_is_sent_to_a_neighbour() -> None:
    heard: list[bytes] = []
    with peer(lambda client: heard.append(client.recv(1))) as (host, port):
        attempt = Trace(origin_ns=0, budget_s=5)
        paths.reach(attempt, host, port, TIMEOUTS)
        time.sleep(0.05)
    assert heard == [b""]


@pytest.mark.parametrize("login", [False, True])
def test_what_the_stages_need_can_be_imported_before_any_stopwatch_runs(login: bool) -> None:
    paths.prepare(login=login)
