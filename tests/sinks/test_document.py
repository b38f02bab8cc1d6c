import json
from dataclasses import fields
from pathlib import Path as File
from typing import Any, get_args

import jsonschema
import pytest

import probe.sinks
from probe.model.application import Application, PhaseKind
from probe.model.cause import Cause
from probe.model.facts import ErrorFacts, StageFacts
from probe.model.ramp import (
    Acquisition,
    AcquisitionOutcome,
    Canary,
    Headroom,
    Limits,
    Ramp,
    RampStep,
    Saturation,
    StopReason,
)
from probe.model.rehearsal import PhaseOutcome, PhaseRecord, Rehearsal, Step
from probe.model.report import ChainLink, Link, LinkState, Report
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
    skipped,
    startup,
)

DESCRIPTION = json.loads((File(probe.sinks.__file__).parent / "report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(DESCRIPTION)


def crashed() -> Report:
    error = ErrorFacts(type="KeyError", message="'x'")
    item = connection(1, outcome=Outcome.CRASHED, stages=(), error=error)
    return report([item], verdict=Verdict.INCONCLUSIVE)


def never_begun() -> Report:
    """What there is where nearly nothing was learned."""
    empty = Ramp(saturation=Saturation.FULL, wanted=25, workers=35, keep_free=5)
    return report([startup(Rehearsal(phases=())), pool(empty)])


def refused() -> Report:
    error = ErrorFacts(type="DatabaseError", message="too many clients", sqlstate="53300")
    wish = acquisition(1, AcquisitionOutcome.REFUSED, failure=Failure.SLOTS_EXHAUSTED, error=error)
    filled = ramp(acquisitions=(wish,), stopped=StopReason.REFUSED, error=error)
    return report([pool(filled), startup(rehearsal(PhaseKind.CACHE, Failure.REFUSED, 0.01, error))])


REPORTS = [healthy, blackhole, several_findings, crashed, report, rehearsed, broken_off, never_begun, refused]


@pytest.mark.parametrize("make", REPORTS)
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
        ("phase_kind", PhaseKind),
        ("phase_outcome", PhaseOutcome),
        ("saturation", Saturation),
        ("acquisition_outcome", AcquisitionOutcome),
        ("link", Link),
        ("link_state", LinkState),
    ],
)
def test_the_schema_knows_exactly_the_words_of_the_model(name: str, words: Any) -> None:
    assert DESCRIPTION["$defs"][name]["enum"] == [word.value for word in words]


@pytest.mark.parametrize(
    ("name", "words"), [("path", Path), ("failure", Failure), ("stop_reason", StopReason)]
)
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


@pytest.mark.parametrize(
    ("name", "record", "renamed", "derived"),
    [
        ("rehearsal", Rehearsal, {}, {"exit_code", "total_s", "ended_by"}),
        ("phase", PhaseRecord, {"span": ("started_s", "duration_s")}, {"share"}),
        ("phase_step", Step, {"span": ("started_s", "duration_s")}, set()),
        ("ramp", Ramp, {}, {"waits", "connects"}),
        ("limits", Limits, {}, {"usable"}),
        ("headroom", Headroom, {}, {"free"}),
        ("ramp_step", RampStep, {"at_ns": ("at_s",)}, set()),
        (
            "acquisition",
            Acquisition,
            {
                "intended_ns": ("intended_s",),
                "started_ns": ("started_s",),
                "finished_ns": ("finished_s",),
            },
            {"wait_s", "start_delay_s"},
        ),
        ("canary", Canary, {"span": ("started_s", "duration_s")}, set()),
        ("chain_link", ChainLink, {}, set()),
    ],
)
def test_the_schema_knows_every_field_of_a_record_and_what_follows_from_it(
    name: str, record: Any, renamed: dict[str, tuple[str, ...]], derived: set[str]
) -> None:
    described = DESCRIPTION["$defs"][name]
    written = {key for item in fields(record) for key in renamed.get(item.name, (item.name,))}
    assert set(described["properties"]) == set(described["required"]) == written | derived


