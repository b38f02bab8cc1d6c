"""The report as one JSON document; ``report.schema.json`` describes it."""

import json
from dataclasses import asdict

from probe.model.observation import Observation, StageRecord
from probe.model.report import ChainLink, Finding, Report
from probe.sinks.results import result
from probe.sinks.rounded import Json, plain, seconds, times

SCHEMA = "cloudsql-vpc-probe/report/v1"


def document(report: Report) -> Json:
    """The whole report. Times in seconds; null where something did not happen."""
    return {
        **head(report),
        "observations": [observation(item) for item in report.observations],
        "findings": [finding(item) for item in report.findings],
        "chain": [link(item) for item in report.chain],
        "advice": list(report.advice),
    }


def render(report: Report) -> str:
    """The document as text, ASCII only, with a line feed at its end."""
    return json.dumps(document(report), indent=2) + "\n"


def head(report: Report) -> Json:
    """The answer, without what it rests on."""
    return {
        "schema": SCHEMA,
        "run": run(report),
        "verdict": report.verdict.value,
        "metrics": {"written": report.delivery.written, "dropped": report.delivery.dropped},
    }


def run(report: Report) -> Json:
    """Which execution this was, and its answer in one sentence."""
    identity = report.identity
    return {
        "id": identity.id,
        "started_at": identity.started_at,
        "duration_s": seconds(report.duration_s),
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
        **times(item.span),
        "facts": _observation_facts(item),
        "stages": [_stage(record) for record in item.stages],
    }


def finding(item: Finding) -> Json:
    """One conclusion."""
    return plain(asdict(item))


def link(item: ChainLink) -> Json:
    """One link of the failure chain."""
    return plain(asdict(item))


def _stage(record: StageRecord) -> Json:
    return {
        "stage": record.stage.value,
        "outcome": record.outcome.value,
        "failure": record.failure,
        **times(record.span),
        "facts": _stage_facts(record),
    }


def _stage_facts(record: StageRecord) -> Json:
    known = plain(asdict(record.facts)) if record.facts else {}
    more = {
        "error": record.error and asdict(record.error),
        "skip_reason": record.skip_reason,
        "budget_s": record.budget_s and seconds(record.budget_s),
    }
    return known | {key: value for key, value in more.items() if value is not None}


def _observation_facts(item: Observation) -> Json:
    more = {
        **(result(item.result) if item.result else {}),
        "endpoint": item.endpoint,
        "skip_reason": item.skip_reason,
        "error": item.error and asdict(item.error),
    }
    always: Json = {"confirmation": item.confirmation, "start_delay_s": seconds(item.start_delay_s)}
    return always | {key: value for key, value in more.items() if value is not None}
