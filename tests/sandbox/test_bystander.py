"""The onlookers of the promise tests see what there is to see."""

import time
from collections.abc import Callable, Iterator

import pg8000.dbapi
import pytest

from probe.sandbox.environment import sandbox
from probe.sandbox.postgres import PostgresServer
from tests.sandbox.bystander import USABLE, Bystander, SlotWatch

LIMIT_S = 15.0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with sandbox() as environment:
        assert environment.postgres is not None
        yield environment.postgres


def test_a_bystander_gets_in_again_and_again(server: PostgresServer) -> None:
    with Bystander(server, every_s=0.02) as bystander:
        _await(lambda: len(bystander.logins) >= 5)
    assert bystander.failures == []
    assert [login.at_s for login in bystander.logins] == sorted(login.at_s for login in bystander.logins)
    assert all(login.duration_s > 0 for login in bystander.logins)


def test_a_bystander_tells_of_logins_that_fail_and_of_the_instant(server: PostgresServer) -> None:
    with Bystander(server, every_s=0.02) as bystander:
        _await(lambda: bool(bystander.logins))
        closed_s = time.monotonic()
        server.execute("ALTER DATABASE netra ALLOW_CONNECTIONS false")
        _await(lambda: bool(bystander.failures))
        server.execute("ALTER DATABASE netra ALLOW_CONNECTIONS true")
        failed = bystander.failures[-1]
        _await(lambda: bystander.logins[-1].at_s > failed.at_s and bystander.logins[-1].error is None)
    assert failed.at_s >= closed_s - LIMIT_S
    assert failed.error is not None
    assert "not currently accepting connections" in failed.error


def test_a_slot_watch_sees_sessions_come_and_go(server: PostgresServer) -> None:
    with SlotWatch(server) as watch:
        _await(lambda: bool(watch.counts) and watch.counts[-1].others == 0)
        sessions = [server.session() for _ in range(4)]
        _await(lambda: watch.counts[-1].others == 4)
        for session in sessions:
            session.close()
        _await(lambda: watch.counts[-1].others == 0)
    assert watch.least_free == USABLE - 4 - 1


def test_an_onlooker_says_what_ended_its_watching(server: PostgresServer) -> None:
    watch = SlotWatch(server)
    watch.__enter__()
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'slot watch'"
    )
    _await(lambda: not watch.watching)
    with pytest.raises(pg8000.dbapi.Error):
        watch.stop()


def _await(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
