from collections.abc import Mapping
from typing import Any

import pytest

from probe.model.cause import Cause
from probe.model.facts import EgressFacts, TcpFacts
from probe.model.observation import Observation, StageRecord
from probe.model.report import Finding, Report, RunIdentity
from probe.model.span import Span
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
from probe.sinks.catalogue import BY_NAME, METRICS
from probe.sinks.metric import DURATION_BOUNDS_S
from probe.sinks.point import Distribution, Series, distribution
from probe.sinks.points import series
from tests.factories import pool, startup

IDENTITY = RunIdentity(id="r", started_at="2026-01-01T00:00:00Z", profile="scheduled", checks=())
DB = {"target": "db", "path": "connector"}


def _span(duration_s: float) -> Span:
    return Span(started_ns=0, ended_ns=round(duration_s * 1e9))


def _stage(
    stage: Stage, duration_s: float = 0.1, *, failure: Failure | None = None, facts: TcpFacts | None = None
) -> StageRecord:
    outcome = Outcome.FAILED if failure else Outcome.PASSED
    return StageRecord(stage=stage, outcome=outcome, failure=failure, span=_span(duration_s), facts=facts)


def _attempt(
    *stages: StageRecord,
    check: Check = Check.CLOUDSQL,
    outcome: Outcome = Outcome.PASSED,
    duration_s: float = 0.5,
    target: str = "db",
) -> Observation:
    return Observation(
        id="o",
        check=check,
        target=target,
        path=Path.CONNECTOR if check is Check.CLOUDSQL else None,
        outcome=outcome,
        span=_span(duration_s),
        stages=stages,
    )


def _finding(cause: Cause, **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "id": "f",
        "cause": cause,
        "category": Category.DATABASE_TIMEOUT,
        "layer": Layer.NETWORK,
        "severity": Severity.CRITICAL,
        "target": "db",
        "summary": "s",
        "action": "a",
        "escalate": False,
        "evidence": ("o",),
    }
    return Finding(**(fields | changes))


def _report(*observations: Observation, findings: tuple[Finding, ...] = (), **changes: Any) -> Report:
    fields: dict[str, Any] = {
        "identity": IDENTITY,
        "duration_s": 1.5,
        "verdict": Verdict.HEALTHY,
        "targets": (("db", Verdict.HEALTHY),),
        "headline": "h",
    }
    return Report(observations=observations, findings=findings, **(fields | changes))


def _values(report: Report) -> dict[tuple[str, frozenset[tuple[str, str]]], Any]:
    points = series(report)
    found = {(point.metric, frozenset(point.labels.items())): point.value for point in points}
    assert len(found) == len(points)
    return found


def _value(report: Report, metric: str, labels: Mapping[str, str] | None = None) -> Any:
    """The point's value, or None where there is none."""
    return _values(report).get((metric, frozenset({**(labels or {}), "profile": "scheduled"}.items())))


@pytest.mark.parametrize(
    ("verdict", "number"),
    [(Verdict.DOWN, 0), (Verdict.DEGRADED, 1), (Verdict.HEALTHY, 2), (Verdict.INCONCLUSIVE, 3)],
)
def test_verdicts_are_numbers(verdict: Verdict, number: int) -> None:
    report = _report(verdict=verdict, targets=(("db", verdict), ("other", Verdict.HEALTHY)))
    assert _value(report, "run_verdict") == number
    assert _value(report, "verdict", {"target": "db"}) == number
    assert _value(report, "verdict", {"target": "other"}) == 2
    assert _value(report, "run_duration") == 1.5


def test_a_run_that_measured_nothing_writes_its_verdict_and_duration_alone() -> None:
    assert {point.metric for point in series(_report())} == {"verdict", "run_verdict", "run_duration"}


def test_what_was_skipped_or_crashed_counts_nowhere() -> None:
    attempts = [
        _attempt(_stage(Stage.TCP, 9.0), outcome=outcome, check=check)
        for outcome in (Outcome.SKIPPED, Outcome.CRASHED)
        for check in Check
    ]
    assert _values(_report(*attempts)).keys() == _values(_report()).keys()


