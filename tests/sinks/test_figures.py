import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.model.ramp import Acquisition, AcquisitionOutcome
from probe.sinks.figures import (
    canary_of,
    connects,
    free_before,
    least_free,
    ramps,
    rehearsals,
    used_before,
    waits,
)
from tests.factories import acquisition, ramp, rehearsed

ACQUIRED, TIMED_OUT = AcquisitionOutcome.ACQUIRED, AcquisitionOutcome.TIMED_OUT
CUT_OFF, REFUSED, FAILED = (
    AcquisitionOutcome.CUT_OFF,
    AcquisitionOutcome.REFUSED,
    AcquisitionOutcome.FAILED,
)


def wishes(*ends: tuple[AcquisitionOutcome, float]) -> tuple[Acquisition, ...]:
    return tuple(acquisition(number, outcome, wait_s=wait_s) for number, (outcome, wait_s) in enumerate(ends))


def test_every_wish_is_counted_by_its_end() -> None:
    ends = [
        (ACQUIRED, 0.1),
        (ACQUIRED, 0.2),
        (TIMED_OUT, 5.0),
        (CUT_OFF, 2.0),
        (REFUSED, 0.01),
        (FAILED, 9.0),
    ]
    said = waits(ramp(acquisitions=wishes(*ends)))
    assert (said.n, said.acquired, said.timed_out, said.cut_off) == (6, 2, 1, 1)
    assert (said.refused, said.failed, said.censored) == (1, 1, 2)


def test_who_was_ended_by_an_error_makes_no_median_and_no_maximum() -> None:
    said = waits(ramp(acquisitions=wishes((ACQUIRED, 0.1), (REFUSED, 0.0001), (FAILED, 9.0))))
    assert said.median_s == pytest.approx(0.1)
    assert said.max_s == pytest.approx(0.1)
    assert not said.median_at_least
    assert not said.max_at_least


def test_where_nobody_waited_there_is_no_median() -> None:
    assert waits(ramp(acquisitions=())).median_s is None
    assert waits(ramp(acquisitions=wishes((REFUSED, 0.1)))).max_s is None


@pytest.mark.parametrize(
    ("ends", "bound"),
    [
        ([(ACQUIRED, 1), (ACQUIRED, 2), (CUT_OFF, 9)], False),
        ([(ACQUIRED, 1), (CUT_OFF, 2), (CUT_OFF, 9)], True),
        ([(ACQUIRED, 3), (ACQUIRED, 2), (CUT_OFF, 1)], True),
        ([(ACQUIRED, 1), (CUT_OFF, 2)], True),
        ([(ACQUIRED, 1), (ACQUIRED, 2), (ACQUIRED, 3), (TIMED_OUT, 5)], False),
    ],
)
def test_a_median_that_rests_on_a_censored_wait_is_a_lower_bound(
    ends: list[tuple[AcquisitionOutcome, float]], bound: bool
) -> None:
    said = waits(ramp(acquisitions=wishes(*ends)))
    assert said.median_at_least is bound
    assert said.max_at_least


@given(st.lists(st.tuples(st.sampled_from(AcquisitionOutcome), st.integers(0, 100)), max_size=40))
def test_whatever_the_ends_they_add_up(ends: list[tuple[AcquisitionOutcome, float]]) -> None:
    said = waits(ramp(acquisitions=wishes(*ends)))
    assert said.acquired + said.timed_out + said.refused + said.failed + said.cut_off == said.n == len(ends)
    assert said.censored <= said.n
    assert (said.median_s is None) == (said.max_s is None) == (said.acquired + said.censored == 0)
    if said.median_s is not None and said.max_s is not None:
        assert said.median_s <= said.max_s


def test_only_connections_that_were_opened_are_timed() -> None:
    opened = (acquisition(1, connect_s=0.2), acquisition(2, connect_s=0.4), acquisition(3))
    said = connects(ramp(acquisitions=opened))
    assert (said.n, said.max_s) == (2, 0.4)
    assert said.median_s == pytest.approx(0.3)
    assert connects(ramp(acquisitions=())).median_s is None


def test_the_first_reading_and_the_least_that_was_left_free() -> None:
    filled = ramp()
    assert (free_before(filled), used_before(filled), least_free(filled)) == (19, 4, 5)


def test_what_nobody_could_tell_is_no_number() -> None:
    blind = ramp((), before=None, limits=None)
    assert (free_before(blind), used_before(blind), least_free(blind)) == (None, None, None)
    assert least_free(ramp(())) == 18


def test_the_login_beside_a_step_is_the_last_one_at_its_height() -> None:
    filled = ramp((3, 6))
    assert canary_of(filled.steps[1], filled) is filled.canaries[1]
    assert canary_of(filled.steps[1], ramp((3,))) is None


def test_results_are_found_among_all_observations() -> None:
    everything = rehearsed().observations
    assert [item.check for item, _ in rehearsals(everything)] == ["startup"]
    assert [item.check for item, _ in ramps(everything)] == ["pool", "capacity", "herd"]
