import json
import subprocess
import sys
from io import StringIO
from pathlib import Path as File
from typing import Any

import pytest

from probe.model.application import PhaseKind
from probe.model.facts import ErrorFacts
from probe.model.observation import Observation
from probe.model.ramp import AcquisitionOutcome
from probe.model.report import Report
from probe.model.words import Failure, Outcome, Severity, Stage, Verdict
from probe.sinks import log
from tests.factories import (
    acquisition,
    blackhole,
    broken_off,
    connection,
    finding,
    healthy,
    pool,
    ramp,
    rehearsal,
    rehearsed,
    report,
    several_findings,
    startup,
)

LABELS = "logging.googleapis.com/labels"


def lines(item: Report, undelivered: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    stream = StringIO()
    log.write(item, stream, undelivered or [])
    text = stream.getvalue()
    assert text.endswith("\n")
    assert all(len(line) <= log.LARGEST_RECORD_BYTES for line in text.splitlines())
    return [json.loads(line) for line in text.splitlines()]


def test_a_healthy_run_is_one_record() -> None:
    (only,) = lines(healthy())
    assert only["severity"] == "INFO"
    assert only["message"] == "healthy: staging-db is healthy: 2 of 2 connections in 0.40 s on average."
    assert only["verdict"] == "healthy"
    assert only["metrics"] == {"written": 124, "dropped": 0}
    assert only["time"].endswith("Z")
    assert only[LABELS] == {
        "run_id": "20261121T020638-ab12",
        "profile": "scheduled",
        "job": "local",
        "kind": "verdict",
        "verdict": "healthy",
    }


def test_each_finding_and_each_failed_attempt_is_a_record_and_the_verdict_is_the_last() -> None:
    kinds = [(line[LABELS]["kind"], line["severity"]) for line in lines(several_findings())]
    assert kinds == [
        ("finding", "WARNING"),
        ("finding", "CRITICAL"),
        ("finding", "CRITICAL"),
        *[("observation", "WARNING")] * 4,
        ("verdict", "CRITICAL"),
    ]


def test_a_finding_is_labelled_by_what_it_speaks_of() -> None:
    first = lines(blackhole())[0]
    assert first["message"].startswith("endpoint_silent: 10.20.1.3:3307 answered no SYN")
    assert first["finding"]["evidence"] == ["o1", "o2"]
    assert first[LABELS]["target"] == "staging-db"
    assert first[LABELS]["path"] == "connector"
    assert first[LABELS]["cause"] == "endpoint_silent"


def test_a_failed_attempt_says_where_it_ended() -> None:
    attempt = lines(report([connection(1, failing=Stage.TLS, failure=Failure.RESET)]))[0]
    assert attempt["message"] == "cloudsql of staging-db over connector, attempt 1: failed at tls (reset)"
    assert attempt["observation"]["id"] == "o1"


def test_a_crashed_attempt_is_a_record_too() -> None:
    item = connection(2, outcome=Outcome.CRASHED, stages=(), path=None)
    assert lines(report([item]))[0]["message"] == "cloudsql of staging-db, attempt 2: crashed"


@pytest.mark.parametrize(
    ("verdict", "severity"),
    [
        (Verdict.HEALTHY, "INFO"),
        (Verdict.DEGRADED, "WARNING"),
        (Verdict.INCONCLUSIVE, "WARNING"),
        (Verdict.DOWN, "CRITICAL"),
    ],
)
def test_the_verdict_decides_the_severity_of_the_last_record(verdict: Verdict, severity: str) -> None:
    assert lines(report(verdict=verdict))[-1]["severity"] == severity


@pytest.mark.parametrize("severity", list(Severity))
def test_a_finding_keeps_its_severity(severity: Severity) -> None:
    first = lines(report(findings=[finding(severity=severity)]))[0]
    assert first["severity"] == severity.name


def test_undelivered_metrics_are_kept_whole_in_numbered_records() -> None:
    points = [{"type": "custom.googleapis.com/x", "value": number, "pad": "é" * 40} for number in range(1000)]
    parts = [line for line in lines(report(), points) if line[LABELS]["kind"] == "undelivered_metrics"]
    assert len(parts) > 2
    assert [part["part"] for part in parts] == list(range(1, len(parts) + 1))
    assert {part["parts"] for part in parts} == {len(parts)}
    assert [point for part in parts for point in part["undelivered_metrics"]] == points
    assert parts[0]["severity"] == "WARNING"


def test_the_verdict_comes_after_undelivered_metrics() -> None:
    kinds = [line[LABELS]["kind"] for line in lines(report(), [{"value": 1}])]
    assert kinds == ["undelivered_metrics", "verdict"]


def test_no_record_is_too_large_whatever_a_server_said() -> None:
    endless = ErrorFacts(type="DatabaseError", message="\x1b" * 5_000_000)
    observations: list[Observation] = [connection(1, failing=Stage.LOGIN, error=endless)]
    evidence = tuple(f"o{number}" for number in range(50_000))
    findings = [finding(summary="é" * 1_000_000, evidence=evidence)]
    names = tuple((f"target-{number}", Verdict.DOWN) for number in range(10_000))
    said = lines(report(observations, findings, headline="x" * 500_000, targets=names))
    assert [line[LABELS]["kind"] for line in said] == ["finding", "observation", "verdict"]
    assert said[-1]["verdict"] == "healthy"
    assert said[1]["observation"]["stages"][6]["facts"]["error"]["message"].endswith("(5000000 characters)")


def test_the_verdict_of_a_broken_start_up_has_its_phases_in_short_and_the_chain() -> None:
    *_, attempt, verdict = lines(broken_off())
    assert attempt["message"] == (
        "startup of staging-db over connector, attempt 1: failed at phase_3_database (timeout)"
    )
    (short,) = verdict["startup"]
    assert (short["exit_code"], short["ended_by"], short["target"]) == (3, "phase_3_database", "staging-db")
    assert short["phases"][2] == {
        "name": "phase_3_database",
        "outcome": "timed_out",
        "duration_s": 75.0,
        "budget_s": 90.0,
        "share": 0.833333,
        "failure": "timeout",
    }
    assert [item["state"] for item in verdict["chain"]] == ["not_measured", *["seen"] * 4, "not_seen"]


def test_without_a_start_up_the_verdict_speaks_of_none() -> None:
    assert not {"startup", "chain"} & set(lines(healthy())[0])
    assert [phase["outcome"] for phase in lines(rehearsed())[0]["startup"][0]["phases"]] == ["completed"] * 7


def test_a_start_up_that_no_phase_ended_names_none() -> None:
    item = startup(rehearsal(), outcome=Outcome.CRASHED)
    assert lines(report([item]))[0]["message"] == "startup of staging-db over connector, attempt 1: crashed"


def test_thirty_five_acquisitions_are_kept_whole() -> None:
    error = ErrorFacts(type="sqlalchemy.exc.TimeoutError", message="QueuePool limit reached " * 4)
    wishes = tuple(
        acquisition(number, AcquisitionOutcome.TIMED_OUT, failure=Failure.TIMEOUT, error=error)
        for number in range(35)
    )
    first, _ = lines(report([pool(ramp(acquisitions=wishes), outcome=Outcome.FAILED)]))
    said = first["observation"]["facts"]["ramp"]
    assert len(said["acquisitions"]) == 35
    assert said["acquisitions"][34]["error"]["message"] == error.message


def test_no_ramp_and_no_start_up_is_too_large_whatever_a_server_said() -> None:
    endless = ErrorFacts(type="D" * 100_000, message="\x1b" * 100_000)
    wishes = tuple(
        acquisition(number, AcquisitionOutcome.FAILED, failure=Failure.SQL_ERROR, error=endless)
        for number in range(300)
    )
    crowd = tuple(("é" * 10_000 + str(number), 1) for number in range(500))
    filled = ramp(acquisitions=wishes, crowd=crowd, error=endless)
    broken = rehearsal(PhaseKind.DATABASE, error=endless)
    failed = [pool(filled, outcome=Outcome.FAILED), startup(broken)]
    said = lines(report(failed, chain=broken_off().chain * 1000))
    assert [line[LABELS]["kind"] for line in said] == ["observation", "observation", "verdict"]
    assert said[0]["observation"]["facts"]["ramp"]["waits"]["failed"] == 300


def test_a_message_holds_no_control_characters() -> None:
    said = lines(report(findings=[finding(summary="a\x1b[31mb\nc\u202e")]))[0]
    assert said["message"] == r"endpoint_silent: a\x1b[31mb c\u202e"


ROOT = File(__file__).parents[2]
PROGRAM = """
import sys
if {rich_first}:
    import rich
from io import StringIO
from probe.sinks import log
from tests.factories import healthy
log.write(healthy(), StringIO())
log.write(healthy(), StringIO())
assert "structlog" in sys.modules
print("rich" in sys.modules)
import rich.console
"""


@pytest.mark.parametrize("rich_first", [False, True])
def test_a_log_does_not_import_rich_and_leaves_it_usable(rich_first: bool) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(rich_first=rich_first)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert (ran.stdout.strip(), ran.stderr) == (str(rich_first), "")
