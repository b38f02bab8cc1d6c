"""What the probe costs, against a plain script that does the same: interleaved runs, medians and ratios.

``make bench`` prints it. The two run in turn on one sandbox, so that the machine's mood hits both.
"""

import itertools
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.settings_file import Pace

HERE = Path(__file__).parent / "benchmarks"
RUNS = int(os.environ.get("BENCH_RUNS", "15"))
PYTHON = sys.executable


class Cost(NamedTuple):
    """One run of one command."""

    wall_s: float
    peak_mb: float
    first_byte_s: float


TARGETS = Cost(wall_s=0.9, peak_mb=0.9, first_byte_s=0.6)
"""The most that the probe may cost, as a share of the plain script."""


numbers = itertools.count()
"""A task of its own for each run: Cloud Monitoring takes a series' points five seconds apart."""


def measure(command: Sequence[str], environ: Mapping[str, str]) -> tuple[float, float, str]:
    """Wall time in seconds, peak memory in MB, standard error."""
    environ = {**environ, "CLOUD_RUN_TASK_INDEX": str(next(numbers))}
    begun = time.monotonic()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {said}")
    return time.monotonic() - begun, usage.ru_maxrss / 1024, said


def cost(arguments: Sequence[str], environ: Mapping[str, str]) -> Cost:
    wall_s, peak_mb, _said = measure([PYTHON, *arguments], environ)
    module = arguments[1:] if arguments[0] == "-m" else arguments
    _wall, _peak, said = measure([PYTHON, str(HERE / "first_byte.py"), *module], environ)
    return Cost(wall_s, peak_mb, float(said.split("first-byte ")[1].split()[0]))


def over_the_connector_alone(settings_path: Path) -> Path:
    """The sandbox's settings with the one path that the plain script takes."""
    text = re.sub(r"^paths = .*$", 'paths = ["connector"]', settings_path.read_text(), flags=re.MULTILINE)
    alone = settings_path.with_name("connector.toml")
    alone.write_text(text)
    return alone


def environ_of(environment: Environment) -> dict[str, str]:
    return {
        **environment.environ,
        "BENCH_ADMIN_API": environment.admin_api.endpoint,
        "BENCH_MONITORING": environment.monitoring.address,
        "BENCH_INSTANCE": "netra-staging:us-central1:staging-shared-postgres",
    }


def main() -> None:
    with sandbox((), pace=Pace(samples=1, confirm_after_s=0.0)) as environment:
        environ = environ_of(environment)
        settings = over_the_connector_alone(environment.settings_path)
        probe = ["-m", "probe", "run", "--check", "cloudsql", "--config", str(settings)]
        environ["PROBE_FORMAT"] = "log"
        plain = [str(HERE / "plain_script.py")]
        cost(probe, environ), cost(plain, environ)  # warm-up: bytecode and the page cache
        pairs = [(cost(probe, environ), cost(plain, environ)) for _ in range(RUNS)]
    report(pairs)


def report(pairs: Sequence[tuple[Cost, Cost]]) -> None:
    print(f"A healthy run over the connector path against a plain script, {len(pairs)} interleaved pairs\n")
    print(f"{'':<14}{'probe':>10}{'plain':>10}{'ratio':>8}{'at most':>9}")
    for name in Cost._fields:
        ours = [getattr(probe, name) for probe, _plain in pairs]
        theirs = [getattr(plain, name) for _probe, plain in pairs]
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        target = getattr(TARGETS, name)
        verdict = "" if ratio <= target else "  missed"
        figures = f"{statistics.median(ours):>10.3f}{statistics.median(theirs):>10.3f}"
        print(f"{name:<14}{figures}{ratio:>8.2f}{target:>9.2f}{verdict}")


if __name__ == "__main__":
    main()
