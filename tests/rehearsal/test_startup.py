"""The whole rehearsal, in its child process, against the sandbox."""

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest

from probe.model.application import PhaseKind, Startup
from probe.model.rehearsal import PhaseOutcome
from probe.model.words import Failure, Outcome, Path, SkipReason
from probe.rehearsal import startup
from probe.rehearsal.messages import Commands
from probe.sandbox.environment import Environment, sandbox
from tests.dial.peers import peer, silent
from tests.rehearsal.rehearsing import (
    CACHE_PASSWORD,
    PASSWORD,
    in_child,
    patient,
    phase,
    record,
    rehearsal,
    request,
    sandbox_request,
    told,
)

NO_COMMANDS: Commands = None  # type: ignore[assignment]  # the role takes none


@pytest.mark.parametrize("path", list(Path))
def test_all_seven_phases_complete_over_every_path(inside: Environment, path: Path) -> None:
    begun: list[str] = []
    asked = patient(sandbox_request(inside, path=path))
    observation = in_child(asked, started=begun.append)
    found = rehearsal(observation)
    assert (observation.outcome, observation.error) == (Outcome.PASSED, None)
    assert (observation.target, observation.path) == (asked.target.name, path)
    assert [phase.outcome for phase in found.phases] == [PhaseOutcome.COMPLETED] * 7
    assert begun == [phase.name for phase in asked.phases]
    assert found.exit_code == 0
    assert found.child_start_s
    assert 0 < found.child_start_s < 60
    assert not found.parameters_refused
    spans = [phase.span for phase in found.phases]
    assert all(span and span.duration_s > 0 for span in spans)
    assert all(a and b and a.ended_ns <= b.started_ns for a, b in pairwise(spans))
    assert all(phase.steps for phase in found.phases)


def test_without_the_ssl_request_inside_tls_the_connector_gets_through_as_well(inside: Environment) -> None:
    asked = patient(sandbox_request(inside, path=Path.CONNECTOR))
    asked = replace(asked, target=replace(asked.target, proxy_check="off"))
    assert in_child(asked).outcome is Outcome.PASSED


def test_an_iam_login_over_the_connector_shows_no_password(inside: Environment) -> None:
    """The stand-in knows no IAM and asks for one: the right one would get through."""
    asked = patient(sandbox_request(inside, path=Path.CONNECTOR))
    user = f"{asked.target.user}.gserviceaccount.com"
    asked = replace(asked, target=replace(asked.target, iam_auth=True, user=user))
    assert in_child(asked).failure is Failure.PASSWORD_REJECTED


def test_the_connector_s_own_way_in_leaves_no_session(inside: Environment) -> None:
    asked = replace(patient(sandbox_request(inside, path=Path.CONNECTOR)), run_id="stock")
    assert in_child(asked).outcome is Outcome.PASSED
    assert inside.postgres
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'probe/stock'"
    assert list(inside.postgres.execute(query)[-1]) in ([0], [[0]])


@pytest.mark.parametrize(
    ("fault", "path", "kind", "failure"),
    [
        ("wrong-password", Path.CONNECTOR, PhaseKind.DATABASE, Failure.PASSWORD_REJECTED),
        ("database-missing", Path.CONNECTOR, PhaseKind.DATABASE, Failure.DATABASE_MISSING),
        ("admin-403", Path.CONNECTOR, PhaseKind.DEPENDENCIES, Failure.FORBIDDEN),
        ("proxy-refused", Path.CONNECTOR, PhaseKind.DATABASE, Failure.REFUSED),
        ("wrong-server-ca", Path.CONNECTOR, PhaseKind.DATABASE, Failure.SERVER_CERTIFICATE),
        (
            "client-cert-expired",
            Path.CONNECTOR,
            PhaseKind.DATABASE,
            Failure.CLIENT_CERTIFICATE_EXPIRED,
        ),
    ],
)
def test_a_fault_ends_its_phase_and_blocks_the_rest(
    monkeypatch: pytest.MonkeyPatch, fault: str, path: Path, kind: PhaseKind, failure: Failure
) -> None:
    with sandbox([fault]) as environment:
        become(monkeypatch, environment)
        observation = in_child(patient(sandbox_request(environment, path=path)))
    found = rehearsal(observation)
    assert (observation.outcome, observation.failure) == (Outcome.FAILED, failure), observation
    assert observation.error == record(found, kind).error
    assert found.exit_code == 3
    assert found.ended_by is record(found, kind)
    place = found.phases.index(record(found, kind))
    assert {phase.outcome for phase in found.phases[place + 1 :]} == {PhaseOutcome.BLOCKED}


def become(monkeypatch: pytest.MonkeyPatch, environment: Environment) -> None:
    for name in set(os.environ) - set(environment.environ):
        monkeypatch.delenv(name)
    for name, value in environment.environ.items():
        monkeypatch.setenv(name, value)


def test_parameters_that_the_server_refuses_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox(["parameters-refused"]) as environment:
        become(monkeypatch, environment)
        found = rehearsal(in_child(patient(sandbox_request(environment, path=Path.CONNECTOR))))
    assert found.parameters_refused
    assert found.exit_code == 0


