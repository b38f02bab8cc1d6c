import pytest

from probe.checks.ramp.pace import median_s, slower
from probe.model.ramp import Acquisition, AcquisitionOutcome

MS = 0.001


@pytest.mark.parametrize(
    ("medians_ms", "is_slower"),
    [
        ([], False),
        ([10], False),
        ([10, 70], True),
        ([10, 59], False),  # not by so much
        ([60, 119], False),  # not doubled
        ([60, 121], True),
        ([450, 150, 150, 100], False),  # the first step has what only the first has
        ([450, 150, 150, 350], True),  # and hides nothing of what comes later
        ([None, 10, None, 70], True),
        ([10, 70, None], False),  # the last step opened none
    ],
)
def test_slower_is_twice_the_best_and_by_fifty_ms_at_least(
    medians_ms: list[float | None], is_slower: bool
) -> None:
    medians_s = [None if median is None else median * MS for median in medians_ms]
    assert slower(medians_s, by_s=0.05) is is_slower


def acquisition(connect_s: float | None) -> Acquisition:
    return Acquisition(
        worker=0,
        step=1,
        intended_ns=0,
        started_ns=0,
        finished_ns=0,
        outcome=AcquisitionOutcome.ACQUIRED,
        connect_s=connect_s,
    )


def test_a_connection_that_was_there_already_is_in_no_median() -> None:
    assert median_s([acquisition(None)]) is None
    assert median_s([acquisition(3.0), acquisition(None), acquisition(1.0)]) == 2.0
