"""Each fault of the sandbox gives exactly its cause as the one finding that is no consequence."""

import json
import subprocess
import sys
from typing import Any

import pytest

from probe.model.cause import Cause
from probe.sandbox.environment import sandbox
from probe.sandbox.faults import FAULTS
from probe.sandbox.settings_file import Pace

PACE = Pace(samples=1, confirm_after_s=0.0, interval_s=0.1)
HEALTHY_EXITS = (0, 1)


def run_on(faults: tuple[str, ...], *arguments: str, pace: Pace = PACE) -> tuple[int, dict[str, Any]]:
    """The exit code and the document of one real run, as a child process, on a broken sandbox."""
    with sandbox(faults, pace=pace) as environment:
        command = [*environment.command_prefix, sys.executable, "-m", "probe", "run"]
        done = subprocess.run(
            [*command, "--config", str(environment.settings_path), "--format", "json", *arguments],
            env=environment.environ,
            process_group=environment.process_group,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.stdout, done.stderr.decode()
        return done.returncode, json.loads(done.stdout)


def roots(document: dict[str, Any]) -> list[str]:
    return [f["cause"] for f in document["findings"] if f["consequence_of"] is None]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_gives_exactly_its_cause(name: str) -> None:
    fault = FAULTS[name]
    reason = fault.needs()
    if reason:
        pytest.skip(reason)
    _code, document = run_on((name,))
    assert roots(document) == [fault.cause], document["findings"]


def test_a_healthy_environment_gives_no_finding() -> None:
    code, document = run_on(())
    assert (code, document["verdict"], document["findings"]) == (0, "healthy", [])
    assert document["metrics"]["dropped"] == 0
