"""What a ramp says about the full pool, whether or not anything is wrong."""

from dataclasses import replace

from probe.diagnosis.diagnose import diagnose
from probe.model.application import Application
from probe.model.ramp import Ramp
from probe.model.words import Check
from tests.diagnosis.makers import ASKED, headroom, limits, pool, ramp, ramp_step


def told(item: Ramp, check: Check = Check.POOL, application: Application | None = None) -> tuple[str, ...]:
    asked = replace(ASKED, application=application) if application else ASKED
    return diagnose([pool(item, check)], asked).advice


def test_a_pool_that_would_fit_now_is_said_to_with_its_arithmetic() -> None:
    steps = (ramp_step(1, 3, 16, 0.03), ramp_step(2, 6, 13, 0.012))
    (said,) = told(ramp(limits=limits(), before=headroom(3), steps=steps))
    assert said == (
        "staging-db: the pool's 10 connections would fit now (19 of 22 usable connections are free); "
        "connecting took 30 ms at 3 held, 12 ms at 6; "
        "from what was seen, at most 15 connections an instance: (22 - 3 of others) x 0.8 / 1 instance"
    )


def test_a_pool_that_would_not_fit_now_is_said_not_to() -> None:
    (said,) = told(ramp(limits=limits(), before=headroom(3)), application=Application(max_instances=2))
    assert "the pool's 25 connections can never fit: the server has 22 usable connections; from" in said
    assert said.endswith("x 0.8 / 2 instances")


def test_a_pool_that_others_leave_no_room_for_does_not_fit_now() -> None:
    (said,) = told(ramp(limits=limits(), before=headroom(15)))
    assert "the pool's 10 connections would not fit now (7 of 22 usable connections are free)" in said


def test_one_step_has_one_connect_time_and_none_has_none() -> None:
    one = ramp(limits=limits(), before=headroom(3), steps=(ramp_step(1, 3, 16, 0.03),))
    assert "connecting took 30 ms at 3 held; from" in told(one)[0]
    assert "connecting" not in told(replace(one, steps=()))[0]


def test_connect_times_of_a_probe_that_was_too_slow_are_not_told() -> None:
    slow = ramp(limits=limits(), before=headroom(3), steps=(ramp_step(1, 3, 16, 0.03),), overloaded=True)
    assert "connecting" not in told(slow)[0]


def test_where_no_room_was_read_there_is_no_advice() -> None:
    assert told(ramp(limits=None, before=None)) == ()
    assert told(ramp(limits=limits(), before=headroom(3)), Check.CAPACITY) == ()
