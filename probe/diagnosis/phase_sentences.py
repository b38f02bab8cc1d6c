"""What a rehearsal's phases did, in words. Times in seconds, three significant digits."""

from probe.diagnosis.phase_causes import by_google, ending_step, failure_of
from probe.diagnosis.sentences import WHAT, seconds, words_of
from probe.model.cause import Cause
from probe.model.rehearsal import PhaseOutcome, PhaseRecord, Rehearsal, Step
from probe.model.words import Failure

TWO = 2
NOT_CONFIRMED = "not confirmed: rehearsed again after the pause it would start"

WHAT_OF_A_PHASE: dict[Cause, str] = {
    Cause.REHEARSAL_CRASHED: "the rehearsal went wrong before it had asked anybody anything",
    Cause.SECRET_MISSING: "the application needs {missing}, not set here",
    Cause.STARTUP_DATABASE_FAILED: "the application's own stack does not get through to {database}",
    Cause.REQUIRED_TABLE_MISSING: "required tables do not exist: {missing}",
    Cause.SCHEMA_CHECK_SLOW: "connecting and the first query work, and the schema check is not answered",
    Cause.CACHE_UNREACHABLE: "the cache {endpoint} cannot be reached, or lets nobody in",
    Cause.CACHE_PASSWORD_REJECTED: "the cache {endpoint} {refuses}",
    Cause.CACHE_SILENT: "the cache {endpoint} accepts connections and does not answer",
    Cause.SERVICE_UNAVAILABLE: "the service {endpoint} does not say that it is well",
    Cause.WEBSOCKET_NOT_READY: "the WebSocket endpoint {endpoint} is not ready",
    Cause.APPLICATION_UNHEALTHY: "the application's own health {endpoint} does not say that it is well",
}
"""What is wrong, where the rehearsal alone says so; a cause that the dialler knows has its words."""

NONE_CONFIGURED = "demands a password, and none is configured"
NONE_WANTED = "has no password, and one is sent"
REFUSALS = {
    "noauth": NONE_CONFIGURED,
    "authentication required": NONE_CONFIGURED,
    "without any password": NONE_WANTED,
    "no password is set": NONE_WANTED,
}
"""What Redis's words for a refusal mean; by any others it rejects the password that is sent."""

LENT = {
    Cause.SECRET_MISSING: "environment",
    Cause.REHEARSAL_CRASHED: "process",
    Cause.WRONG_REGION: "settings",
    Cause.WRONG_ENGINE: "settings",
}
"""What of the probe's a rehearsal that fails for want of it was played with; by default its identity."""


def root_sentence(target: str, cause: Cause, phase: PhaseRecord, *, endpoint: str, remark: str = "") -> str:
    """``TARGET: WHAT (PHASE WHAT HAPPENED[; remark])``."""
    what = WHAT_OF_A_PHASE.get(cause) or WHAT[cause]
    names = {
        "missing": ", ".join(phase.missing) or "a secret",
        "endpoint": endpoint or ("(address not known)" if cause in WHAT_OF_A_PHASE else "the endpoint"),
        "database": f"the database {endpoint}".rstrip(),
        "name": f"of {'the Admin API' if by_google(phase) or not endpoint else endpoint}",
        "refuses": _refuses(phase),
    }
    return f"{target}: {what.format(**names)} ({phase.name} {_ended(phase)}{f'; {remark}' if remark else ''})"


def startup_sentence(target: str, rehearsal: Rehearsal, phase: PhaseRecord, *, remark: str = "") -> str:
    """Which phase ended the start-up, what it did against its budget, and what never began."""
    parts = [f"{target}: the application would not start: {phase.name} {_against_budget(phase)}"]
    parts += [blocked] if (blocked := blocked_phases(rehearsal)) else []
    parts += ["exit code 3"]
    parts += [remark] if remark else []
    return ", ".join(parts)


def borrowed_sentence(
    target: str, rehearsal: Rehearsal, phase: PhaseRecord, cause: Cause, *, remark: str = ""
) -> str:
    """The same where ``cause`` speaks of the probe: what the application has was not tried."""
    lent = LENT.get(cause, "identity")
    parts = [f"{target}: with the probe's own {lent} the start-up ends in {phase.name}"]
    parts += [f"which {_against_budget(phase)}"]
    parts += [blocked] if (blocked := blocked_phases(rehearsal)) else []
    unknown = "whether the application's own does is not known"
    return "; ".join([", ".join(parts), unknown, *([remark] if remark else [])])


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


def _refuses(phase: PhaseRecord) -> str:
    words = phase.error.message.lower() if phase.error else ""
    return next((meaning for said, meaning in REFUSALS.items() if said in words), "rejects the password")


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
