import contextlib
import errno
import selectors
import socket
import threading
import time
from pathlib import Path as File

import pytest

from probe.checks import egress
from probe.checks.egress import MAX_SOCKETS, ROUND_S, wait_for_answer
from probe.checks.series import Sampling
from probe.dial.clock import Trace
from probe.model.facts import EgressFacts
from probe.model.words import Check, Outcome, Stage
from probe.sandbox.silence import Silence
from tests.dial.peers import Address, blackhole, bound, bounded_by, failure_of, peer, refusing, resets, silent

NO_ROUTE = ("255.255.255.255", 9)
"""TCP to a broadcast address: the kernel says at once that there is no way."""


def waited(*addresses: Address, limit_s: float) -> EgressFacts:
    """What the wait learned; where it gives up, as far as it got."""
    trace = Trace(origin_ns=0, budget_s=60)
    with contextlib.suppress(TimeoutError):
        wait_for_answer(trace, addresses, trace.begin(Stage.TCP, limit_s))
    (record,) = trace.records()
    assert isinstance(record.facts, EgressFacts)
    return record.facts


def open_files() -> int:
    return len(list(File("/proc/self/fd").iterdir()))


def test_an_endpoint_that_accepts_is_an_answer() -> None:
    with peer(silent) as (host, port):
        facts = waited((host, port), limit_s=2)
    assert (facts.address, facts.attempts) == (f"{host}:{port}", 1)
    assert facts.wait_s is not None
    assert facts.wait_s < 0.1


def test_an_endpoint_that_refuses_has_answered_too() -> None:
    with refusing() as (host, port):
        facts = waited((host, port), limit_s=2)
    assert (facts.address, facts.attempts) == (f"{host}:{port}", 1)


def test_an_endpoint_that_accepts_and_resets_has_answered_too() -> None:
    with peer(resets) as (host, port):
        for _ in range(20):
            assert waited((host, port), limit_s=2).attempts == 1


def test_one_that_answers_is_enough() -> None:
    with blackhole() as lost, peer(silent) as found:
        facts = waited(lost, found, limit_s=2)
    assert (facts.address, facts.attempts) == (f"{found[0]}:{found[1]}", 1)


def test_a_way_that_opens_is_found_by_a_fresh_socket_before_the_kernel_tries_again() -> None:
    with bound() as listening, Silence(listening) as silence:
        timer = threading.Timer(ROUND_S / 2, silence.heal)
        timer.start()
        facts = waited(listening.getsockname(), limit_s=3)
        timer.join()
    assert facts.attempts == 2
    assert facts.wait_s is not None
    assert ROUND_S / 2 < facts.wait_s < 0.9  # a SYN is sent again after a second


def test_the_wait_gives_up_at_its_limit_and_says_how_often_it_tried() -> None:
    with blackhole() as (host, port), bounded_by(0.7):
        facts = waited((host, port), limit_s=0.7)
    assert (facts.address, facts.attempts, facts.wait_s) == (f"{host}:{port}", 2, None)


def test_no_route_yet_is_tried_again() -> None:
    with bounded_by(0.7):
        facts = waited(NO_ROUTE, limit_s=0.7)
    assert (facts.attempts, facts.wait_s) == (2, None)


def test_an_address_of_the_newer_kind_is_tried_as_well() -> None:
    with socket.socket(socket.AF_INET6) as listening:
        try:
            listening.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"no IPv6 on this machine: {error}")
        listening.listen()
        facts = waited(("::1", listening.getsockname()[1]), limit_s=2)
    assert facts.wait_s is not None


def test_no_socket_is_left_open_and_never_too_many_are() -> None:
    before, most = open_files(), 0
    done = threading.Event()

    def count() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, open_files())

    with blackhole() as lost:
        inside = open_files()
        counter = threading.Thread(target=count)
        counter.start()
        waited(*[lost] * (MAX_SOCKETS - 20), limit_s=3 * ROUND_S)
        done.set()
        counter.join()
    assert open_files() == before
    assert inside < most <= inside + MAX_SOCKETS + 5


def test_a_way_that_ends_in_any_other_error_is_no_answer() -> None:
    with blackhole() as lost, socket.socket() as connection, selectors.DefaultSelector() as selector:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 100)
        connection.setblocking(False)
        assert connection.connect_ex(lost) == errno.EINPROGRESS
        selector.register(connection, selectors.EVENT_WRITE, "lost")
        assert egress._first_answer(selector, 1.2) is None  # noqa: SLF001 - no public way has such a timeout
        assert not selector.get_map()


def test_the_wait_is_one_observation_with_one_stage() -> None:
    with peer(silent) as address:
        (series,) = egress.series([address], 2)
        begun = time.monotonic_ns()
        (observation,) = Sampling(series, origin_ns=begun, stage_started=lambda *_where: None).observe()
    assert (observation.check, observation.outcome, observation.id) == (
        Check.EGRESS,
        Outcome.PASSED,
        "egress/egress/1",
    )
    assert [stage.stage for stage in observation.stages] == [Stage.TCP]


def test_a_limit_that_is_reached_is_a_failed_observation() -> None:
    with blackhole() as address:
        (series,) = egress.series([address], 0.1)
        (observation,) = Sampling(series, origin_ns=0, stage_started=lambda *_where: None).observe()
    assert observation.outcome is Outcome.FAILED


def test_without_a_known_endpoint_there_is_nothing_to_wait_for() -> None:
    assert egress.series([], 60) == ()


def test_a_used_up_limit_tries_nothing() -> None:
    trace = Trace(origin_ns=0, budget_s=60)
    failure_of(wait_for_answer, trace, [("127.0.0.1", 1)], trace.begin(Stage.TCP, 0))
    assert trace.records()[0].facts is None
