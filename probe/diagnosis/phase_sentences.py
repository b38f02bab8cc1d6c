"""What a rehearsal's phases did, in words. Times in seconds, three significant digits."""

from probe.diagnosis.phase_causes import ending_step, failure_of
from probe.diagnosis.sentences import WHAT, quoted, seconds
from probe.model.cause import Cause
from probe.model.facts import ErrorFacts
from probe.model.rehearsal import PhaseOutcome, PhaseRecord, Rehearsal, Step
from probe.model.words import Failure

TWO = 2

WHAT_OF_A_PHASE: dict[Cause, str] = {
    Cause.REHEARSAL_CRASHED: "the rehearsal went wrong before it had asked anybody anything",
    Cause.SECRET_MISSING: "the application needs {missing}, not set here",
    Cause.STARTUP_DATABASE_FAILED: "the application's own stack does not get through to the database",
    Cause.REQUIRED_TABLE_MISSING: "required tables do not exist: {missing}",
    Cause.SCHEMA_CHECK_SLOW: "connecting and the first query work, and the schema check is not answered",
    Cause.CACHE_UNREACHABLE: "the cache {endpoint} cannot be reached, or does not speak as one",
    Cause.CACHE_PASSWORD_REJECTED: "the cache {endpoint} rejects the password",
    Cause.CACHE_SILENT: "the cache {endpoint} accepts connections and does not answer",
    Cause.SERVICE_UNAVAILABLE: "the service {endpoint} does not say that it is well",
    Cause.WEBSOCKET_NOT_READY: "the WebSocket endpoint {endpoint} is not ready",
    Cause.APPLICATION_UNHEALTHY: "the application's own health {endpoint} does not say that it is well",
}
"""What is wrong, where the rehearsal alone says so; a cause that the dialler knows has its words."""


def root_sentence(target: str, cause: Cause, phase: PhaseRecord, *, endpoint: str, remark: str = "") -> str:
    """``TARGET: WHAT (PHASE WHAT HAPPENED[; remark])``."""
    what = WHAT_OF_A_PHASE.get(cause) or WHAT[cause]
    names = {
        "missing": ", ".join(phase.missing) or "a secret",
        "endpoint": endpoint or "(address not known)",
        "name": f"of {endpoint or 'the Admin API'}",
    }
    return f"{target}: {what.format(**names)} ({phase.name} {_ended(phase)}{f'; {remark}' if remark else ''})"


def startup_sentence(target: str, rehearsal: Rehearsal, phase: PhaseRecord, *, remark: str = "") -> str:
    """Which phase ended the start-up, what it did against its budget, and what never began."""
    parts = [f"{target}: the application would not start: {phase.name} {_against_budget(phase)}"]
    parts += [blocked] if (blocked := blocked_phases(rehearsal)) else []
    parts += ["exit code 3"]
    parts += [remark] if remark else []
    return ", ".join(parts)


def blocked_phases(rehearsal: Rehearsal) -> str:
    """``phases 4 to 7 blocked``: what never began, by its place. Empty: nothing was left."""
    places = [n for n, p in enumerate(rehearsal.phases, start=1) if p.outcome is PhaseOutcome.BLOCKED]
    if not places:
        return ""
    if len(places) == 1:
        return f"phase {places[0]} blocked"
    if len(places) > TWO and places[-1] - places[0] == len(places) - 1:
        return f"phases {places[0]} to {places[-1]} blocked"
    *most, last = places
    return f"phases {', '.join(str(place) for place in most)} and {last} blocked"


def words_of(error: ErrorFacts | None) -> str:
    """`` [53300], "its words"``: what somebody said, with its status. Empty: nobody said anything."""
    if error is None:
        return ""
    status = error.sqlstate or (f"HTTP {error.http_status}" if error.http_status else "")
    state = f" [{status}]" if status else ""
    return state + (f", {quoted(error.message)}" if error.message else "")


def took_s(phase: PhaseRecord) -> float:
    """How long it ran; 0.0 where it was never begun."""
    return phase.span.duration_s if phase.span else 0.0


def _against_budget(phase: PhaseRecord) -> str:
    """``timed out after 75 s (budget 75 s, at connect)``: the budget of the phase, or of its step."""
    step = ending_step(phase)
    budget_s, where = phase.budget_s, f", at {step.name}" if step else ""
    if failure_of(phase) is not Failure.TIMEOUT:
        verb = f"failed ({phase.failure or 'without a word'})"
    else:
        verb = "timed out"
        if step and step.budget_s:
            budget_s, where = step.budget_s, where + _from(phase, step)
    return f"{verb} after {seconds(took_s(phase))} (budget {seconds(budget_s)}{where})"


def _from(phase: PhaseRecord, step: Step) -> str:
    """`` from 160 ms on``: when a step began that other steps had preceded."""
    if phase.span is None or step is phase.steps[0]:
        return ""
    return f" from {seconds(step.span.started_s - phase.span.started_s)} on"


def _ended(phase: PhaseRecord) -> str:
    """``password_rejected after 12 ms at connect [28P01], "..."``."""
    step, failure = ending_step(phase), failure_of(phase)
    where = f" at {step.name}" if step and step.name != phase.endpoint else ""
    took = f"after {seconds(took_s(phase))}{where}"
    if failure is Failure.TIMEOUT:
        return f"no answer {took}"
    return f"{failure or 'failed'} {took}{words_of(phase.error)}"
