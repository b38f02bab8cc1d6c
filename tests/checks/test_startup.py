"""The supervisor: whatever the child does, the check ends in time and leaves no process."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as File
from typing import Any

import pytest

from probe.checks import startup
from probe.dial.clock import Deadline
from probe.dial.redaction import Redaction
from probe.model.application import PhaseKind, Startup
from probe.model.observation import Observation
from probe.model.rehearsal import PhaseOutcome
from probe.model.words import Check, Failure, Outcome, Path, SkipReason
from probe.rehearsal.child import Child
from probe.rehearsal.messages import Event
from probe.rehearsal.request import StartupRequest
from tests.dial.peers import peer, silent
from tests.rehearsal.rehearsing import (
    PASSWORD,
    children,
    in_child,
    phase,
    record,
    rehearsal,
    request,
    series,
)

INIT, DATABASE, CACHE = PhaseKind.INIT, PhaseKind.DATABASE, PhaseKind.CACHE
FOUR = (PhaseKind.CACHE, PhaseKind.SERVICES, PhaseKind.WEBSOCKET, PhaseKind.FINALIZE)


def hanging(host: str, port: int, budget_s: float = 30.0) -> StartupRequest:
    """A start-up whose database is there, and silent."""
    phases = (phase(INIT), phase(DATABASE, budget_s), *(phase(kind) for kind in FOUR))
    target = replace(request().target, private_ip=host, port=port)
    return request(target=target, startup=Startup(phases=phases))


class WhenBegun:
    """Does something to the child once a phase has begun, from a thread of its own."""

    def __init__(self, kind: PhaseKind, act: Any) -> None:
        self._kind = kind
        self._act = act

    def __call__(self, name: str) -> None:
        if name == self._kind:
            threading.Timer(0.2, self._act).start()


def signal_child(number: signal.Signals) -> None:
    for pid in children():
        os.kill(pid, number)


def outcomes(observation: Observation) -> list[PhaseOutcome]:
    return [phase.outcome for phase in rehearsal(observation).phases]


def test_a_rehearsal_is_one_attempt_that_may_take_what_its_phases_may() -> None:
    asked = request(path=Path.SOCKET)
    one = series(asked)
    assert (one.check, one.target, one.path, one.attempts) == (Check.STARTUP, "db", Path.SOCKET, 1)
    assert one.budget_s == startup.CHILD_START_S + sum(phase.budget_s + 0.25 for phase in asked.phases)
    assert one.release_s == 2
    assert one.stages == ()


def test_a_silent_database_times_out_at_its_budget_and_the_rest_is_blocked() -> None:
    with peer(silent) as (host, port):
        observation = in_child(hanging(host, port, 0.6))
    found = rehearsal(observation)
    database = record(found, DATABASE)
    assert (observation.outcome, observation.failure) == (Outcome.FAILED, Failure.TIMEOUT)
    assert database.outcome is PhaseOutcome.TIMED_OUT
    assert database.span
    assert 0.6 <= database.span.duration_s <= 1.1
    assert database.steps[-1].name == "connect"
    assert database.steps[-1].budget_s == pytest.approx(0.6, abs=0.1)
    assert outcomes(observation)[2:] == [PhaseOutcome.BLOCKED] * 4
    assert found.exit_code == 3
    assert not found.overloaded
    assert children() == []


def test_a_child_that_is_killed_is_the_probe_s_own_crash() -> None:
    with peer(silent) as (host, port):
        kill = WhenBegun(DATABASE, lambda: signal_child(signal.SIGKILL))
        observation = in_child(hanging(host, port), started=kill)
    assert (observation.outcome, observation.failure) == (Outcome.CRASHED, None)
    assert outcomes(observation)[:3] == [
        PhaseOutcome.COMPLETED,
        PhaseOutcome.CRASHED,
        PhaseOutcome.SKIPPED,
    ]
    assert rehearsal(observation).exit_code is None
    assert observation.error
    assert "was killed by signal 9 (SIGKILL): it said nothing" in observation.error.message
    assert not rehearsal(observation).overloaded


def test_a_frozen_child_is_overloaded_and_not_the_database_s_fault() -> None:
    with peer(silent) as (host, port):
        freeze = WhenBegun(DATABASE, lambda: signal_child(signal.SIGSTOP))
        observation = in_child(hanging(host, port, 1.5), started=freeze, start_delay_s=0.5)
    found = rehearsal(observation)
    assert observation.outcome is Outcome.CRASHED
    assert record(found, DATABASE).outcome is PhaseOutcome.CRASHED
    assert found.overloaded
    assert found.lag_s > 0.5
    assert found.exit_code is None
    assert children() == []


def test_a_child_that_was_frozen_for_a_while_is_not_believed_either() -> None:
    def freeze_for_a_while() -> None:
        signal_child(signal.SIGSTOP)
        time.sleep(1.2)
        signal_child(signal.SIGCONT)

    with peer(silent) as (host, port):
        freeze = WhenBegun(DATABASE, freeze_for_a_while)
        observation = in_child(hanging(host, port, 3.0), started=freeze, start_delay_s=0.5)
    assert observation.outcome is Outcome.FAILED
    assert rehearsal(observation).overloaded
    assert rehearsal(observation).lag_s >= 0.8


def test_a_run_that_is_interrupted_keeps_what_was_measured_and_leaves_no_child() -> None:
    interrupted = threading.Event()
    ended: list[float] = []

    def interrupt() -> None:
        interrupted.set()
        ended.append(time.monotonic())

    with peer(silent) as (host, port):
        stop = WhenBegun(DATABASE, interrupt)
        observation = in_child(hanging(host, port), interrupted=interrupted, started=stop)
    assert time.monotonic() - ended[0] < 1.5
    assert children() == []
    assert (observation.outcome, observation.skip_reason) == (Outcome.SKIPPED, SkipReason.INTERRUPTED)
    database = record(rehearsal(observation), DATABASE)
    assert database.outcome is PhaseOutcome.SKIPPED
    assert database.span
    assert database.span.duration_s > 0.1
    assert not database.steps[-1].finished
    assert outcomes(observation)[0] is PhaseOutcome.COMPLETED


def test_a_run_that_is_out_of_time_leaves_no_child() -> None:
    with peer(silent) as (host, port):
        observation = in_child(hanging(host, port), deadline_s=3.0)
    assert observation.skip_reason is SkipReason.DEADLINE
    assert children() == []


def test_a_child_that_does_not_get_ready_is_given_up() -> None:
    observation = in_child(request(), child_start_s=0.05)
    assert observation.outcome is Outcome.CRASHED
    assert observation.error
    assert "not ready within 0.05 s" in observation.error.message
    assert set(outcomes(observation)) == {PhaseOutcome.SKIPPED}
    assert children() == []


# A child that does not keep its own word: the real one does, so that another has to play it


READY = {"kind": "ready"}
BEGUN = {"kind": "phase_started", "phase": "init"}
ENDED: dict[str, Any] = {
    "kind": "phase_ended",
    "phase": "init",
    "outcome": "completed",
    "failure": None,
    "error": None,
    "skip_reason": None,
    "endpoint": "",
    "missing": [],
    "parameters_refused": False,
    "cpu_s": 0,
}
BEATING = "while True: say(kind='beat', lag_s=0, cpu_s=0); time.sleep(0.05)"


def played(
    monkeypatch: pytest.MonkeyPatch,
    *events: dict[str, Any],
    then: str = "",
    required: bool = True,
    **values: Any,
) -> Observation:
    """A rehearsal of two phases by a child that says this and then does that."""
    script = (
        "import json, os, sys, time\n"
        "def say(**f):\n"
        "    f['t'] = time.monotonic_ns()\n"
        "    os.write(int(sys.argv[1]), json.dumps(f).encode() + b'\\n')\n"
        + "".join(f"say(**json.loads({json.dumps(event)!r}))\n" for event in events)
        + then
    )

    def command(_child: Child, events_fd: int) -> list[str]:
        return [sys.executable, "-c", script, str(events_fd)]

    monkeypatch.setattr(Child, "_command", command)
    phases = (phase(INIT, 0.5, required=required), phase(CACHE, 0.5))
    return in_child(request(startup=Startup(phases=phases, secrets=("A_SECRET",))), **values)


@pytest.mark.parametrize("required", [True, False])
def test_a_phase_that_outlives_its_budget_is_ended_from_outside(
    monkeypatch: pytest.MonkeyPatch, *, required: bool
) -> None:
    observation = played(monkeypatch, READY, BEGUN, then=BEATING, required=required)
    init, cache = rehearsal(observation).phases
    assert init.outcome is PhaseOutcome.TIMED_OUT
    assert init.span
    assert init.span.duration_s >= 0.75
    if required:
        assert (observation.outcome, observation.failure) == (Outcome.FAILED, Failure.TIMEOUT)
        assert cache.outcome is PhaseOutcome.BLOCKED
    else:
        assert observation.outcome is Outcome.CRASHED
        assert cache.outcome is PhaseOutcome.SKIPPED


def test_last_words_are_told_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    observation = played(monkeypatch, READY, BEGUN, then=f"sys.exit('my last words: {PASSWORD}')")
    assert observation.outcome is Outcome.CRASHED
    assert "my last words: ***" in repr(observation)
    assert PASSWORD not in repr(observation)


def test_the_run_s_redaction_learns_the_start_up_s_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "word-of-the-environment")
    redaction = Redaction()
    then = "sys.exit('so: word-of-the-environment')"
    observation = played(monkeypatch, READY, BEGUN, then=then, redaction=redaction)
    assert "so: ***" in repr(observation)
    assert "word-of" not in repr(observation)
    asked = request(startup=Startup(secrets=("A_SECRET",)))
    assert series(asked, redaction=redaction).redaction is redaction
    assert redaction.clean("a word-of-the-environment") == "a ***"


def test_a_crash_of_the_interpreter_ends_with_the_line_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    then = "import faulthandler; faulthandler.enable(); os.kill(os.getpid(), 11)"
    observation = played(monkeypatch, READY, BEGUN, then=then)
    assert observation.error
    lines = observation.error.message.splitlines()
    why = "was killed by signal 11 (SIGSEGV): Fatal Python error: Segmentation fault"
    assert lines[-1] == f"the rehearsal's process {why}"
    assert len(lines) > 1


DONE = {"kind": "done", "exit_code": 0}


def test_what_was_said_while_we_did_not_run_counts_although_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The child has 3 s to start, and two phases of 0.75 s; we sleep in the first one until all is over."""
    observation = played(
        monkeypatch, READY, BEGUN, ENDED, DONE, started=lambda _name: time.sleep(5), child_start_s=3.0
    )
    assert (observation.outcome, observation.error) == (Outcome.PASSED, None)
    assert outcomes(observation)[0] is PhaseOutcome.COMPLETED


