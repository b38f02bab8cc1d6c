"""Small makers of rehearsals and ramps, so that a test says only what matters to it."""

from collections.abc import Iterable
from typing import Any

from probe.diagnosis.diagnose import Diagnosis
from probe.model.application import PHASES, Application, PhaseKind
from probe.model.cause import Cause
from probe.model.facts import ErrorFacts
from probe.model.observation import Observation
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
from probe.model.report import Finding
from probe.model.words import Check, Failure, Outcome, Path, SkipReason
from tests.factories import question, span

NAME = "staging-db"
APPLICATION = Application(pool_size=5, max_overflow=5, max_instances=1)
"""A pool of 10, which fits the 22 usable connections of the makers below."""
ASKED = question(application=APPLICATION, application_target=NAME, cache_address="10.20.1.4:6379")
BLOCKING = frozenset({PhaseOutcome.FAILED, PhaseOutcome.TIMED_OUT})


def step(name: str, seconds: float = 0.01, **more: Any) -> Step:
    fixed: dict[str, Any] = {"name": name, "span": span(1.0, seconds)}
    return Step(**fixed | more)


def phase(
    kind: PhaseKind,
    outcome: PhaseOutcome = PhaseOutcome.COMPLETED,
    failure: Failure | None = None,
    seconds: float = 0.1,
    **more: Any,
) -> PhaseRecord:
    """A phase of the contract, as it went."""
    setting = next(item for item in PHASES if item.does is kind)
    begun = outcome not in (PhaseOutcome.BLOCKED, PhaseOutcome.SKIPPED)
    fixed: dict[str, Any] = {
        "name": setting.name,
        "kind": kind,
        "outcome": outcome,
        "budget_s": setting.budget_s,
        "failure": failure,
        "span": span(float(list(PhaseKind).index(kind)), seconds) if begun else None,
    }
    return PhaseRecord(**fixed | more)


def rehearsal(*told: PhaseRecord, **more: Any) -> Rehearsal:
    """The seven phases; those that are ``told`` as told, what a required one of them ends as blocked."""
    by_kind, phases, broken = {item.kind: item for item in told}, [], False
    for kind in PhaseKind:
        blocked = PhaseOutcome.BLOCKED if broken else PhaseOutcome.COMPLETED
        phases.append(phase(kind, blocked) if broken or kind not in by_kind else by_kind[kind])
        broken = broken or (phases[-1].required and phases[-1].outcome in BLOCKING)
    return Rehearsal(phases=tuple(phases), **more)


def failing(kind: PhaseKind, failure: Failure, at: str = "", **more: Any) -> PhaseRecord:
    """A phase that failed, in its step ``at``."""
    steps = (step(at, failure=failure),) if at else ()
    outcome = PhaseOutcome.TIMED_OUT if failure is Failure.TIMEOUT else PhaseOutcome.FAILED
    return phase(kind, outcome, failure, **{"steps": steps} | more)


def startup(
    told: Rehearsal | PhaseRecord | None = None, *, confirmation: bool = False, **more: Any
) -> Observation:
    """A rehearsal's observation; of a single phase: one in which that phase went so."""
    whole = rehearsal(told) if isinstance(told, PhaseRecord) else told or rehearsal()
    fixed: dict[str, Any] = {
        "id": f"startup/{NAME}/{'again' if confirmation else '1'}",
        "check": Check.STARTUP,
        "target": NAME,
        "path": Path.CONNECTOR,
        "confirmation": confirmation,
        "outcome": Outcome.FAILED if whole.exit_code == 3 else Outcome.PASSED,
        "failure": whole.ended_by.failure if whole.ended_by else None,
        "span": span(0.0, 1.0),
        "result": whole,
    }
    return Observation(**fixed | more)


def timed_out_at_connect(seconds: float = 75.0, **more: Any) -> PhaseRecord:
    """The known failure: the database phase that hangs in its connect until its budget is gone."""
    connect = step("connect", seconds, budget_s=seconds, finished=False)
    return failing(PhaseKind.DATABASE, Failure.TIMEOUT, seconds=seconds, **{"steps": (connect,)} | more)


def limits(**more: Any) -> Limits:
    fixed: dict[str, Any] = {"server_version": "15.8", "max_connections": 25, "superuser_reserved": 3}
    return Limits(**fixed | more)


def headroom(others: int = 3, **more: Any) -> Headroom:
    fixed: dict[str, Any] = {"others": others, "ours": 1, "role": 1, "database": 0}
    return Headroom(**fixed | more)


def acquired(number: int = 1, **more: Any) -> Acquisition:
    """A worker that got a connection; with ``outcome`` one that did not."""
    fixed: dict[str, Any] = {
        "worker": number,
        "step": 1,
        "intended_ns": 0,
        "started_ns": 1_000_000,
        "finished_ns": 12_000_000,
        "outcome": AcquisitionOutcome.ACQUIRED,
    }
    return Acquisition(**fixed | more)


def refused(number: int, failure: Failure = Failure.SLOTS_EXHAUSTED) -> Acquisition:
    error = ErrorFacts(type="ErrorResponse", message="sorry, too many clients already", sqlstate="53300")
    return acquired(number, outcome=AcquisitionOutcome.REFUSED, failure=failure, error=error)


def canary(failure: Failure | None = None, held: int = 6) -> Canary:
    error = ErrorFacts(type="ErrorResponse", message="too many", sqlstate="53300") if failure else None
    return Canary(span=span(1.0, 0.1), held=held, failure=failure, error=error)


def ramp_step(number: int, held: int, free: int | None, median_s: float | None = 0.01) -> RampStep:
    return RampStep(number=number, at_ns=number, held=held, free=free, connect_median_s=median_s)


def ramp(**more: Any) -> Ramp:
    """A guarded ramp that opened everything that was wanted."""
    fixed: dict[str, Any] = {
        "saturation": Saturation.GUARDED,
        "wanted": 10,
        "workers": 12,
        "keep_free": 5,
        "limits": limits(),
        "before": headroom(),
        "allowed": 10,
        "held": 10,
        "stopped": StopReason.COMPLETE,
        "left_behind": 0,
    }
    return Ramp(**fixed | more)


def pool(ramped: Ramp | None = None, check: Check = Check.POOL, **more: Any) -> Observation:
    fixed: dict[str, Any] = {
        "id": f"{check}/{NAME}/1",
        "check": check,
        "target": NAME,
        "path": Path.CONNECTOR,
        "outcome": Outcome.PASSED,
        "span": span(2.0, 1.0),
        "result": ramped or ramp(),
    }
    return Observation(**fixed | more)


def left_out(reason: SkipReason, check: Check = Check.POOL, **more: Any) -> Observation:
    skipped: dict[str, Any] = {"outcome": Outcome.SKIPPED, "skip_reason": reason, "result": None}
    return pool(None, check, **skipped | more)


def causes(findings: Diagnosis | Iterable[Finding]) -> list[Cause]:
    listed = findings.findings if isinstance(findings, Diagnosis) else findings
    return [finding.cause for finding in listed]


def roots(told: Diagnosis) -> list[Cause]:
    return [finding.cause for finding in told.findings if finding.consequence_of is None]


def the(told: Diagnosis, cause: Cause) -> Finding:
    """The one finding with this cause."""
    (finding,) = [item for item in told.findings if item.cause is cause]
    return finding


def root_of(told: Diagnosis, cause: Cause) -> Cause | None:
    """What the finding with this cause is a consequence of."""
    root = the(told, cause).consequence_of
    return next((item.cause for item in told.findings if item.id == root), None)
