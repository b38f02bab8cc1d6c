import json
from dataclasses import fields
from pathlib import Path as File
from typing import Any, get_args

import jsonschema
import pytest

import probe.sinks
from probe.model.cause import Cause
from probe.model.facts import ErrorFacts, StageFacts
from probe.model.report import Report
from probe.model.target import Application
from probe.model.words import (
    Category,
    Check,
    Failure,
    Layer,
    Outcome,
    Path,
    Severity,
    SkipReason,
    Stage,
    Verdict,
)
from probe.sinks.document import SCHEMA, document, render
from tests.factories import blackhole, connection, finding, healthy, report, several_findings, skipped

DESCRIPTION = json.loads((File(probe.sinks.__file__).parent / "report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(DESCRIPTION)


def crashed() -> Report:
    error = ErrorFacts(type="KeyError", message="'x'")
    item = connection(1, outcome=Outcome.CRASHED, stages=(), error=error)
    return report([item], verdict=Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("make", [healthy, blackhole, several_findings, crashed, report])
def test_every_report_fits_its_schema(make: Any) -> None:
    VALIDATOR.validate(json.loads(render(make())))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(DESCRIPTION)
    assert DESCRIPTION["properties"]["schema"]["const"] == SCHEMA


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("verdict", Verdict),
        ("outcome", Outcome),
        ("stage_name", Stage),
        ("check", Check),
        ("skip_reason", SkipReason),
        ("severity", Severity),
        ("category", Category),
        ("layer", Layer),
        ("cause", Cause),
    ],
)
def test_the_schema_knows_exactly_the_words_of_the_model(name: str, words: Any) -> None:
    assert DESCRIPTION["$defs"][name]["enum"] == [word.value for word in words]


@pytest.mark.parametrize(("name", "words"), [("path", Path), ("failure", Failure)])
def test_the_schema_allows_null_where_there_may_be_none(name: str, words: Any) -> None:
    assert DESCRIPTION["$defs"][name]["enum"] == [*(word.value for word in words), None]


def test_the_schema_knows_exactly_the_facts_of_the_model() -> None:
    names = {item.name for kind in get_args(StageFacts) for item in fields(kind)}
    described = set(DESCRIPTION["$defs"]["stage_facts"]["properties"])
    assert described == names | {"error", "skip_reason", "budget_s"}
    assert set(DESCRIPTION["$defs"]["error"]["properties"]) == {item.name for item in fields(ErrorFacts)}
    assert set(DESCRIPTION["$defs"]["application"]["properties"]) == {
        item.name for item in fields(Application)
    }


def test_the_schema_refuses_what_it_does_not_know() -> None:
    strange = document(healthy())
    strange["observations"][0]["surprise"] = 1
    assert not VALIDATOR.is_valid(strange)


def test_the_document_has_the_promised_parts() -> None:
    whole = document(several_findings())
    assert list(whole) == ["schema", "run", "verdict", "metrics", "observations", "findings"]
    assert whole["metrics"] == {"written": 0, "dropped": 124}
    assert whole["run"]["targets"] == {"staging-db": "down"}
    assert whole["run"]["interrupted"] is True
    assert [item["consequence_of"] for item in whole["findings"]] == [None, None, "f1"]


def test_a_failed_stage_says_what_it_was_allowed_and_what_was_said() -> None:
    whole = document(blackhole())
    attempt = next(item for item in whole["observations"] if item["id"] == "o1")
    tcp = next(stage for stage in attempt["stages"] if stage["stage"] == "tcp")
    assert (tcp["outcome"], tcp["failure"], tcp["started_s"], tcp["duration_s"]) == (
        "failed",
        "timeout",
        0.38,
        30.0,
    )
    assert tcp["facts"] == {
        "address": "10.20.1.3:3307",
        "rtt_s": 0.0011,
        "retransmissions": 0,
        "budget_s": 30.0,
        "error": {
            "type": "TimeoutError",
            "message": "timed out",
            "errno": None,
            "sqlstate": None,
            "http_status": None,
        },
    }


def test_a_skipped_stage_has_no_times_but_a_reason() -> None:
    whole = document(report([connection(1, stages=(skipped(Stage.TLS),))]))
    assert whole["observations"][0]["stages"] == [
        {
            "stage": "tls",
            "outcome": "skipped",
            "failure": None,
            "started_s": None,
            "duration_s": None,
            "facts": {"skip_reason": "earlier_stage_failed"},
        }
    ]


def test_an_observation_says_of_itself_what_no_stage_says() -> None:
    whole = document(several_findings())
    facts = {item["id"]: item["facts"] for item in whole["observations"]}
    assert facts["configuration"]["application"]["pool_size"] == 10
    assert facts["o1"] == {"confirmation": False, "start_delay_s": 0.0, "endpoint": "10.20.1.3:3307"}
    assert facts["o3"]["confirmation"] is True
    assert facts["o4"]["skip_reason"] == "repeated_failure"


def test_times_have_six_decimals() -> None:
    whole = document(report([connection(1, start_delay_s=0.12345678)], duration_s=1 / 3))
    assert whole["run"]["duration_s"] == 0.333333
    assert whole["observations"][0]["facts"]["start_delay_s"] == 0.123457


def test_the_text_is_ascii_whatever_a_server_said() -> None:
    text = render(report(findings=[finding(summary="\x1b[2J \x9b ü \ud800")]))
    assert text.isascii()
    assert "\x1b" not in text
    assert text.endswith("}\n")