def test_what_has_come_is_heard_before_a_child_is_said_to_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    listen = Child.events
    asleep = [2.0]

    def frozen(child: Child, until: Deadline, stop: threading.Event) -> Iterator[Event | None]:
        while asleep:
            time.sleep(asleep.pop())
            yield None
        yield from listen(child, until, stop)

    monkeypatch.setattr(Child, "events", frozen)
    observation = played(monkeypatch, READY, BEGUN, ENDED, DONE, child_start_s=1.5)
    assert (observation.outcome, observation.error) == (Outcome.PASSED, None)


def test_a_working_directory_that_was_deleted_is_nobody_s_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: File
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    observation = in_child(request(startup=Startup(phases=(phase(INIT),))))
    assert (observation.outcome, observation.error) == (Outcome.PASSED, None)


@pytest.mark.parametrize("word", [{"kind": "unheard_of"}, {"kind": "phase_ended", "phase": "init"}])
def test_words_that_make_no_sense_are_a_crash(monkeypatch: pytest.MonkeyPatch, word: dict[str, Any]) -> None:
    observation = played(monkeypatch, READY, BEGUN, word, then="time.sleep(60)")
    assert observation.outcome is Outcome.CRASHED


def test_an_exit_code_without_a_phase_that_explains_it_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    observation = played(monkeypatch, READY, BEGUN, ENDED, {"kind": "done", "exit_code": 3})
    assert observation.outcome is Outcome.CRASHED
    assert "it said nothing" in repr(observation.error)


def test_a_child_that_is_done_and_stays_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    observation = played(
        monkeypatch, READY, BEGUN, ENDED, {"kind": "done", "exit_code": 0}, then="time.sleep(60)"
    )
    assert observation.outcome is Outcome.PASSED
    assert time.monotonic() - begun < 20
