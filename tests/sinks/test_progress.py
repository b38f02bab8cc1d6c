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
from tests.factories import connection, pool, startup

with Progress(sys.stderr) as progress:
    progress.attempt_finished(connection(1))
    progress.attempt_finished(connection(2, failing=Stage.TCP))
    progress.stage_started(Check.ROUTE, "cache", None, 1, Stage.TCP)
    progress.stage_started(Check.CLOUDSQL, "staging-db", Path.CONNECTOR, 3, Stage.TLS)
    time.sleep(0.3)
    progress.attempt_finished(connection(3))
    progress.phase_started("staging-db", "phase_2_dependencies")
    progress.phase_started("staging-db", "phase_3_database")
    progress.phase_started("other-db", "phase_1_init")
    for held in (3, 6, 9):
        progress.ramp_stepped(Check.POOL, "staging-db", held, 18 - held)
    progress.ramp_stepped(Check.HERD, "staging-db", 2, None)
    time.sleep(0.3)
    progress.attempt_finished(startup())
    progress.attempt_finished(pool())
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
    assert "startup staging-db                  phase_3_database 0." in text
    assert "startup other-db                    phase_1_init 0." in text
    assert "startup staging-db over connector   1 passed, 0 failed" in text
    assert "pool staging-db over connector      1 passed, 0 failed" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_every_step_of_a_ramp_is_seen_however_fast_it_was() -> None:
    text = seen("xterm")
    assert "pool staging-db                     held 9, 9 free; before 6, 3" in text
    assert "herd staging-db                     held 2" in text


def test_a_ramp_and_a_phase_vanish_with_their_observation() -> None:
    text = seen("xterm")
    frame = text[: text.rindex("down so far")].rsplit("\x1b[2K", 1)[-1]
    assert "pool staging-db over connector" in frame
    assert "held 9" not in frame
    assert "phase_3_database" not in frame


def test_a_dumb_terminal_sees_nothing() -> None:
    assert seen("dumb") == ""


def test_what_is_no_terminal_sees_nothing() -> None:
    stream = StringIO()
    with Progress(stream) as progress:
        progress.stage_started(Check.ROUTE, "cache", None, 1, Stage.TCP)
        progress.attempt_finished(connection(1, path=Path.SOCKET))
        progress.phase_started("staging-db", "phase_1_init")
        progress.ramp_stepped(Check.POOL, "staging-db", 3, None)
    assert stream.getvalue() == ""


def test_an_error_passes_through() -> None:
    with pytest.raises(KeyError), Progress(StringIO()):
        raise KeyError