def test_the_schema_refuses_what_it_does_not_know() -> None:
    strange = document(healthy())
    strange["observations"][0]["surprise"] = 1
    assert not VALIDATOR.is_valid(strange)


def test_the_document_has_the_promised_parts() -> None:
    whole = document(several_findings())
    assert list(whole) == [
        "schema",
        "run",
        "verdict",
        "metrics",
        "observations",
        "findings",
        "chain",
        "advice",
    ]
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


def _facts(whole: dict[str, Any], check: Check) -> Any:
    return next(item["facts"] for item in whole["observations"] if item["check"] == check)


def test_a_rehearsal_says_which_phase_ended_it_and_what_that_leaves() -> None:
    said = _facts(document(broken_off()), Check.STARTUP)["rehearsal"]
    assert (said["exit_code"], said["ended_by"]) == (3, "phase_3_database")
    assert said["total_s"] == pytest.approx(75.4112)
    assert [phase["outcome"] for phase in said["phases"]] == [
        "completed",
        "completed",
        "timed_out",
        "skipped",
        "blocked",
        "skipped",
        "blocked",
    ]
    database, cache = said["phases"][2:4]
    assert (database["started_s"], database["duration_s"]) == (1.3112, 75.0)
    assert database["share"] == pytest.approx(75 / 90, abs=1e-6)
    assert database["steps"] == [
        {
            "name": "connect",
            "started_s": 1.3112,
            "duration_s": 75.0,
            "budget_s": 75.0,
            "failure": "timeout",
            "finished": True,
        }
    ]
    assert database["error"]["type"] == "sqlalchemy.exc.TimeoutError"
    assert (cache["started_s"], cache["share"], cache["skip_reason"]) == (None, None, "not_configured")


def test_the_failure_chain_stands_link_by_link() -> None:
    chain = document(broken_off())["chain"]
    assert [item["link"] for item in chain] == [link.value for link in Link]
    assert chain[1] == {
        "link": "connection_delay",
        "state": "seen",
        "said": "connecting took 75.0 s, above 35 s",
        "evidence": ["startup/staging-db/connector/1"],
    }
    assert document(healthy())["chain"] == []


def test_a_ramp_keeps_every_raw_point() -> None:
    said = _facts(document(rehearsed()), Check.POOL)["ramp"]
    assert len(said["acquisitions"]) == 35
    assert said["acquisitions"][0] == {
        "worker": 0,
        "step": 1,
        "intended_s": 1.1,
        "started_s": 1.1,
        "finished_s": 1.112,
        "wait_s": 0.012,
        "start_delay_s": 0.0,
        "outcome": "acquired",
        "connect_s": 0.011,
        "failure": None,
        "error": None,
    }
    assert said["steps"][1] == {
        "number": 2,
        "at_s": 1.4,
        "held": 6,
        "free": 12,
        "connect_median_s": 0.011,
    }
    assert (said["limits"]["usable"], said["before"]["free"]) == (22, 19)
    assert said["crowd"] == {"netra-backend": 2, "psql": 1}
    assert said["connects"] == {"n": 13, "median_s": 0.011, "max_s": 0.011}
    assert said["waits"]["censored"] == said["waits"]["cut_off"] == 22


def test_one_name_that_stands_twice_in_a_crowd_is_counted_together() -> None:
    said = document(report([pool(ramp(crowd=(("", 4), ("a", 2), ("", 1))))]))
    assert _facts(said, Check.POOL)["ramp"]["crowd"] == {"": 5, "a": 2}


def test_times_have_six_decimals() -> None:
    whole = document(report([connection(1, start_delay_s=0.12345678)], duration_s=1 / 3))
    assert whole["run"]["duration_s"] == 0.333333
    assert whole["observations"][0]["facts"]["start_delay_s"] == 0.123457


def test_the_text_is_ascii_whatever_a_server_said() -> None:
    text = render(report(findings=[finding(summary="\x1b[2J \x9b ü \ud800")]))
    assert text.isascii()
    assert "\x1b" not in text
    assert text.endswith("}\n")
