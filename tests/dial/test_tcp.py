import contextlib
import errno
import os
import resource
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path as File

import pytest

from probe.dial import tcp
from probe.dial.failures import StageFailure, as_failure
from probe.model.facts import TcpFacts
from probe.model.words import Failure, Outcome, Stage
from probe.sandbox.silence import Silence
from tests.dial.peers import (
    BUDGET_S,
    blackhole,
    bound,
    bounded_by,
    failure_of,
    peer,
    refusing,
    silent,
    trace,
)


@contextlib.contextmanager
def unix_listener(backlog: int = 5) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="peer-") as folder, socket.socket(socket.AF_UNIX) as listening:
        path = str(File(folder) / "s")
        listening.bind(path)
        listening.listen(backlog)
        yield path


def test_a_connection_takes_a_plausible_round_trip_and_no_retransmission() -> None:
    attempt = trace()
    with peer(silent) as (host, port):
        tcp.connect(attempt, (host,), port, 2).close()
    attempt.finish()
    (record,) = attempt.records()
    assert (record.stage, record.outcome) == (Stage.TCP, Outcome.PASSED)
    assert isinstance(record.facts, TcpFacts)
    assert (attempt.endpoint, record.facts.address) == (f"{host}:{port}", f"{host}:{port}")
    assert record.facts.rtt_s is not None
    assert 0 < record.facts.rtt_s < 0.05
    assert record.facts.retransmissions == 0


def test_our_connections_do_not_wait_to_fill_a_packet() -> None:
    with peer(silent) as (host, port):
        stream = tcp.connect(trace(), (host,), port, 2)
        nodelay = stream._connection.getsockopt(  # noqa: SLF001 - what the kernel was told
            socket.IPPROTO_TCP, socket.TCP_NODELAY
        )
        stream.close()
    assert nodelay


def test_a_port_that_answers_no_syn_costs_the_budget_and_no_more() -> None:
    with blackhole() as (host, port), bounded_by(BUDGET_S), pytest.raises(TimeoutError):
        tcp.connect(trace(), (host,), port, BUDGET_S)


def test_the_connections_budget_caps_the_stages() -> None:
    with blackhole() as (host, port), bounded_by(0.1), pytest.raises(TimeoutError):
        tcp.connect(trace(budget_s=0.1), (host,), port, 30)


def test_a_refusal_is_told_at_once_and_where() -> None:
    attempt = trace()
    with refusing() as (host, port), bounded_by(0), pytest.raises(ConnectionRefusedError):
        tcp.connect(attempt, (host,), port, 2)
    assert attempt.records()[0].facts == TcpFacts(address=f"{host}:{port}")


