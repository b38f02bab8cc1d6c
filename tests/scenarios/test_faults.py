"""Each fault of the sandbox gives exactly its cause, in time, as the one finding that is no consequence."""

from collections.abc import Sequence
from itertools import zip_longest

import pytest

from probe.model.words import Failure
from probe.sandbox.faults import FAULTS
from tests.scenarios.expected import EXPECTED
from tests.scenarios.runs import Document, failing, roots, run_on

EXIT_CODES = {"healthy": 0, "degraded": 1, "down": 3, "inconclusive": 4}
TIMEOUT_MARGIN_S = 0.1
"""No stage outlives its budget by more."""
PHASE_MARGIN_S = 0.5
"""A phase of the rehearsal may have to be ended from outside."""
TILING = 0.01
ANSWER_MARGIN_S = 1.0
"""A refusal is told no later than a healthy run ends, and this."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_gives_exactly_its_cause_in_time(name: str) -> None:
    fault = FAULTS[name]
    if reason := fault.needs():
        pytest.skip(reason)
    code, document = run_on((name,))
    verdict, *failures = EXPECTED[name]
    assert roots(document) == [fault.cause], document["findings"]
    assert (document["verdict"], code) == (verdict, EXIT_CODES[verdict])
    seen = [f"{s['path']}:{s['stage']}:{s['failure']}" for s in failing(document)]
    assert seen == as_raced(failures, seen)
    assert_in_time(document)


def as_raced(expected: Sequence[str], seen: Sequence[str]) -> list[str]:
    """The expected stages, with what was seen where that is one of several between which a race decides."""
    pairs = zip_longest(expected, seen[: len(expected)], fillvalue="")
    return [way if way in ways.split(" or ") else ways for ways, way in pairs]


def assert_in_time(document: Document) -> None:
    """Silence is told at the budget's end, everything else at once; the stages tile the attempt."""
    for stage in failing(document):
        late_s = PHASE_MARGIN_S if stage["path"] == "startup" else TIMEOUT_MARGIN_S
        assert stage["duration_s"] <= stage["facts"]["budget_s"] + late_s, stage
    dialled = [stage for stage in failing(document) if stage["path"] != "startup"]
    budgets = [s["facts"]["budget_s"] for s in dialled if s["duration_s"] > s["facts"]["budget_s"]]
    checks = ("egress", "startup", "pool")  # one after another, each with a time of its own
    others_s = sum(o["duration_s"] for o in document["observations"] if o["check"] in checks)
    slow_s = 2.0 if roots(document) == ["slow_connection"] else 0.0
    assert document["run"]["duration_s"] <= max(budgets, default=0.0) + ANSWER_MARGIN_S + others_s + slow_s
    for observation in document["observations"]:
        spans = [stage["duration_s"] for stage in observation["stages"] if stage["duration_s"] is not None]
        if spans:
            assert sum(spans) == pytest.approx(observation["duration_s"], rel=TILING)


def test_a_healthy_environment_gives_no_finding_and_loses_no_metric() -> None:
    code, document = run_on(())
    assert (code, document["verdict"], document["findings"]) == (0, "healthy", [])
    assert document["metrics"]["dropped"] == 0
    assert document["metrics"]["written"] > 0
    assert_in_time(document)


def test_every_fault_says_what_it_looks_like() -> None:
    assert list(EXPECTED) == list(FAULTS)


def test_every_failure_has_a_scenario_that_produces_it() -> None:
    produced = {entry.rpartition(":")[2] for expected in EXPECTED.values() for entry in expected[1:]}
    assert produced == set(Failure)
