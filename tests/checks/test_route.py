import threading
import time
from collections.abc import Sequence

import pytest

from probe.checks import route
from probe.checks.concurrently import Nobody, observe
from probe.checks.series import Series
from probe.dial.admin_api import AdminApi
from probe.dial.clock import Deadline
from probe.dial.credentials import Identity
from probe.dial.keys import generate
from probe.dial.paths import Equipment
from probe.dial.redaction import Redaction
from probe.model.observation import Observation
from probe.model.target import Neighbour, Target, Timeouts
from probe.model.words import Check, Failure, Outcome, Path, SkipReason, Stage
from tests.dial.peers import BUDGET_S, blackhole, bounded_by, peer, refusing, silent

TIMEOUTS = Timeouts(connection_s=2, tcp_s=BUDGET_S)
EQUIPMENT = Equipment(
    timeouts=TIMEOUTS,
    admin_api=AdminApi("http://127.0.0.1:9", Identity(metadata_expected=False, redaction=Redaction())),
    key=generate,
    run_id="run",
    password=None,
)


def target(**values: object) -> Target:
    return Target(name="db", instance="p:r:i", **values)  # type: ignore[arg-type]


def observed(all_series: Sequence[Series]) -> tuple[Observation, ...]:
    return observe(
        all_series,
        origin_ns=time.monotonic_ns(),
        deadline=Deadline.after(5),
        interrupted=threading.Event(),
        watcher=Nobody(),
    )


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("10.20.1.4:6379", "10.20.1.4", 6379),
        ("cache.internal:6379", "cache.internal", 6379),
        ("[2001:db8::1]:6379", "2001:db8::1", 6379),
    ],
)
def test_an_address_is_a_host_and_a_port(address: str, host: str, port: int) -> None:
    assert route.split_address(address) == (host, port)


def test_each_path_over_the_network_is_a_series_and_the_socket_is_none() -> None:
    paths = (Path.CONNECTOR, Path.PRIVATE_IP, Path.SOCKET)
    both = route.target_series([target(paths=paths)], {"db": EQUIPMENT}, attempts=3, interval_s=5)
    assert [(one.check, one.target, one.path) for one in both] == [
        (Check.ROUTE, "db", Path.CONNECTOR),
        (Check.ROUTE, "db", Path.PRIVATE_IP),
    ]
    assert {one.interval_s for one in both} == {5}
    assert {one.stages for one in both} == {(Stage.DNS, Stage.TCP)}


@pytest.mark.parametrize(("samples", "attempts"), [(1, 1), (5, 3)])
def test_no_more_attempts_are_made_than_samples_are_wanted(samples: int, attempts: int) -> None:
    (one,) = route.target_series([target(samples=samples)], {"db": EQUIPMENT}, attempts=3, interval_s=5)
    assert one.attempts == attempts


def test_a_target_is_reached_by_tcp_alone() -> None:
    with peer(silent) as (host, port):
        to = target(paths=(Path.PRIVATE_IP,), private_ip=host, port=port)
        (observation,) = observed(route.target_series([to], {"db": EQUIPMENT}, attempts=1, interval_s=0))
    assert (observation.outcome, observation.endpoint) == (Outcome.PASSED, f"{host}:{port}")
    assert [stage.skip_reason or stage.outcome for stage in observation.stages] == [
        SkipReason.LITERAL_ADDRESS,
        Outcome.PASSED,
    ]


def test_neighbours_are_told_apart_by_how_they_answer() -> None:
    with peer(silent) as up, refusing() as down, blackhole() as lost:
        neighbours = [
            Neighbour(name=name, address=f"{host}:{port}")
            for name, (host, port) in {"up": up, "down": down, "lost": lost}.items()
        ]
        with bounded_by(2 * BUDGET_S):
            observations = observed(route.neighbour_series(neighbours, TIMEOUTS, attempts=2, interval_s=0.01))
    failures = {(one.target, one.attempt): one.failure for one in observations}
    assert failures == {
        ("up", 1): None,
        ("up", 2): None,
        ("down", 1): Failure.REFUSED,
        ("down", 2): Failure.REFUSED,
        ("lost", 1): Failure.TIMEOUT,
        ("lost", 2): Failure.TIMEOUT,
    }
    assert {one.path for one in observations} == {None}
