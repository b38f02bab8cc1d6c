"""One real run of the probe, as a child process, on a sandbox."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.settings_file import Pace

PACE = Pace(samples=1, confirm_after_s=0.0, interval_s=0.1)
LIMIT_S = 60.0

Document = dict[str, Any]


def run_in(environment: Environment, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """``probe run --format json`` with this sandbox's settings and environment."""
    command = [*environment.command_prefix, sys.executable, "-m", "probe", "run"]
    return subprocess.run(
        [*command, "--config", str(environment.settings_path), "--format", "json", *arguments],
        env=unmeasured(environment.environ),
        process_group=environment.process_group,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )


def unmeasured(environ: Mapping[str, str]) -> dict[str, str]:
    """Without coverage, which costs each of these processes half as much again; others cover the same."""
    return {name: value for name, value in environ.items() if not name.startswith("COVERAGE_")}


def run_on(faults: Sequence[str], *arguments: str, pace: Pace = PACE) -> tuple[int, Document]:
    """The exit code and the document of a run on a sandbox broken by these faults."""
    with sandbox(faults, pace=pace) as environment:
        done = run_in(environment, *arguments)
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def roots(document: Document) -> list[str]:
    """The causes that are no consequence of another."""
    return [f["cause"] for f in document["findings"] if f["consequence_of"] is None]


def failing(document: Document) -> list[Document]:
    """The stages that failed, of the database check and the neighbours' routes; else the phase that did."""
    return _failing_stages(document) or _failing_phases(document)


def _failing_phases(document: Document) -> list[Document]:
    return [
        {**phase, "path": "startup", "stage": phase["name"], "facts": phase}
        for observation in document["observations"]
        for phase in observation["facts"].get("rehearsal", {}).get("phases", ())
        if phase["failure"]
    ]


def _failing_stages(document: Document) -> list[Document]:
    return [
        {**stage, "path": observation["path"] or "neighbour"}
        for observation in document["observations"]
        if observation["check"] == "cloudsql" or (observation["check"] == "route" and not observation["path"])
        for stage in observation["stages"]
        if stage["outcome"] == "failed"
    ]
