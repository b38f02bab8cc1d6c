"""The report as one JSON document; ``report.schema.json`` describes it."""

import json
from dataclasses import asdict
from typing import Any

from probe.model.observation import Observation, Span, StageRecord
from probe.model.report import Finding, Report

SCHEMA = "cloudsql-vpc-probe/report/v1"
_DECIMALS = 6

Json = dict[str, Any]


def document(report: Report) -> Json:
    """The whole report. Times in seconds; null where something did not happen."""
    return {
        "schema": SCHEMA,
        "run": run(report),
        "verdict": report.verdict.value,
        "metrics": {"written": report.delivery.written, "dropped": report.delivery.dropped},
        "observations": [observation(item) for item in report.observations],
        "findings": [finding(item) for item in report.findings],
    }


def render(report: Report) -> str:
    """The document as text, ASCII only, with a line feed at its end."""
    return json.dumps(document(report), indent=2) + "\n"


def run(report: Report) -> Json:
    """Which execution this was, and its answer in one sentence."""
    identity = report.identity
    return {
        "id": identity.id,
        "started_at": identity.started_at,
        "duration_s": _seconds(report.duration_s),
        "profile": identity.profile,
        "checks": list(identity.checks),
        "project": identity.project,
        "region": identity.region,
        "version": identity.version,
        "job": identity.job,
        "execution": identity.execution,
        "headline": report.headline,
        "targets": {name: verdict.value for name, verdict in report.targets},
        "interrupted": report.interrupted,
    }


def observation(item: Observation) -> Json:
    """One attempt with its stages."""
    return {
        "id": item.id,
        "check": item.check.value,
        "target": item.target,
        "path": item.path,
        "attempt": item.attempt,
        "outcome": item.outcome.value,
        "failure": item.failure,
        **_times(item.span),
        "facts": _observation_facts(item),
        "stages": [_stage(record) for record in item.stages],
    }


def finding(item: Finding) -> Json:
    """One conclusion."""
    return _plain(asdict(item))


def _stage(record: StageRecord) -> Json:
    return {
        "stage": record.stage.value,
        "outcome": record.outcome.value,
        "failure": record.failure,
        **_times(record.span),
        "facts": _stage_facts(record),
    }


def _stage_facts(record: StageRecord) -> Json:
    known = _plain(asdict(record.facts)) if record.facts else {}
    more = {
        "error": record.error and asdict(record.error),
        "skip_reason": record.skip_reason,
        "budget_s": record.budget_s and _seconds(record.budget_s),
    }
    return known | {key: value for key, value in more.items() if value is not None}


def _observation_facts(item: Observation) -> Json:
    more = {
        "endpoint": item.endpoint,
        "skip_reason": item.skip_reason,
        "error": item.error and asdict(item.error),
        "application": item.application and asdict(item.application),
    }
    always: Json = {"confirmation": item.confirmation, "start_delay_s": _seconds(item.start_delay_s)}
    return always | {key: value for key, value in more.items() if value is not None}


def _times(span: Span | None) -> Json:
    if span is None:
        return {"started_s": None, "duration_s": None}
    return {"started_s": _seconds(span.started_s), "duration_s": _seconds(span.duration_s)}


def _seconds(value: float) -> float:
    return round(value, _DECIMALS)


def _plain(record: Json) -> Json:
    """Tuples as lists, and measured times rounded like all others."""
    return {key: _plain_value(key, value) for key, value in record.items()}


def _plain_value(key: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return _seconds(value) if key.endswith("_s") and isinstance(value, float) else value
