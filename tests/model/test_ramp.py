import pytest

from probe.model.ramp import Acquisition, AcquisitionOutcome, Headroom, Limits

LIMITS = Limits(server_version="16.4", max_connections=25, superuser_reserved=3, reserved=2)


def test_usable_is_what_no_reserve_keeps_back() -> None:
    assert LIMITS.usable == 20


def test_free_is_what_an_ordinary_role_still_gets() -> None:
    assert Headroom(others=6, ours=4, role=4, database=8).free(LIMITS) == 10


def test_a_wait_counts_from_the_intended_instant_so_that_a_late_start_hides_none() -> None:
    late = Acquisition(
        worker=1,
        step=1,
        intended_ns=1_000_000_000,
        started_ns=1_250_000_000,
        finished_ns=3_000_000_000,
        outcome=AcquisitionOutcome.ACQUIRED,
    )
    assert late.wait_s == pytest.approx(2.0)
    assert late.start_delay_s == pytest.approx(0.25)