def test_connections_are_counted_and_timed_where_they_passed() -> None:
    report = _report(
        _attempt(duration_s=0.1),
        _attempt(duration_s=0.3),
        _attempt(_stage(Stage.TCP, 30, failure=Failure.TIMEOUT), outcome=Outcome.FAILED, duration_s=30),
        _attempt(_stage(Stage.TCP, 0.001, failure=Failure.REFUSED), outcome=Outcome.FAILED, duration_s=0.001),
        _attempt(outcome=Outcome.CRASHED),
    )
    assert _value(report, "connection_attempts", DB) == 4
    assert _value(report, "connection_success_ratio", DB) == 0.5
    assert _value(report, "timeout_violation_ratio", DB) == 0.25
    assert _value(report, "connection_duration_mean", DB) == pytest.approx(0.2)
    assert _value(report, "connection_duration_max", DB) == pytest.approx(0.3)
    assert _value(report, "connection_duration", DB).count == 2
    assert _value(report, "stage_failures", DB | {"stage": "tcp", "failure": "timeout"}) == 1
    assert _value(report, "stage_failures", DB | {"stage": "tcp", "failure": "refused"}) == 1


def test_where_no_connection_passed_there_is_no_duration() -> None:
    report = _report(_attempt(_stage(Stage.TLS, failure=Failure.RESET), outcome=Outcome.FAILED))
    assert _value(report, "connection_success_ratio", DB) == 0.0
    assert not {"connection_duration", "connection_duration_mean", "connection_duration_max"} & {
        point.metric for point in series(report)
    }


def test_a_stage_is_timed_where_it_passed_even_if_the_attempt_failed() -> None:
    report = _report(
        _attempt(_stage(Stage.DNS, 0.2), _stage(Stage.TCP, failure=Failure.TIMEOUT), outcome=Outcome.FAILED),
        _attempt(_stage(Stage.DNS, 0.4)),
    )
    assert _value(report, "stage_duration_max", DB | {"stage": "dns"}) == pytest.approx(0.4)
    assert _value(report, "stage_duration", DB | {"stage": "dns"}).mean == pytest.approx(0.3)
    assert _value(report, "stage_duration_max", DB | {"stage": "tcp"}) is None


def test_a_skipped_stage_writes_no_point() -> None:
    skipped = StageRecord(stage=Stage.DNS, outcome=Outcome.SKIPPED, skip_reason=SkipReason.LITERAL_ADDRESS)
    assert "stage_duration" not in {point.metric for point in series(_report(_attempt(skipped)))}


def test_the_kernels_figures_are_the_largest_round_trip_and_all_retransmissions() -> None:
    facts = [TcpFacts(address="a", rtt_s=rtt_s, retransmissions=sent) for rtt_s, sent in ((0.1, 0), (0.3, 2))]
    report = _report(*(_attempt(_stage(Stage.TCP, facts=each)) for each in facts))
    assert _value(report, "tcp_rtt", DB) == 0.3
    assert _value(report, "tcp_retransmissions", DB) == 2


def test_figures_that_could_not_be_read_are_absent() -> None:
    report = _report(_attempt(_stage(Stage.TCP, facts=TcpFacts(address="a"))))
    assert _value(report, "tcp_rtt", DB) is None
    assert _value(report, "tcp_retransmissions", DB) is None


def test_the_route_is_told_by_endpoint() -> None:
    failed = _stage(Stage.TCP, 30, failure=Failure.TIMEOUT)
    report = _report(
        _attempt(_stage(Stage.TCP, 0.02), check=Check.ROUTE, target="cache"),
        _attempt(_stage(Stage.TCP, 0.04), check=Check.ROUTE, target="cache"),
        _attempt(failed, check=Check.ROUTE, target="gone", outcome=Outcome.FAILED),
    )
    assert _value(report, "route_success_ratio", {"target": "cache"}) == 1.0
    assert _value(report, "route_connect_duration_max", {"target": "cache"}) == pytest.approx(0.04)
    assert _value(report, "route_success_ratio", {"target": "gone"}) == 0.0
    assert _value(report, "route_connect_duration_max", {"target": "gone"}) is None


