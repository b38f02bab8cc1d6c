"""Every cause is one that the sandbox can bring about, or stands here with the reason why it is not."""

from pathlib import Path

from probe.model.cause import Cause
from probe.sandbox.faults import FAULTS

HERE = Path(__file__).parent

RAMPS = "test_ramp_findings.py"
ROOM = "test_room_findings.py"
STARTUPS = "test_startup_findings.py"
FIGURES = ("of figures, not of a fault", "test_configuration.py")

WITHOUT_A_FAULT: dict[Cause, tuple[str, str]] = {
    Cause.PROBE_CRASHED: ("the probe's own defect", "test_own_findings.py"),
    Cause.NOT_MEASURED: ("the run's deadline, whatever the target does", "test_own_findings.py"),
    Cause.PROBE_OVERLOADED: ("the probe's own slowness", RAMPS),
    Cause.RAMP_NOT_GUARDED: ("a server that keeps the probe out of one database only", RAMPS),
    Cause.ANOTHER_PROBE_BUSY: ("two runs at once", RAMPS),
    Cause.CONNECTIONS_LEFT_BEHIND: ("an earlier run, whatever the target does", RAMPS),
    Cause.STARTUP_FAILED: ("a consequence of every fault that stops the application", STARTUPS),
    Cause.STARTUP_SLOW: ("of the machine as much as of the target", STARTUPS),
    Cause.STARTUP_DATABASE_FAILED: ("what the stock stack meets and the dialler does not", STARTUPS),
    Cause.CACHE_UNREACHABLE: ("told by its neighbour, where it is one as well", STARTUPS),
    Cause.CONNECTS_SLOW_UNDER_LOAD: ("of the machine as much as of the target", RAMPS),
    Cause.POOL_EXHAUSTED: ("more workers than connections, on purpose", RAMPS),
    Cause.FLEET_EXCEEDS_SERVER_LIMIT: ("of figures, not of a fault", ROOM),
    Cause.POOL_DOES_NOT_FIT_NOW: ("of figures, not of a fault", ROOM),
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
