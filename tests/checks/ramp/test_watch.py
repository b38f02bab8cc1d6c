import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from probe.checks.ramp import watch as ramp_watch
from probe.checks.ramp.request import Request
from probe.checks.ramp.watch import CutOff, Watch
from probe.checks.series import Skipped
from probe.dial import control
from probe.dial.failures import StageFailure
from probe.dial.paths import FULL
from probe.model.words import Failure, SkipReason
from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.relay import relay
from probe.sandbox.streams import PlainStream
from tests.checks.ramp.ramping import Server, request, request_to, server
from tests.dial.peers import LOGGED_IN, answers, error, peer, silent

NEVER = threading.Event()
LONG_S = 20.0


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with sandbox() as running:
        yield running


def watching(asked: Request) -> Watch:
    return Watch(asked, FULL, origin_ns=time.monotonic_ns(), budget_s=5.0)


@contextlib.contextmanager
def a_server_that(*flights: bytes) -> Iterator[Request]:
    """Without TLS; its answers in turn, to each connection from the beginning."""
    with peer(answers(*flights)) as (host, port):
        at = server_at(host, port)
        asked = request_to(at)
        equipment = replace(asked.equipment, private_context=None)
        yield replace(asked, equipment=equipment, target=replace(asked.target, tls="disable"))


def server_at(host: str, port: int) -> Server:
    return Server(
        host=host, port=port, socket_dir="/none", admin_endpoint="http://127.0.0.1:9", password="secret"
    )


def test_it_reads_again_and_again_and_says_when_it_asked(environment: Environment) -> None:
    with watching(request(environment)) as watch:
        entered = watch.await_entry(NEVER)
        assert (entered.limits.max_connections, entered.parameters_refused) == (25, False)
        for _ in range(3):
            now_ns = time.monotonic_ns()
            reading = watch.await_reading(now_ns, NEVER)
            assert reading
            assert reading.asked_ns >= now_ns
        assert watch.lost is None


