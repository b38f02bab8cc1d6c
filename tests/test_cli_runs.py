"""Whole runs as a shell sees them: exit codes, signals, streams, and what they never show."""

import itertools
import json
import os
import re
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from probe.model.target import Timeouts
from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.settings_file import Pace

QUICK = Pace(
    samples=1,
    confirm_after_s=0.0,
    interval_s=0.1,
    checks=("egress", "configuration", "route", "cloudsql"),
)
"""The rehearsal and the pool are in the scenarios; here it is the command line that is tried."""
PATIENT = Pace(
    timeouts=Timeouts(connection_s=50.0, admin_api_s=5.0, tls_s=45.0),
    samples=1,
    confirm_after_s=0.0,
)
"""What hangs hangs on until a signal."""

LIMIT_S = 40.0
SCHEMA = json.loads(files("probe.sinks").joinpath("report.schema.json").read_text())
FAULT_OF_VERDICT = {
    "healthy": (),
    "degraded": ("socket-missing",),
    "down": ("tls-reset",),
    "inconclusive": ("admin-403",),
}
EXIT_CODES = {
    ("healthy", "never"): 0,
    ("healthy", "degraded"): 0,
    ("healthy", "down"): 0,
    ("degraded", "never"): 0,
    ("degraded", "degraded"): 1,
    ("degraded", "down"): 0,
    ("down", "never"): 0,
    ("down", "degraded"): 3,
    ("down", "down"): 3,
    ("inconclusive", "never"): 4,
    ("inconclusive", "degraded"): 4,
    ("inconclusive", "down"): 4,
}

tasks = itertools.count(1)
"""A task of its own for each run: Cloud Monitoring takes the points of a series five seconds apart."""


@pytest.fixture(scope="module")
def healthy() -> Iterator[Environment]:
    with sandbox((), pace=QUICK) as environment:
        yield environment


@contextmanager
def started(
    environment: Environment,
    *arguments: str,
    stdout: Any = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,
    job: str = "",
) -> Iterator[subprocess.Popen[str]]:
    """A run as a child; killed where the test ends before it does."""
    command = [sys.executable, "-m", "probe", "run", "--config", str(environment.settings_path), *arguments]
    child = subprocess.Popen(
        command,
        env=environment.environ
        | {"CLOUD_RUN_TASK_INDEX": str(next(tasks)), "CLOUD_RUN_JOB": job, "TERM": "xterm"},
        stdout=stdout,
        stderr=stderr,
        text=True,
    )
    with child:
        try:
            yield child
        finally:
            child.kill()


