import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DEMO = """
import sys
from probe.sandbox.demo import run_demo
sys.exit(run_demo(sys.argv[1].split(), sys.argv[2:], command=(sys.executable, "-c", sys.stdin.read())))
"""

SHOWS = "import sys; print('child', sys.argv[1], sys.argv[3:]); sys.exit(3)"
WAITS = "import time; print('up', flush=True); time.sleep(60)"
SAYS_GOODBYE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print('goodbye', flush=True), sys.exit(0)))
print('up', flush=True)
time.sleep(60)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print('ignored', flush=True))
print('up', flush=True)
while True: time.sleep(60)
"""


def _demo(child: str, *, faults: str = "", arguments: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    demo = subprocess.Popen(
        [sys.executable, "-c", DEMO, faults, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stdin is not None
    demo.stdin.write(child)
    demo.stdin.close()
    demo.stdin = None
    return demo


def _line(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout is not None
    return demo.stdout.readline()


def test_the_childs_exit_code_and_output_are_the_demos_own() -> None:
    demo = _demo(SHOWS, faults="server-down slow", arguments=("--format", "json"))
    stdout, stderr = demo.communicate(timeout=20)
    assert stdout == "child --config ['--format', 'json']\n"
    assert stderr.startswith("sandbox at 127.")
    assert "broken (server-down: PostgreSQL is down; slow: every exchange" in stderr
    assert stderr.count("\n") == 1
    assert demo.returncode == 3


def test_a_healthy_sandbox_says_so() -> None:
    demo = _demo("")
    stdout, stderr = demo.communicate(timeout=20)
    assert (stdout, demo.returncode) == ("", 0)
    assert stderr.endswith(", healthy\n")


def test_a_fault_that_cannot_be_had_is_one_line_and_exit_code_2() -> None:
    demo = _demo("", faults="tls-silnt")
    stdout, stderr = demo.communicate(timeout=20)
    assert (stdout, demo.returncode) == ("", 2)
    assert stderr == "error: there is no fault tls-silnt; did you mean tls-silent?\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_passed_on_and_is_the_exit_code(number: signal.Signals, code: int) -> None:
    demo = _demo(WAITS, faults="server-down")
    assert _line(demo) == "up\n"
    demo.send_signal(number)
    demo.communicate(timeout=20)
    assert demo.returncode == code


def test_the_child_may_say_goodbye() -> None:
    demo = _demo(SAYS_GOODBYE, faults="server-down")
    assert _line(demo) == "up\n"
    demo.terminate()
    stdout, _ = demo.communicate(timeout=20)
    assert (stdout, demo.returncode) == ("goodbye\n", 143)


def test_a_second_signal_ends_a_stubborn_child() -> None:
    demo = _demo(STUBBORN, faults="server-down")
    assert _line(demo) == "up\n"
    demo.terminate()
    assert _line(demo) == "ignored\n"
    demo.terminate()
    demo.communicate(timeout=20)
    assert demo.returncode == 143


def test_a_child_that_is_killed_gives_its_signals_exit_code() -> None:
    demo = _demo("import os; os.kill(os.getpid(), 9)", faults="server-down")
    demo.communicate(timeout=20)
    assert demo.returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("after_s", [0.35, 0.5, 0.65, 0.8])
def test_a_signal_at_any_moment_of_the_start_leaves_nothing(after_s: float, tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-c", DEMO, ""],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    time.sleep(after_s)
    demo.terminate()
    demo.wait(20)
    assert demo.returncode in {143, -signal.SIGTERM, 0}  # before it was ready to listen, after, too late
    assert _session(demo.pid) == []


def _session(leader: int) -> list[str]:
    listing = subprocess.run(["ps", "-eo", "sid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    return [row[2] for row in rows if row[0] == str(leader) and not row[1].startswith("Z")]