def test_logins_of_strangers_are_counted_and_ours_are_not(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment.postgres is not None
    monkeypatch.setattr(ramp_watch, "CHURN_S", 0.01)
    with watching(request(environment)) as watch:
        watch.await_entry(NEVER)
        until = time.monotonic() + LONG_S
        while watch.seen.logins_per_s == 0.0:
            environment.postgres.execute("SELECT 1")
            assert time.monotonic() < until
    with watching(request(environment)) as watch:
        watch.our_logins = 10**6
        watch.await_entry(NEVER)
        for _ in range(5):
            environment.postgres.execute("SELECT 1")
        watch.await_reading(time.monotonic_ns(), NEVER)
        assert watch.seen.logins_per_s == 0.0


def test_an_application_that_uses_the_meeting_place_counts_the_control_connection(
    environment: Environment,
) -> None:
    assert watching(request(environment)).elsewhere == 1
    assert watching(request(environment, database=control.DATABASE)).elsewhere == 0


def test_waiting_ends_when_the_run_does(environment: Environment) -> None:
    stopped = threading.Event()
    stopped.set()
    with peer(silent) as (host, port):
        with watching(request_to(server(environment, host=host, port=port))) as watch, pytest.raises(CutOff):
            watch.await_entry(stopped)
        with watching(request(environment)) as watch:
            watch.await_entry(NEVER)
            with pytest.raises(CutOff):
                watch.await_reading(time.monotonic_ns() + 10**12, stopped)


def test_nothing_can_be_read_before_it_is_there(environment: Environment) -> None:
    with pytest.raises(RuntimeError):
        _ = watching(request(environment)).reading


@pytest.mark.parametrize(
    ("sqlstate", "message"),
    [("3D000", 'database "postgres" does not exist'), ("28000", "no pg_hba.conf entry")],
)
def test_a_server_that_keeps_us_out_of_the_meeting_place_gives_no_guard(sqlstate: str, message: str) -> None:
    with a_server_that(error(sqlstate, message)) as asked, watching(asked) as watch:
        with pytest.raises(Skipped) as raised:
            watch.await_entry(NEVER)
        assert raised.value.reason is SkipReason.NO_GUARD
        assert raised.value.error
        assert raised.value.error.sqlstate == sqlstate


def test_a_server_without_advisory_locks_gives_no_guard() -> None:
    broken = error("42883", "function pg_catalog.pg_try_advisory_lock(integer, integer) does not exist")
    with a_server_that(LOGGED_IN, broken) as asked, watching(asked) as watch:
        with pytest.raises(Skipped) as raised:
            watch.await_entry(NEVER)
        assert raised.value.reason is SkipReason.NO_GUARD


def test_parameters_that_are_refused_are_left_out_step_by_step() -> None:
    asked_for: list[set[bytes]] = []

    def old(client: Any) -> None:
        packet = client.recv(65536)
        asked_for.append(set(packet.split(b"\0")))
        client.sendall(error("08P01" if len(asked_for) > 1 else "42704", "unsupported startup parameter"))

    with peer(old) as (host, port):
        asked = request_to(server_at(host, port))
        asked = replace(
            asked,
            equipment=replace(asked.equipment, private_context=None),
            target=replace(asked.target, tls="disable"),
        )
        with watching(asked) as watch, pytest.raises(StageFailure) as raised:
            watch.await_entry(NEVER)
    assert raised.value.failure is Failure.PARAMETER_REFUSED
    assert [b"idle_session_timeout" in one for one in asked_for] == [True, False, False]
    assert [b"statement_timeout" in one for one in asked_for] == [True, True, False]


def test_a_server_that_takes_no_parameters_gives_no_guard() -> None:
    """A pooler: a frozen probe's connections would stay, and what it counts is not the server's."""

    def pooler(client: socket.socket) -> None:
        if b"statement_timeout" in client.recv(65536):
            client.sendall(error("08P01", "unsupported startup parameter"))
        else:
            client.sendall(LOGGED_IN)
            silent(client)

    with peer(pooler) as (host, port):
        asked = request_to(server_at(host, port))
        asked = replace(
            asked,
            equipment=replace(asked.equipment, private_context=None),
            target=replace(asked.target, tls="disable"),
        )
        with watching(asked) as watch, pytest.raises(Skipped) as raised:
            watch.await_entry(NEVER)
    assert raised.value.reason is SkipReason.NO_GUARD
    assert raised.value.error
    assert "idle_session_timeout" in raised.value.error.message


def test_a_pooler_that_swallows_our_name_gives_no_guard(environment: Environment) -> None:
    front = environment.private_front.listener
    named, unnamed = b"application_name\0probe/run", b"application_name\0swallowed"

    def serve(client: socket.socket) -> None:
        with socket.create_connection((front.host, front.port)) as upstream:
            swallow = lambda sent: sent.replace(named, unnamed)  # noqa: E731 - as long as what it replaces
            relay(PlainStream(client), PlainStream(upstream), intercept=swallow)

    with peer(serve) as (host, port):
        asked = request_to(server(environment, host=host, port=port))
        asked = replace(
            asked,
            equipment=replace(asked.equipment, private_context=None),
            target=replace(asked.target, tls="disable"),
        )
        with watching(asked) as watch, pytest.raises(Skipped) as raised:
            watch.await_entry(NEVER)
    assert raised.value.reason is SkipReason.NO_GUARD
    assert raised.value.error
    assert raised.value.error.message == "the server does not show our own connection: a pooler?"


def test_who_is_there_can_be_asked_again(environment: Environment) -> None:
    assert environment.postgres is not None
    stopped = threading.Event()
    stopped.set()
    with watching(request(environment)) as watch:
        watch.await_entry(NEVER)
        with pytest.raises(CutOff):
            watch.await_crowd(stopped)  # nobody has asked
        with contextlib.closing(environment.postgres.session(application_name="newcomer")):
            watch.ask_crowd()
            crowd = watch.await_crowd(NEVER)
        assert ("newcomer", 1) in (crowd or ())
        environment.postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'probe/run'"
        )
        watch.ask_crowd()
        assert watch.await_crowd(NEVER) is None
        assert watch.lost


def test_a_fault_of_our_own_is_no_failure_of_the_servers(environment: Environment) -> None:
    asked = request(environment)
    broken = replace(asked, target=replace(asked.target, database=None))  # type: ignore[arg-type]
    with watching(broken) as watch:
        with pytest.raises(AttributeError):
            watch.await_entry(NEVER)
        with pytest.raises(AttributeError):
            _ = watch.lost
