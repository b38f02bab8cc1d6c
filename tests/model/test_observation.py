from dataclasses import FrozenInstanceError

import pytest

from probe.model.span import Span
from probe.model.words import Failure, Path, Stage
from tests.factories import PASSED, attempts


def test_a_span_tells_its_begin_and_its_length_in_seconds() -> None:
    span = Span(started_ns=1_500_000_000, ended_ns=1_502_000_000)
    assert span.started_s == 1.5
    assert span.duration_s == pytest.approx(0.002)


def test_the_failed_stage_is_the_one_that_ended_the_attempt() -> None:
    passed, failed = attempts(Path.CONNECTOR, PASSED, (Stage.LOGIN, Failure.TIMEOUT))
    assert passed.failed_stage is None
    assert failed.failed_stage is failed.stages[-1]
    assert failed.failed_stage.stage is Stage.LOGIN


def test_a_record_does_not_change() -> None:
    (observation,) = attempts(Path.CONNECTOR, PASSED)
    with pytest.raises(FrozenInstanceError):
        observation.target = "another"  # type: ignore[misc]