@contextlib.contextmanager
def at_one_port(*states: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Several addresses of one name, each listening, refusing, silent or without a route, at one port."""
    with contextlib.ExitStack() as stack:
        port, addresses = 0, []
        for number, state in enumerate(states):
            if state == "no route":
                addresses.append("127.255.255.255")
                continue
            listening = stack.enter_context(bound(f"127.7.{os.getpid() % 256}.{number + 1}", port))
            host, port = listening.getsockname()
            addresses.append(host)
            if state == "silent":
                stack.enter_context(Silence(listening))
            elif state == "listening":
                stack.enter_context(peer(silent, listening))
        yield tuple(addresses), port


@pytest.mark.parametrize("dead", ["refusing", "no route"])
def test_an_address_that_refuses_or_has_no_route_goes_on_to_the_next_at_once(dead: str) -> None:
    attempt = trace()
    with at_one_port(dead, dead, "listening") as (addresses, port), bounded_by(0):
        tcp.connect(attempt, addresses, port, 5).close()
    attempt.finish()
    (record,) = attempt.records()
    assert (record.outcome, attempt.endpoint) == (Outcome.PASSED, f"{addresses[2]}:{port}")
    assert isinstance(record.facts, TcpFacts)
    assert (record.facts.address, record.facts.rtt_s is not None) == (attempt.endpoint, True)


def test_an_ipv6_address_that_leads_nowhere_goes_on_to_the_ipv4_one() -> None:
    attempt = trace()
    with at_one_port("listening") as (addresses, port), bounded_by(BUDGET_S):
        tcp.connect(attempt, ("2001:db8::1", *addresses), port, 2 * BUDGET_S).close()
    assert attempt.endpoint == f"{addresses[0]}:{port}"


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_a_missing_address_family_is_no_route_and_a_want_of_ipv4_is_our_own(number: int) -> None:
    failure = tcp.failure_at("2001:db8::1", OSError(number, "by the kernel"))
    assert failure
    assert failure.failure is Failure.UNREACHABLE
    assert tcp.failure_at("10.20.1.3", OSError(number, "by the kernel")) is None


def test_a_silent_address_leaves_the_next_its_share_of_the_budget() -> None:
    attempt = trace()
    with at_one_port("silent", "listening") as (addresses, port), bounded_by(BUDGET_S):
        stream = tcp.connect(attempt, addresses, port, 2 * BUDGET_S)
        assert stream.deadline.left_s() > 0.5 * BUDGET_S
        stream.close()
    assert attempt.endpoint == f"{addresses[1]}:{port}"


def test_addresses_that_are_all_silent_cost_the_budget_and_no_more() -> None:
    with at_one_port("silent", "silent", "silent") as (addresses, port), bounded_by(BUDGET_S):
        assert failure_of(tcp.connect, trace(), addresses, port, BUDGET_S) is Failure.TIMEOUT


@pytest.mark.parametrize(
    ("states", "failure", "told"),
    [
        (("refusing", "refusing"), Failure.REFUSED, 1),
        (("refusing", "no route"), Failure.REFUSED, 0),
        (("no route", "no route"), Failure.UNREACHABLE, 1),
        (("silent", "refusing"), Failure.REFUSED, 1),
        (("no route", "silent"), Failure.TIMEOUT, 1),
        (("refusing", "silent"), Failure.TIMEOUT, 1),
    ],
)
def test_only_when_all_addresses_failed_the_stage_does_and_names_each(
    states: tuple[str, ...], failure: Failure, told: int
) -> None:
    attempt = trace()
    with at_one_port(*states) as (addresses, port), pytest.raises(StageFailure) as caught:
        tcp.connect(attempt, addresses, port, BUDGET_S)
    assert caught.value.failure is failure
    assert all(f"{address}:{port}: " in caught.value.error.message for address in addresses)
    assert attempt.endpoint == f"{addresses[told]}:{port}"
    assert attempt.records()[0].facts == TcpFacts(address=attempt.endpoint)


def test_a_name_with_many_addresses_is_tried_at_eight_of_them() -> None:
    dead = ["refusing"] * tcp.MAX_ADDRESSES
    with at_one_port(*dead, "listening") as (addresses, port):
        assert failure_of(tcp.connect, trace(), addresses, port, 2) is Failure.REFUSED


def test_an_ipv6_address_is_shown_in_brackets() -> None:
    attempt = trace()
    with socket.socket(socket.AF_INET6) as listening:
        try:
            listening.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"no IPv6 on this machine: {error}")
        listening.listen()
        tcp.connect(attempt, ("::1",), listening.getsockname()[1], 2).close()
    assert str(attempt.endpoint).startswith("[::1]:")


def test_too_many_open_files_are_the_probes_own_want() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with peer(silent) as (host, port):
        used = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - names alone
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, hard))
        held: list[int] = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    held.append(os.dup(0))
            with pytest.raises(OSError, match="Too many open files") as caught:
                tcp.connect(trace(), (host,), port, 2)
        finally:
            for number in held:
                os.close(number)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert as_failure(caught.value) is None


def test_the_kernels_figures_are_absent_where_they_are_zeros() -> None:
    with socket.socket() as unconnected:
        assert tcp.kernel_figures(unconnected) == (None, None)


def test_the_kernels_figures_are_absent_where_there_is_no_tcp() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert tcp.kernel_figures(ours) == (None, None)


def test_a_broken_socket_is_an_error_and_not_a_missing_figure() -> None:
    closed = socket.socket()
    closed.close()
    with pytest.raises(OSError, match="Bad file"):
        tcp.kernel_figures(closed)


def test_a_unix_socket_connects_under_the_path_that_was_asked_for() -> None:
    attempt = trace()
    with unix_listener() as path:
        tcp.connect_unix(attempt, path, 2).close()
    assert attempt.endpoint == path


def test_a_unix_socket_that_is_not_there_is_missing() -> None:
    with pytest.raises(StageFailure, match="does not exist") as caught:
        tcp.connect_unix(trace(), "/nonexistent/.s.PGSQL.5432", 2)
    assert caught.value.failure is Failure.SOCKET_MISSING


def test_a_unix_socket_that_nobody_listens_on_refuses(tmp_path: File) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as deserted:
        deserted.bind(path)
    with pytest.raises(ConnectionRefusedError):
        tcp.connect_unix(trace(), path, 2)


def test_a_full_backlog_of_a_unix_socket_costs_the_budget_and_no_more() -> None:
    with unix_listener(backlog=0) as path, socket.socket(socket.AF_UNIX) as filler:
        filler.connect(path)
        with bounded_by(BUDGET_S), pytest.raises(TimeoutError):
            tcp.connect_unix(trace(), path, BUDGET_S)