@pytest.mark.parametrize("required", [True, False])
def test_a_phase_that_the_application_can_do_without_does_not_end_it(*, required: bool) -> None:
    phases = (phase(PhaseKind.INIT), phase(PhaseKind.DEPENDENCIES, required=required), phase(PhaseKind.CACHE))
    asked = request(startup=Startup(phases=phases, secrets=("NOT_SET_ANYWHERE",)))
    found = told(asked, lambda reporter: startup.play(asked, reporter, NO_COMMANDS))
    ending = PhaseOutcome.BLOCKED if required else PhaseOutcome.SKIPPED
    assert [phase.outcome for phase in found.phases] == [PhaseOutcome.COMPLETED, PhaseOutcome.FAILED, ending]
    assert found.exit_code == (3 if required else 0)
    assert found.phases[2].skip_reason is (None if required else SkipReason.NOT_CONFIGURED)


def test_a_crash_in_a_required_phase_ends_it_and_says_nothing_of_the_application() -> None:
    cache = replace(Startup().cache, address="127.0.0.1:none")
    asked = request(startup=Startup(phases=(phase(PhaseKind.CACHE),), cache=cache))
    codes: list[int] = []
    found = told(asked, lambda reporter: codes.append(startup.play(asked, reporter, NO_COMMANDS)))
    assert codes == [70]
    assert found.exit_code is None
    observation = in_child(asked)
    assert observation.outcome is Outcome.CRASHED
    assert observation.error
    assert "ValueError" in observation.error.message


def test_a_phase_that_was_left_behind_has_nothing_more_to_say() -> None:
    with peer(silent) as (host, port):
        phases = (phase(PhaseKind.SERVICES, 0.3, required=False), phase(PhaseKind.INIT))
        urls = tuple(f"http://{host}:{port}/{n}" for n in range(3))
        asked = request(startup=Startup(phases=phases, services=urls))
        found = told(asked, lambda reporter: startup.play(asked, reporter, NO_COMMANDS))
    late, after = found.phases
    assert late.outcome is PhaseOutcome.TIMED_OUT
    assert len(late.steps) == 1
    assert after.outcome is PhaseOutcome.COMPLETED
    assert found.exit_code == 0


def test_nothing_is_imported_while_a_phase_runs(inside: Environment) -> None:
    """Else a phase would be charged for it. In a process of its own: this one has imported everything."""
    script = """
import os, pickle, sys, threading
from probe.rehearsal import startup
from probe.rehearsal.act import Act
from probe.rehearsal.messages import Reporter

class Loud(Reporter):
    def start_beating(self):
        self.before = set(sys.modules)

reporter = Loud(os.open(os.devnull, os.O_WRONLY))
code = startup.play(pickle.load(sys.stdin.buffer), reporter, None)
print(code, sorted(set(sys.modules) - reporter.before), flush=True)
os._exit(0)
"""
    for path in Path:
        asked = pickle.dumps(patient(sandbox_request(inside, path=path)))
        done = subprocess.run(
            [sys.executable, "-c", script], input=asked, capture_output=True, timeout=60, check=False
        )
        assert done.stdout.decode() == "0 []\n", (path, done.stderr.decode())


def test_a_phase_costs_at_most_50_ms_more_than_its_calls_by_hand(inside: Environment) -> None:
    """The best of a few rounds on both sides: what a loaded machine adds is nobody's overhead."""
    asked = patient(sandbox_request(inside, path=Path.CONNECTOR))
    by_hand: dict[str, float] = {}
    rehearsed: dict[str, float] = {}
    for _ in range(6):
        done = subprocess.run(
            [sys.executable, "-m", "tests.rehearsal.by_hand"],
            input=pickle.dumps(asked),
            capture_output=True,
            timeout=60,
            check=True,
        )
        for kind, took_s in json.loads(done.stdout).items():
            by_hand[kind] = min(took_s, by_hand.get(kind, took_s))
        for one in rehearsal(in_child(asked)).phases:
            took_s = one.span.duration_s if one.span else 0.0
            rehearsed[one.kind] = min(took_s, rehearsed.get(one.kind, took_s))
        if all(rehearsed[kind] <= took_s + 0.05 for kind, took_s in by_hand.items()):
            return
    raise AssertionError(f"by hand {by_hand}, rehearsed {rehearsed}")


def test_no_secret_leaves_the_child(inside: Environment) -> None:
    startup = Startup(
        phases=(phase(PhaseKind.CACHE, required=False), phase(PhaseKind.DATABASE)),
        cache=sandbox_request(inside).startup.cache,
    )
    asked = sandbox_request(inside, startup=startup, password=PASSWORD, cache_password=CACHE_PASSWORD)
    observation = in_child(asked)
    assert observation.failure is Failure.PASSWORD_REJECTED
    assert record(rehearsal(observation), PhaseKind.CACHE).failure is Failure.PASSWORD_REJECTED
    for secret in (PASSWORD, CACHE_PASSWORD):
        assert secret not in repr(observation)
        assert secret not in repr(asked)
