import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from probe.dial.clock import Deadline
from probe.rehearsal.child import MAX_LAST_WORDS_BYTES, Child
from probe.rehearsal.messages import (
    EXIT_BAD_COMMAND,
    MAX_LINE_BYTES,
    Event,
    GarbageError,
    decode,
)

NEVER = threading.Event()
LONG_S = 20.0


class Scripted(Child):
    """A child whose role is a few lines of Python: ``request``, ``reporter`` and ``commands`` are there."""

    def __init__(self, script: str, request: object = None) -> None:
        super().__init__("scripted", request)
        self._script = (
            "import os, sys, time, pickle, signal, threading\n"
            "from probe.rehearsal import __main__ as child\n"
            "from types import ModuleType\n"
            "def play(request, reporter, commands):\n"
            + "".join(f"    {line}\n" for line in dedent(script).strip().splitlines())
            + "    return 0\n"
            "role = ModuleType('scripted_role')\nrole.play = play\n"
            "sys.modules['scripted_role'] = role\nchild.ROLES['scripted'] = 'scripted_role'\n"
            "code = child.main('scripted', int(sys.argv[1]))\n"
            "sys.stdout.flush()\nos._exit(code)\n"
        )

    def _command(self, events_fd: int) -> list[str]:
        return [sys.executable, "-c", self._script, str(events_fd)]


def heard(child: Child, *, seconds: float = LONG_S, stop: threading.Event = NEVER) -> Iterator[Event]:
    return (event for event in child.events(Deadline.after(seconds), stop) if event is not None)


