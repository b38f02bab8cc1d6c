import json
import subprocess
import sys
from io import StringIO
from pathlib import Path as File
from typing import Any

import pytest

from probe.model.facts import ErrorFacts
from probe.model.observation import Observation
from probe.model.report import Report
from probe.model.words import Failure, Outcome, Severity, Stage, Verdict
from probe.sinks import log
from tests.factories import blackhole, connection, finding, healthy, report, several_findings

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
