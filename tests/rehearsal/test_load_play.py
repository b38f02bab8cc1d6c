"""The role's own code in this process, where it can be looked at while it plays."""

import contextlib
import gc
import queue
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import pytest

from probe.model.ramp import AcquisitionOutcome
from probe.model.words import Path
from probe.rehearsal import load as role
from probe.rehearsal.load_pool import Gate, pools
from probe.rehearsal.load_request import EXIT_ALONE, LoadRequest
from probe.rehearsal.messages import Commands, Reporter
from probe.sandbox.child_environ import refused_credentials
from probe.sandbox.environment import Environment, sandbox
from tests.dial.token_server import TokenServer, use_account
from tests.rehearsal.test_load import asked

LONG_S = 30.0
ACQUIRED = AcquisitionOutcome.ACQUIRED


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with sandbox() as running:
        yield running


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """The stock driver leaves the socket of a failed login to the garbage collector, which remarks on it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class Spoken(Reporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def emit(self, kind: str, **fields: object) -> None:
        self.said.append((kind, fields))

    def start_beating(self) -> None:
        """Nobody listens for it."""


class Told(Commands):
    """Commands that the test gives."""

    def __init__(self) -> None:
        queue.Queue.__init__(self)


class Played:
    """The role on a thread of this process."""

    def __init__(self, request: LoadRequest) -> None:
        self.voice, self.commands = Spoken(), Told()
        self.exit_code: int | None = None
        self._request = request
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def tell(self, command: str, **fields: Any) -> None:
        self.commands.put({"do": command, **fields})

    def open(self, *workers: int, allowed: int) -> None:
        self.tell("open", workers=workers, step=1, intended_ns=time.monotonic_ns(), allowed=allowed)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [fields for said, fields in self.voice.said if said == kind]

    def await_said(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        until = time.monotonic() + LONG_S
        while len(self.of(kind)) < count:
            assert time.monotonic() < until, self.voice.said
            self.tell("stay")
            time.sleep(0.02)
        return self.of(kind)

    def end(self) -> int | None:
        self._thread.join(LONG_S)
        return self.exit_code

    def _play(self) -> None:
        self.exit_code = role.play(self._request, self.voice, self.commands)


def outcomes(ended: list[dict[str, Any]]) -> list[AcquisitionOutcome]:
    return [fields["outcome"] for fields in ended]


@contextlib.contextmanager
def an_account(folder: File) -> Iterator[None]:
    with TokenServer() as tokens, pytest.MonkeyPatch.context() as environ:
        made = refused_credentials(folder, "http://127.0.0.1:9/token")
        use_account(environ, made, folder / "key.json", tokens)
        yield


@pytest.mark.parametrize("first_query", [False, True])
def test_a_whole_load_from_the_first_wish_to_the_last_good_bye(
    environment: Environment, first_query: bool
) -> None:
    played = Played(asked(environment, first_query=first_query))
    played.open(0, 1, allowed=2)
    assert outcomes(played.await_said("ended", 2)) == [ACQUIRED] * 2
    played.tell("fill")
    played.await_said("filled")
    played.open(2, allowed=0)
    played.await_said("asked", 3)
    played.tell("hand_over")
    assert outcomes(played.await_said("ended", 3)) == [ACQUIRED] * 3
    played.tell("release")
    assert played.await_said("released") == [{"parameters_refused": False}]
    assert played.end() == 0
    assert len(played.of("opened")) == len(played.of("closed")) == 2


def test_over_the_connector_all_logins_go_on_at_once(environment: Environment, tmp_path: File) -> None:
    with an_account(tmp_path):
        played = Played(asked(environment, path=Path.CONNECTOR, pool_size=8))
        played.open(*range(9), allowed=9)
        assert outcomes(played.await_said("ended", 9)) == [ACQUIRED] * 9
        played.tell("release")
        played.await_said("released")
        assert played.end() == 0


def test_workers_that_still_wait_get_their_turn_at_the_release(environment: Environment) -> None:
    played = Played(asked(environment, pool_size=1, max_overflow=0))
    played.open(0, allowed=1)
    played.await_said("ended")
    played.open(1, allowed=1)
    played.await_said("asked", 2)
    played.tell("release")
    played.await_said("released")
    assert outcomes(played.await_said("ended", 2)) == [ACQUIRED] * 2
    assert played.end() == 0


def test_without_the_parents_word_it_ends(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role, "ALONE_S", 0.1)
    assert Played(asked(environment)).end() == EXIT_ALONE


def test_a_release_does_not_wait_for_a_worker_that_hangs(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment.postgres is not None
    monkeypatch.setattr(role, "RELEASE_S", 0.1)
    played = Played(asked(environment))
    environment.postgres.freeze()
    try:
        played.open(0, allowed=1)
        played.await_said("asked")
        played.tell("release")
        played.await_said("released")
        assert played.end() == 0
    finally:
        environment.postgres.thaw()
    played.await_said("ended")


def test_what_breaks_and_what_is_refused_is_told(environment: Environment) -> None:
    assert environment.postgres is not None
    played = Played(asked(environment, wait_s=0.2))
    played.open(0, 1, allowed=1)
    ended = played.await_said("ended", 2)
    assert sorted(outcomes(ended)) == sorted([ACQUIRED, AcquisitionOutcome.CUT_OFF])
    environment.postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'probe/load'"
    )
    (lost,) = played.await_said("lost")
    assert lost["error"]["message"]
    environment.postgres.execute("ALTER ROLE probe CONNECTION LIMIT 0")
    try:
        played.open(2, allowed=1)
        assert played.await_said("ended", 3)[2]["outcome"] is AcquisitionOutcome.REFUSED
    finally:
        environment.postgres.execute("ALTER ROLE probe CONNECTION LIMIT -1")
    played.tell("release")
    assert played.end() == 0


def test_a_first_answer_that_fails_gives_the_connection_back(environment: Environment) -> None:
    assert environment.postgres is not None
    request = asked(environment, first_query=True, password="wrong-password")
    played = Played(request)
    played.open(0, allowed=1)
    (ended,) = played.await_said("ended")
    assert ended["outcome"] is AcquisitionOutcome.FAILED
    played.tell("release")
    assert played.end() == 0
    assert request.capacity == 3


@pytest.mark.parametrize(("recycle_s", "seconds"), [(0.2, 1), (1.6, 2), (1800.0, 1800)])
def test_a_short_recycle_does_not_replace_every_connection(
    environment: Environment, recycle_s: float, seconds: int
) -> None:
    request = asked(environment, recycle_s=recycle_s)
    (pool,) = pools(request, Gate(request, Spoken().emit))
    assert pool._recycle == seconds  # noqa: SLF001 - it is not to be had otherwise
