from dataclasses import replace
from typing import Any

import pytest

from probe.model.facts import ErrorFacts
from probe.model.observation import Observation
from probe.model.ramp import AcquisitionOutcome, Canary, Limits, Saturation, StopReason
from probe.model.words import Check, Failure, Outcome, SkipReason
from probe.sinks import terminal
from probe.sinks.ramp import STOPS
from tests.factories import acquisition, pool, ramp, report, span

LIMITS = Limits(
    server_version="16.2",
    max_connections=100,
    superuser_reserved=3,
    reserved=2,
    role_limit=8,
    database_limit=20,
)


def shown(*observations: Observation, title: str = "Pool", width: int = 80) -> list[str]:
    """The lines of the section alone."""
    lines = terminal.render(report(observations), width, ascii_only=True).splitlines()
    return lines[lines.index(title) + 1 : -2]


def test_a_ramp_is_a_sentence_its_steps_and_its_waits() -> None:
    assert shown(pool(ramp((3, 13)))) == [
        "staging-db over connector: held 13 of 25 wanted, guarded: stopped to keep 5",
        "slots free",
        "    limits: 22 slots usable of 25 (3 reserved); 3 used by others, 19 free before",
        "    connected: netra-backend 2, psql 1",
        "    step  1  held  3, 15 free  ###==...........  connect   11 ms  canary   21 ms",
        "    step  2  held 13,  5 free  ###=========....  connect   11 ms  canary   21 ms",
        "    waits: 35 workers, 13 acquired, 22 cut off; median at least 1.50 s, max at",
        "    least 1.50 s; 13 connects, median 11 ms, max 11 ms",
        "    recovery 12 ms after release; all closed 34 ms after release; 0 left behind",
    ]


@pytest.mark.parametrize("check", [Check.POOL, Check.CAPACITY, Check.HERD])
def test_each_check_has_a_section_of_its_own(check: Check) -> None:
    lines = shown(pool(check=check), title=check.capitalize())
    assert lines[0].startswith("staging-db over connector: held 13 of 25 wanted")


def test_every_reason_to_stop_has_its_words() -> None:
    assert list(STOPS) == list(StopReason)


@pytest.mark.parametrize(
    ("stopped", "more", "said"),
    [
        (StopReason.ROLE_LIMIT, {"limits": LIMITS}, "stopped at the role's own limit of 8"),
        (StopReason.DATABASE_LIMIT, {"limits": LIMITS}, "stopped at the database's limit of 20"),
        (StopReason.ROLE_LIMIT, {"limits": None}, "stopped at the role's own limit of ?"),
        (StopReason.COMPLETE, {"saturation": Saturation.FULL}, "full: all that was wanted"),
    ],
)
def test_a_limit_is_said_with_its_figure(stopped: StopReason, more: dict[str, Any], said: str) -> None:
    lines = shown(pool(ramp(stopped=stopped, **more)), width=120)
    assert lines[0].endswith(said)


def test_limits_of_the_role_and_the_database_are_said() -> None:
    text = " ".join(each.strip() for each in shown(pool(ramp(limits=LIMITS, before=None))))
    assert "limits: 95 slots usable of 100 (5 reserved); role limit 8; database limit 20" in text


def test_a_login_that_failed_beside_the_ramp_marks_its_step() -> None:
    error = ErrorFacts(type="FATAL", message="sorry,\x1b[2J too many clients already")
    failed = Canary(span=span(1.0, 0.5), held=3, failure=Failure.SLOTS_EXHAUSTED, error=error)
    lines = shown(pool(ramp((3,), canaries=(failed,), stopped=StopReason.CANARY_FAILED)), width=100)
    (step,) = (each for each in lines if "step  1" in each)
    assert step.startswith("  x step  1")
    assert step.endswith("canary  500 ms slots exhausted")
    assert r"      FATAL: sorry,\x1b[2J too many clients already" in lines


def test_what_nobody_could_tell_is_said() -> None:
    filled = ramp((3,), waiting=0, canaries=(), left_behind=None, released_s=None, crowd=())
    step = replace(filled.steps[0], free=None, connect_median_s=None)
    lines = shown(pool(replace(filled, steps=(step,), limits=None)))
    assert "    step  1  held 3, free unknown" in lines
    assert lines[-1] == "    nobody could tell what was left behind"


def test_every_end_of_a_wish_is_counted() -> None:
    ends = tuple(acquisition(place, end, wait_s=1.0) for place, end in enumerate(AcquisitionOutcome))
    lines = shown(pool(ramp((), acquisitions=ends, stopped=StopReason.REFUSED)), width=120)
    assert any(
        "waits: 5 of 35 workers, 1 acquired, 1 timed out, 1 refused, 1 failed, 1 cut off;" in each
        for each in lines
    )


def test_without_a_wait_there_is_no_median() -> None:
    lines = shown(pool(ramp((), acquisitions=(), workers=0)))
    assert "    waits: 0 workers" in lines


def test_a_crowd_is_cut_short_and_one_without_a_name_is_called_so() -> None:
    crowd = (("", 9), *((f"app-{number}", 1) for number in range(9)))
    lines = shown(pool(ramp(crowd=crowd)), width=120)
    assert "    connected: (no name) 9, app-0 1, app-1 1, app-2 1, app-3 1, app-4 1 and 4 more" in lines


def test_what_makes_a_ramp_doubtful_and_what_it_left_behind_are_said() -> None:
    error = ErrorFacts(type="OperationalError", message="connection lost")
    filled = ramp(overloaded=True, lag_s=2.0, parameters_refused=True, left_behind=2, error=error)
    lines = shown(pool(filled))
    assert "      OperationalError: connection lost" in lines
    assert any("2 left behind" in each for each in lines)
    assert any("it did not get to run for 2.00 s" in each for each in lines)
    assert "    the server did not know all start-up parameters; connected without those" in lines


def test_a_ramp_that_never_began_says_why_and_what_there_was() -> None:
    idle = ramp((), waiting=0, stopped=None, crowd=())
    skipped = pool(idle, outcome=Outcome.SKIPPED, skip_reason=SkipReason.NO_GUARD)
    bare = replace(pool(), outcome=Outcome.SKIPPED, skip_reason=SkipReason.BUSY, result=None)
    assert shown(skipped, bare) == [
        "staging-db over connector: skipped: no guard",
        "    limits: 22 slots usable of 25 (3 reserved); 3 used by others, 19 free before",
        "",
        "staging-db over connector: skipped: busy",
    ]
