"""What happened while a pool was filled, in words."""

from probe.diagnosis.rooms import holders, peak_others
from probe.diagnosis.sentences import seconds, words_of
from probe.model.facts import ErrorFacts
from probe.model.observation import Observation
from probe.model.ramp import Acquisition, AcquisitionOutcome, Ramp, StopReason
from probe.model.words import Failure

NO_SLOT = (Failure.SLOTS_EXHAUSTED, Failure.ONLY_RESERVED_SLOTS)
FAILED = (AcquisitionOutcome.FAILED, AcquisitionOutcome.REFUSED)


def failure_sentence(observation: Observation, ramp: Ramp) -> str:
    """What failed, how much the ramp held then, who else has connections, and that it let go."""
    name, check = observation.target, observation.check
    held = f"while the {check} check held {_held(ramp)}"
    parts = [_others(ramp)] if ramp.before else []
    parts += ["the ramp stopped and let go"] if ramp.stopped else ["nothing was ramped"]
    parts += ["what is left of it nobody could count"] if ramp.stopped and ramp.left_behind is None else []
    return f"{name}: {_what(observation, ramp)} {held}; {', '.join(parts)}"


def role_sentence(observation: Observation, ramp: Ramp) -> str:
    """The limit of the probe's own role, met on the way."""
    return (
        f"{observation.target}: the probe's own role reached its CONNECTION LIMIT while the "
        f"{observation.check} check held {_held(ramp)}: ours, not the server's"
    )


def _others(ramp: Ramp) -> str:
    """Where no slot was left, what we did not hold others did; with the largest holders."""
    peak, who = peak_others(ramp), holders(ramp)
    if ramp.limits and ramp.before and _refusal(ramp) in NO_SLOT:
        peak = max(peak, ramp.limits.usable - _ours_then(ramp) - ramp.before.ours)
    return f"others held up to {peak}{f' ({who})' if who else ''}"


def _refusal(ramp: Ramp) -> Failure | None:
    """What failed first: a canary, else one of the ramp's own."""
    failures = [canary.failure for canary in ramp.canaries if canary.failure]
    failures += [item.failure for item in ramp.acquisitions if item.failure]
    return failures[0] if failures else None


def why(error: ErrorFacts | None) -> str:
    """`` ([42501], "..."``)``: somebody's reason, in brackets. Empty: none was given."""
    words = words_of(error).strip(" ,")
    return f" ({words})" if words else ""


def slower_sentence(observation: Observation, ramp: Ramp, begin_s: float, end_s: float) -> str:
    """How the median went."""
    return (
        f"{observation.target}: connecting slows down under load: from {seconds(begin_s)} to "
        f"{seconds(end_s)} (median) at {ramp.held} connections of the "
        f"{observation.check} check; the ramp stopped there"
    )


def budget_sentence(observation: Observation, ramp: Ramp, longest_s: float | None) -> str:
    """A ramp that did not get to its end in its time."""
    connects = f"; the longest connect took {seconds(longest_s)}" if longest_s is not None else ""
    return (
        f"{observation.target}: the time of the {observation.check} check was used up at {ramp.held} of "
        f"{ramp.allowed} connections that the guard allowed{connects}"
    )


def _what(observation: Observation, ramp: Ramp) -> str:
    if ramp.stopped is StopReason.CONTROL_LOST:
        return f"the control connection ended{why(ramp.error or observation.error)}"
    canary = next((canary for canary in ramp.canaries if canary.failure), None)
    if canary is not None and ramp.stopped is not StopReason.REFUSED:
        return f"a login beside the ramp failed: {_ended(canary.failure, canary.error)}"
    item = next((item for item in ramp.acquisitions if item.outcome in FAILED), None)
    error = (item.error if item else None) or ramp.error or observation.error
    failure = (item.failure if item else None) or observation.failure
    return f"one of its connections failed: {_ended(failure, error)}"


def _held(ramp: Ramp) -> str:
    held = _held_then(ramp)
    return f"{held} connection{'s' * (held != 1)}"


def _held_then(ramp: Ramp) -> int:
    """What was open when it failed: what a canary found, and what came while it was under way."""
    failed = next((canary for canary in ramp.canaries if canary.failure), None)
    if failed is None:
        return ramp.held
    opened = [item for item in ramp.acquisitions if item.connect_s is not None]
    return max(failed.held, sum(item.finished_ns <= failed.span.ended_ns for item in opened))


def _ours_then(ramp: Ramp) -> int:
    """The same with our own logins that were under way: none of them is a stranger's."""
    ends_ns = [canary.span.ended_ns for canary in ramp.canaries if canary.failure]
    ends_ns += [item.finished_ns for item in ramp.acquisitions if item.failure]
    until_ns = min(ends_ns, default=0)
    begun = [item for item in ramp.acquisitions if item.started_ns <= until_ns and _took_a_slot(item)]
    return max(_held_then(ramp), len(begun))


def _took_a_slot(item: Acquisition) -> bool:
    return item.connect_s is not None or item.outcome is AcquisitionOutcome.CUT_OFF


def _ended(failure: Failure | None, error: ErrorFacts | None) -> str:
    return f"{failure or 'no reason given'}{words_of(error)}"
