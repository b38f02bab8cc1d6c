"""Runs of the probe that are watched from outside, and ended in every way there is."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from probe.sandbox.environment import Environment
from probe.sandbox.postgres import PostgresServer
from tests.scenarios.runs import unmeasured

LIMIT_S = 60.0
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'probe/%'"


@contextmanager
def running(
    environment: Environment,
    *arguments: str,
    settings: Path | None = None,
    wishes: Mapping[str, str] | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """``probe run --format json`` on this sandbox, in a session of its own; gone on the way out.

    ``wishes``: settings by the names of their variables.
    """
    command = [sys.executable, "-m", "probe", "run", "--config", str(settings or environment.settings_path)]
    process = subprocess.Popen(
        [*environment.command_prefix, *command, "--format", "json", *arguments],
        env=unmeasured({**environment.environ, **(wishes or {})}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        end(process, signal.SIGCONT)
        end(process, signal.SIGKILL)
        process.communicate()


def end(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to the probe and everything that it has started."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def report(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """What the probe says once it has ended."""
    output, said = process.communicate(timeout=LIMIT_S)
    assert output, said.decode()
    document: dict[str, Any] = json.loads(output)
    return document


def ramps(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The observation of each ramp, by its check."""
    return {o["check"]: o for o in document["observations"] if o["check"] in ("pool", "capacity", "herd")}


def sessions(server: PostgresServer) -> int:
    """Connections of the probe that PostgreSQL still has."""
    return int(server.execute(COUNT)[0][0])


def until(condition: Callable[[], bool], *, limit_s: float = LIMIT_S) -> float:
    """Wait for it; the seconds that took. Fails after ``limit_s``."""
    begun_s = time.monotonic()
    while not condition():
        assert time.monotonic() - begun_s < limit_s, f"not within {limit_s} s"
        time.sleep(0.02)
    return time.monotonic() - begun_s
