"""A standard stream that is closed, full, or read no longer changes no exit code but in a documented way."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from probe.sandbox.environment import sandbox
from probe.sandbox.settings_file import Pace

PROBE = (sys.executable, "-m", "probe")
FULL = "/dev/full"


def shell(line: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The line run by a shell in which ``probe`` is this interpreter's."""
    function = f'probe() {{ "{sys.executable}" -m probe "$@"; }}\n'
    command = ["bash", "-c", function + line]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_reader_that_leaves_early_is_no_failure() -> None:
    done = shell("probe explain | head -1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.skipif(not os.path.exists(FULL), reason="there is no /dev/full here")  # noqa: PTH110
@pytest.mark.parametrize("command", ["explain", "explain tls_silent", "metrics list"])
def test_a_full_disk_is_one_line_and_exit_code_4(command: str) -> None:
    done = shell(f"probe {command} > {FULL}")
    assert done.returncode == 4
    assert done.stderr == "error: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("command", ["explain", "--version"])
def test_closed_streams_are_no_failure(command: str) -> None:
    done = shell(f"probe {command} >&- 2>&-")
    assert done.returncode == 0


@pytest.mark.parametrize("closed", ["<&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_run_with_closed_streams_has_its_childs_whole_story(closed: str) -> None:
    """A pipe that takes the number of a closed stream would be lost in the child."""
    with sandbox((), pace=Pace(samples=1, confirm_after_s=0.0, checks=("startup",))) as environment:
        done = shell(f"probe run --config {environment.settings_path} {closed}", environment.environ)
    assert done.returncode == 0


def test_bad_usage_keeps_its_exit_code_where_nobody_reads_standard_error() -> None:
    assert shell("probe explain nonsense 2>&-").returncode == 2
