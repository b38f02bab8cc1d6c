import os
import pty
import subprocess
import sys
from io import StringIO
from pathlib import Path as File

import pytest

from probe.model.words import Check, Path, Stage
from probe.sinks.progress import Progress
from tests.factories import connection

ROOT = File(__file__).parents[2]
PROGRAM = """
import sys, time
from probe.model.words import Check, Path, Stage
from probe.sinks.progress import Progress
from tests.factories import connection

with Progress(sys.stderr) as progress:
    progress.attempt_finished(connection(1))
    progress.attempt_finished(connection(2, failing=Stage.TCP))
    progress.stage_started(Check.ROUTE, "cache", None, 1, Stage.TCP)
    progress.stage_started(Check.CLOUDSQL, "staging-db", Path.CONNECTOR, 3, Stage.TLS)
    time.sleep(0.3)
    progress.attempt_finished(connection(3))
    progress.pausing(60.0)
    time.sleep(0.3)
"""


def seen(term: str) -> str:
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            stderr=theirs,
            env=os.environ | {"TERM": term, "COLUMNS": "80"},
            cwd=ROOT,
            timeout=60,
            check=True,
        )
        os.set_blocking(ours, False)
        return os.read(ours, 1 << 20).decode()
    except BlockingIOError:
        return ""
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_terminal_sees_the_stages_under_way_and_the_cursor_again_afterwards() -> None:
    text = seen("xterm")
    assert "cloudsql staging-db over connector  #3 tls 0." in text
    assert "route cache                         #1 tcp 0." in text
    assert "1 passed, 1 failed" in text
    assert "2 passed, 1 failed" in text
    assert "down so far; measuring once more in 60 s" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_dumb_terminal_sees_nothing() -> None:
    assert seen("dumb") == ""


def test_what_is_no_terminal_sees_nothing() -> None:
    stream = StringIO()
    with Progress(stream) as progress:
        progress.stage_started(Check.ROUTE, "cache", None, 1, Stage.TCP)
        progress.attempt_finished(connection(1, path=Path.SOCKET))
    assert stream.getvalue() == ""


def test_an_error_passes_through() -> None:
    with pytest.raises(KeyError), Progress(StringIO()):
        raise KeyError