def lives(pid: int) -> bool:
    """Whether there is a process of this id that is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone_soon(pid: int, within_s: float = 5.0) -> bool:
    end = time.monotonic() + within_s
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not lives(pid)


def test_events_come_in_order_with_instants_on_our_own_clock() -> None:
    begun_ns = time.monotonic_ns()
    with Scripted("for n in range(3): reporter.emit('count', n=n, said=request)", "hello") as child:
        events = list(heard(child))
        assert child.exit_code() == 0
    assert [(event.kind, dict(event.fields)) for event in events] == [
        ("count", {"n": n, "said": "hello"}) for n in range(3)
    ]
    assert begun_ns < child.started_ns < events[0].at_ns <= events[-1].at_ns < time.monotonic_ns()


def test_commands_arrive_and_a_large_request_too() -> None:
    script = "while True: reporter.emit('heard', got=commands.get(), size=len(request))"
    with Scripted(script, "x" * 300_000) as child:
        for number in range(3):
            child.send({"number": number})
        got = [next(heard(child)).fields for _ in range(3)]
    assert got == [{"got": {"number": number}, "size": 300_000} for number in range(3)]
    assert not lives(child.pid)


def test_what_a_child_that_has_gone_is_told_is_nobodys_error() -> None:
    with Scripted("pass") as child:
        assert list(heard(child)) == []
        assert child.exit_code() == 0
        child.send({"too": "late"})


def test_a_child_that_does_not_listen_holds_us_up_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.rehearsal.child.SEND_S", 0.2)
    with Scripted("os.kill(os.getpid(), signal.SIGSTOP)") as child:
        time.sleep(0.5)
        with pytest.raises(RuntimeError, match="does not read"):
            send_without_end(child)


def test_a_child_that_never_takes_its_request_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(Child):
        def _command(self, events_fd: int) -> list[str]:
            return ["/bin/sleep", f"{60 + events_fd}"]

    monkeypatch.setattr("probe.rehearsal.child.SEND_S", 0.2)
    child = Deaf("startup", "x" * 1_000_000)
    with pytest.raises(RuntimeError, match="does not read"), child:
        pass
    assert gone_soon(child.pid)


def send_without_end(child: Child) -> None:
    while True:
        child.send({"text": "x" * 10_000})


def test_a_quiet_child_lets_us_look_around() -> None:
    with Scripted("time.sleep(60)") as child:
        begun = time.monotonic()
        nothing = list(child.events(Deadline.after(0.5), NEVER))
        assert set(nothing) == {None}
        assert 2 <= len(nothing) <= 11
        assert 0.5 <= time.monotonic() - begun < 3


def test_what_has_come_is_heard_also_when_the_time_is_over() -> None:
    with Scripted("for n in range(3): reporter.emit('count', n=n)") as child:
        assert gone_soon(child.pid, LONG_S)
        assert [event.fields["n"] for event in heard(child, seconds=0)] == [0, 1, 2]
        assert child.exit_code() == 0


def test_a_child_that_goes_on_talking_is_not_heard_for_ever() -> None:
    with Scripted("while True: reporter.emit('more', text='x' * 1000)") as child:
        next(heard(child))
        events = list(heard(child, seconds=0))
    assert len(events) < 2000, "however fast it is"


def test_a_stop_ends_the_listening() -> None:
    stop = threading.Event()
    with Scripted("time.sleep(60)") as child:
        threading.Timer(0.3, stop.set).start()
        begun = time.monotonic()
        list(child.events(Deadline.after(LONG_S), stop))
        assert time.monotonic() - begun < 3
    assert not lives(child.pid)


def test_the_childs_noise_is_its_last_words_and_no_event() -> None:
    script = """
        print('{"kind": "forged", "t": 1}', flush=True)
        for number in range(20000): print('noise', number)
        sys.stderr.write('the end')
        reporter.emit('real')
    """
    with Scripted(script) as child:
        assert [event.kind for event in heard(child)] == ["real"]
        assert child.exit_code() == 0
        said = child.last_words()
    assert len(said) <= MAX_LAST_WORDS_BYTES
    assert "the end" in said
    assert "forged" not in said


def test_a_role_that_raises_says_so_in_its_last_words() -> None:
    with Scripted("raise RuntimeError('out of luck')") as child:
        assert list(heard(child)) == []
        assert child.exit_code() == 70
        assert "RuntimeError: out of luck" in child.last_words()


def test_a_child_that_is_killed_ends_the_events() -> None:
    with Scripted("reporter.emit('up')\ntime.sleep(60)") as child:
        events = heard(child)
        assert next(events).kind == "up"
        os.kill(child.pid, signal.SIGKILL)
        assert list(events) == []
        assert child.exit_code() == -signal.SIGKILL


@pytest.mark.parametrize(
    "line",
    [
        "b'no JSON\\n'",
        "b'[]\\n'",
        'b\'{"kind": "x"}\\n\'',
        "b'{\"t\": 1}\\n'",
        "b'[' * 100000 + b'\\n'",
        f"b'x' * ({MAX_LINE_BYTES} + 100000)",
    ],
)
def test_garbage_is_the_end_of_the_child_and_not_ours(line: str) -> None:
    script = f"reporter.emit('well')\nleft = {line}\nwhile left: left = left[os.write(reporter._fd, left):]\n"
    with Scripted(script + "time.sleep(60)") as child:
        assert [event.kind for event in heard(child)] == ["well"]
        assert child.exit_code() == -signal.SIGKILL
        assert "not a message" in child.last_words() or "a line of more than" in child.last_words()


def test_a_message_is_an_object_with_its_kind_and_instant() -> None:
    assert decode(b'{"kind": "x", "t": 5, "more": 1}') == Event(kind="x", at_ns=5, fields={"more": 1})
    with pytest.raises(GarbageError):
        decode(b'{"kind": "x", "t": true}')


def test_beats_tell_how_late_the_child_was_and_what_it_computed() -> None:
    script = """
        reporter.start_beating()
        reporter.start_beating()
        time.sleep(0.25)
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.5)
    """
    with Scripted(script) as child:
        events = heard(child)
        assert next(events).kind == "beat"
        time.sleep(1.2)
        os.kill(child.pid, signal.SIGCONT)
        rest = list(events)
    assert child.lag_s >= 0.5
    assert child.cpu_s > 0
    assert 1 <= len(rest) <= 8, "one beat at a time"


def test_signals_to_our_whole_group_are_ours_to_judge() -> None:
    with Scripted("reporter.emit('up')\nprint(commands.get())\nreporter.emit('done')") as child:
        events = heard(child)
        next(events)
        assert os.getpgid(child.pid) == os.getpgid(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(child.pid, number)
        child.send({"go": "on"})
        assert [event.kind for event in events] == ["done"]


def test_a_bad_command_ends_the_child() -> None:
    with Scripted("time.sleep(60)") as child:
        child.send([1])  # type: ignore[arg-type]
        assert list(heard(child)) == []
        assert child.exit_code() == EXIT_BAD_COMMAND


PARENT = """
import time
from tests.rehearsal.test_child import Scripted
with Scripted("time.sleep(60)") as child:
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_a_parent_that_is_killed_leaves_no_child() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.kill()
    assert gone_soon(pid)


def test_a_child_that_cannot_be_started_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError), Child("startup", None):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_child_finds_the_package_that_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies about in the folder that we were started in is not imported."""
    (tmp_path / "probe").mkdir()
    (tmp_path / "pickle.py").write_text("raise SystemExit('the wrong pickle')")
    monkeypatch.chdir(tmp_path)
    with Child("startup", "no request at all") as child, contextlib.suppress(StopIteration):
        while True:
            next(heard(child))
    assert "wrong pickle" not in child.last_words()
