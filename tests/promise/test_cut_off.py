"""A way that is cut silently: nobody is told, and the slots are free again soon."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FREE_AGAIN_S = 12.0
LIMIT_S = 120.0
NAMESPACE = ("unshare", "--net")


@functools.cache
def cannot() -> str | None:
    """Why the loopback interface cannot be taken down for a child here; None: it can."""
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        return "network namespaces need Linux and the program unshare"
    if os.geteuid() != 0:
        return "a network namespace in which PostgreSQL runs as another user needs root"
    trial = subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True, timeout=10)
    reason = trial.stderr.decode(errors="replace").strip()
    return None if trial.returncode == 0 else f"no network namespace: {reason}"


@pytest.mark.parametrize("way", ["connector", "direct"])
def test_slots_held_over_a_way_that_is_cut_silently_are_free_again_soon(way: str) -> None:
    if reason := cannot():
        pytest.skip(reason)
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "-m", "tests.promise.cut_off", way],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["held"] >= 6
    assert seen["freed_s"] < FREE_AGAIN_S