def run_on(environment: Environment, *arguments: str, job: str = "") -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a run; no secret is in either."""
    with started(environment, *arguments, job=job) as child:
        stdout, stderr = child.communicate(timeout=LIMIT_S)
    for secret in (environment.password, "sandbox-token", "PRIVATE KEY"):
        assert secret not in stdout + stderr
    return child.returncode, stdout, stderr


def document_of(text: str) -> dict[str, Any]:
    """Exactly one document, as the schema wants it."""
    document: dict[str, Any] = json.loads(text)
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    return document


def wait_until(condition: Callable[[], object], limit_s: float = 10.0) -> None:
    ends = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.parametrize("verdict", FAULT_OF_VERDICT)
def test_a_verdict_is_one_valid_document_and_the_exit_code_that_was_asked_for(verdict: str) -> None:
    pace = replace(QUICK, checks=None) if verdict == "healthy" else QUICK  # once with everything there is
    with sandbox(FAULT_OF_VERDICT[verdict], pace=pace) as environment:
        for fail_on in ("never", "degraded", "down"):
            code, stdout, stderr = run_on(environment, "--format", "json", "--fail-on", fail_on)
            document = document_of(stdout)
            assert (document["verdict"], stderr) == (verdict, "")
            assert (fail_on, code) == (fail_on, EXIT_CODES[verdict, fail_on])
            assert document["metrics"]["dropped"] == 0


@pytest.mark.parametrize("faults", [("monitoring-refusing",), ("wrong-password", "neighbour-down")])
def test_the_log_is_json_lines_that_cloud_logging_takes_and_ends_with_the_verdict(
    faults: tuple[str, ...],
) -> None:
    with sandbox(faults, pace=QUICK) as environment:
        _code, stdout, stderr = run_on(environment, "--format", "log")
    records = [json.loads(line) for line in stdout.splitlines()]
    assert stderr == ""
    assert all(len(line.encode()) < 100_000 for line in stdout.splitlines())
    assert all({"severity", "message", "time"} <= record.keys() for record in records)
    kinds = [record["logging.googleapis.com/labels"]["kind"] for record in records]
    assert (kinds[-1], kinds.count("verdict")) == ("verdict", 1)
    assert len(kinds) > 1


def test_in_a_cloud_run_job_the_log_is_the_default_and_elsewhere_text(healthy: Environment) -> None:
    assert run_on(healthy, "--check", "configuration")[1].startswith("HEALTHY")
    (line,) = run_on(healthy, "--check", "configuration", job="probe")[1].splitlines()
    assert json.loads(line)["run"]["job"] == "probe"


@pytest.mark.parametrize(
    "faults",
    [("admin-401",), ("login-garbage", "monitoring-refusing"), ("token-expired",), ("token-refused",)],
    ids="+".join,
)
def test_a_failure_near_a_secret_does_not_show_it(faults: tuple[str, ...]) -> None:
    with sandbox(faults, pace=QUICK) as environment:
        code, stdout, stderr = run_on(environment, "--check", "cloudsql", "--format", "json")
        for form in ("text", "log"):
            assert run_on(environment, "--check", "cloudsql", "--format", form)[0] == code
    assert document_of(stdout)["findings"]
    assert "Traceback" not in stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_delivers_what_was_measured_within_seconds(number: signal.Signals, code: int) -> None:
    with sandbox(("tls-silent",), pace=PATIENT) as environment:
        with started(environment, "--format", "json") as child:
            wait_until(lambda: len(environment.admin_api.requests) >= 2)
            time.sleep(0.5)  # the other paths are through, and the handshake is waited for
            begun = time.monotonic()
            child.send_signal(number)
            stdout, stderr = child.communicate(timeout=LIMIT_S)
            took_s = time.monotonic() - begun
        document = document_of(stdout)
        accepted = len(environment.monitoring.accepted)
    assert (child.returncode, stderr) == (code, "")
    assert took_s < 5.0
    assert document["run"]["interrupted"] is True
    assert document["metrics"] == {"written": accepted, "dropped": 0}
    assert accepted > 0
    outcomes = {
        item["path"]: item["outcome"] for item in document["observations"] if item["check"] == "cloudsql"
    }
    assert outcomes == {"connector": "skipped", "private_ip": "passed", "socket": "passed"}


def test_a_second_signal_ends_a_run_at_once() -> None:
    with (
        sandbox(("tls-silent", "monitoring-silent"), pace=PATIENT) as environment,
        started(environment, "--format", "json") as child,
    ):
        wait_until(lambda: len(environment.admin_api.requests) >= 2)
        child.terminate()
        wait_until(lambda: environment.monitoring.calls)  # it is delivering
        begun = time.monotonic()
        child.terminate()
        stdout, stderr = child.communicate(timeout=LIMIT_S)
        took_s = time.monotonic() - begun
    assert (child.returncode, stdout, stderr) == (143, "", "")
    assert took_s < 1.0


@pytest.mark.parametrize("form", ["json", "log", "text"])
def test_a_reader_that_has_gone_does_not_change_the_exit_code(healthy: Environment, form: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with (
        os.fdopen(writer, "wb") as closed,
        started(healthy, "--format", form, stdout=closed) as child,
    ):
        _nothing, stderr = child.communicate(timeout=LIMIT_S)
    assert (child.returncode, stderr) == (0, "")


def test_an_error_of_the_probe_itself_is_one_line_and_no_verdict(healthy: Environment) -> None:
    code = "import sys; sys.modules['probe.run'] = None; from probe.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--config", str(healthy.settings_path)],
        env=healthy.environ,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert re.fullmatch(r"error: the probe itself failed: ModuleNotFoundError: .*\n", done.stderr)


def test_a_demonstration_leaves_nothing_behind() -> None:
    folder = Path("/tmp", f"p{secrets.token_hex(3)}")  # noqa: S108 - short enough for the paths of Unix sockets
    folder.mkdir()
    try:
        demo = subprocess.Popen(
            [sys.executable, "-m", "probe", "demo", "--check", "configuration", "--format", "json"],
            env=os.environ | {"TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        stdout, stderr = demo.communicate(timeout=LIMIT_S)
        assert document_of(stdout)["verdict"] == "healthy"
        assert re.fullmatch(r"sandbox at 127\.[\d.]+, healthy\n", stderr)
        wait_until(lambda: not _session(demo.pid))
        assert list(folder.iterdir()) == []
    finally:
        with suppress(OSError):
            folder.rmdir()


def _session(leader: int) -> list[str]:
    listing = subprocess.run(["ps", "-eo", "sid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in listing.stdout.splitlines()]
    return [sid for sid, state in rows if sid == str(leader) and not state.startswith("Z")]


def test_without_monitoring_nothing_is_written(healthy: Environment) -> None:
    written_before = len(healthy.monitoring.accepted)
    command = [
        sys.executable,
        "-m",
        "probe",
        "run",
        "--config",
        str(healthy.settings_path),
        "--format",
        "json",
    ]
    done = subprocess.run(
        command,
        env=healthy.environ | {"PROBE_MONITORING__ENABLED": "false"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    assert document_of(done.stdout)["metrics"] == {"written": 0, "dropped": 0}
    assert len(healthy.monitoring.accepted) == written_before


def test_a_terminal_sees_progress_and_a_pipe_gets_the_report_alone(healthy: Environment) -> None:
    terminal, stderr = os.openpty()
    seen = b""
    with os.fdopen(terminal, "rb", buffering=0) as screen, started(healthy, stderr=stderr) as child:
        os.close(stderr)
        with suppress(OSError):  # the end of a terminal is an error on Linux
            while select.select([screen], [], [], LIMIT_S)[0]:
                seen += screen.read(4096)
        stdout, _nothing = child.communicate(timeout=LIMIT_S)
    assert (child.returncode, stdout.partition(" ")[0]) == (0, "HEALTHY")
    assert b"staging-db" in seen