@pytest.mark.parametrize(("wait_s", "value"), [(0.7, 0.7), (None, None)])
def test_the_wait_for_egress_is_written_if_it_ended(wait_s: float | None, value: float | None) -> None:
    facts = EgressFacts(address="a", attempts=2, wait_s=wait_s)
    record = StageRecord(stage=Stage.TCP, outcome=Outcome.PASSED, span=_span(1), facts=facts)
    assert _value(_report(_attempt(record, check=Check.EGRESS, target="egress")), "egress_wait") == value


def test_findings_are_one_each() -> None:
    labels = {"category": "database_timeout", "severity": "critical", "target": "db"}
    twice = _finding(Cause.TLS_SILENT), _finding(Cause.TLS_SILENT), _finding(Cause.LOGIN_SILENT)
    report = _report(findings=twice)
    assert _value(report, "findings", labels | {"cause": "tls_silent"}) == 1
    assert _value(report, "findings", labels | {"cause": "login_silent"}) == 1


@pytest.mark.parametrize(
    ("findings", "number"),
    [((), 0), ((_finding(Cause.POOL_EXCEEDS_LIMIT), _finding(Cause.TLS_SILENT, evidence=("x",))), 1)],
)
def test_warnings_are_counted_where_the_configuration_was_checked(
    findings: tuple[Finding, ...], number: int
) -> None:
    report = _report(_attempt(check=Check.CONFIGURATION, target="application"), findings=findings)
    assert _value(report, "configuration_warnings") == number
    assert _value(_report(findings=findings), "configuration_warnings") is None


def test_label_values_are_bounded() -> None:
    report = _report(targets=(("x" * 2000, Verdict.DOWN),))
    assert max(len(value) for point in series(report) for value in point.labels.values()) == 1024


def test_a_distribution_holds_its_values() -> None:
    spread = distribution([0.0005, 0.5, 1.0, 200.0])
    assert spread.count == sum(spread.bucket_counts) == 4
    assert spread.mean == pytest.approx(50.375125)
    assert spread.sum_of_squared_deviation == pytest.approx(29850.64, abs=0.01)


def test_a_value_on_a_bound_belongs_to_the_bucket_above_it() -> None:
    below, above = DURATION_BOUNDS_S.index(0.5), DURATION_BOUNDS_S.index(0.5) + 1
    counts = distribution([0.49, 0.5, 0.51]).bucket_counts
    assert (counts[below], counts[above]) == (1, 2)
    assert len(counts) == len(DURATION_BOUNDS_S) + 1


def full_report() -> Report:
    """A report that gives a point of every metric."""
    facts = TcpFacts(address="a", rtt_s=0.01, retransmissions=0)
    egress = StageRecord(
        stage=Stage.TCP,
        outcome=Outcome.PASSED,
        span=_span(1),
        facts=EgressFacts(address="a", attempts=1, wait_s=0.1),
    )
    return _report(
        _attempt(*(_stage(stage, facts=facts if stage is Stage.TCP else None) for stage in Stage)),
        _attempt(_stage(Stage.TCP, failure=Failure.TIMEOUT), outcome=Outcome.FAILED),
        _attempt(_stage(Stage.TCP), check=Check.ROUTE, target="cache"),
        _attempt(egress, check=Check.EGRESS, target="egress"),
        _attempt(check=Check.CONFIGURATION, target="application"),
        startup(),
        pool(),
        findings=(_finding(Cause.TLS_SILENT),),
    )


def test_every_metric_of_the_catalogue_can_come_about_with_its_labels() -> None:
    points: list[Series] = series(full_report())
    assert {point.metric for point in points} == {metric.name for metric in METRICS}
    for point in points:
        assert point.labels.keys() == BY_NAME[point.metric].labels.keys()
        assert isinstance(point.value, Distribution) == (BY_NAME[point.metric].value_type == "DISTRIBUTION")
