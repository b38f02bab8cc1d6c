"""Every cause is one that the sandbox can bring about, or stands here with the reason why it is not."""

from pathlib import Path

from probe.model.cause import Cause
from probe.sandbox.faults import FAULTS

HERE = Path(__file__).parent

FIGURES = ("of figures, not of a fault", "test_configuration.py")

WITHOUT_A_FAULT: dict[Cause, tuple[str, str]] = {
    Cause.PROBE_CRASHED: ("the probe's own defect", "test_own_findings.py"),
    Cause.NOT_MEASURED: ("the run's deadline, whatever the target does", "test_own_findings.py"),
    Cause.POOL_EXCEEDS_LIMIT: FIGURES,
    Cause.FLEET_EXCEEDS_LIMIT: FIGURES,
    Cause.INITIALIZATION_BUDGET_SHORT: FIGURES,
    Cause.CONNECTION_TIMEOUT_SHORT: FIGURES,
    Cause.CONNECTOR_TIMEOUT_SHORT: FIGURES,
    Cause.USER_WAIT_LONG: FIGURES,
    Cause.SOURCES_DISAGREE: FIGURES,
    Cause.GATEWAY_AS_TARGET: FIGURES,
}
"""Why no fault brings it about, and the tests that cover it."""


def test_every_cause_has_a_fault_or_a_reason_to_have_none() -> None:
    assert {fault.cause for fault in FAULTS.values()} | set(WITHOUT_A_FAULT) == set(Cause)


def test_no_cause_with_a_fault_is_excused() -> None:
    assert {fault.cause for fault in FAULTS.values()} & set(WITHOUT_A_FAULT) == set()


def test_every_excuse_names_tests_that_speak_of_the_cause() -> None:
    for cause, (reason, tests) in WITHOUT_A_FAULT.items():
        assert reason
        assert f"Cause.{cause.name}" in (HERE / tests).read_text(), cause


def test_every_fault_says_what_is_broken() -> None:
    descriptions = [fault.description for fault in FAULTS.values()]
    assert all(descriptions)
    assert len(set(descriptions)) == len(descriptions)
