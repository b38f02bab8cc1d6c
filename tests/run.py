"""Runs the tests side by side under coverage, judges the coverage, and says where the time went.

``make test`` calls it. Arguments go to pytest. Everything it writes is in a temporary folder.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parent.parent
COVERAGE = (sys.executable, "-m", "coverage")
WORKERS = (os.cpu_count() or 1) + 1
"""One more than there are cores: many tests wait for a budget to pass."""
WITHOUT_A_GAP = "probe/model/*,probe/diagnosis/*"
SLOWEST_SHOWN = 15
SUMMARY = re.compile(r"\d+ (passed|failed|errors?|skipped)\b.* in [\d.]+s")


def main(arguments: Sequence[str]) -> int:
    """Pytest's exit code where it is not 0, else that of the first judgement on the coverage that fails."""
    with tempfile.TemporaryDirectory(prefix="tests-") as folder:
        environ = {**os.environ, "COVERAGE_FILE": f"{folder}/coverage"}
        timings = Path(folder, "timings.xml")
        code, summary = run_tests(arguments, timings, environ)
        codes = [code, *judge_coverage(environ)]
        if timings.exists():
            print_timings(timings)
    say(summary)
    return next((code for code in codes if code), 0)


def run_tests(arguments: Sequence[str], timings: Path, environ: dict[str, str]) -> tuple[int, str]:
    """Pytest's exit code and its own last line; its output is passed on as it comes."""
    command = [sys.executable, "-m", "pytest", "-n", str(WORKERS), "--dist", "worksteal"]
    command += [f"--junitxml={timings}", *arguments]
    # Measures pytest's workers and every Python that a test starts, as pytest itself.
    environ = {**environ, "COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml")}
    summary = "pytest gave no summary"
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as tests:
        assert tests.stdout is not None
        for line in tests.stdout:
            say(line, end="")
            if SUMMARY.search(line):
                summary = line.strip()
    return tests.returncode, summary


def judge_coverage(environ: dict[str, str]) -> list[int]:
    """Exit codes: of the whole against pyproject.toml's bound, then of the parts that may have no gap."""
    steps = (
        ["combine", "--quiet"],
        ["report"],
        ["report", f"--include={WITHOUT_A_GAP}", "--fail-under=100"],
    )
    return [
        subprocess.run([*COVERAGE, *step], cwd=ROOT, env=environ, check=False).returncode for step in steps
    ]


def print_timings(timings: Path) -> None:
    """The slowest tests, and the total of each folder, in seconds of a worker."""
    cases = [
        (float(case.get("time", 0)), f"{case.get('classname')}::{case.get('name')}")
        for case in ET.parse(timings).iter("testcase")  # noqa: S314 - pytest wrote it just now
    ]
    say(f"\nSlowest {SLOWEST_SHOWN} tests, seconds")
    for seconds, name in sorted(cases, reverse=True)[:SLOWEST_SHOWN]:
        say(f"{seconds:8.2f}  {name}")
    totals: dict[str, float] = defaultdict(float)
    for seconds, name in cases:
        totals[folder_of(name)] += seconds
    say(f"\nSeconds of {WORKERS} workers, by folder")
    for folder, seconds in sorted(totals.items(), key=lambda item: -item[1]):
        say(f"{seconds:8.2f}  {folder}")


def folder_of(name: str) -> str:
    """``tests/sinks`` for ``tests.sinks.test_log::test_...``, the file for one that is in no folder."""
    parts = name.partition("::")[0].split(".")
    return "/".join(parts[:2])


def say(line: str, end: str = "\n") -> None:
    """At once, so that it stands before what a child process says next."""
    sys.stdout.write(line + end)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
