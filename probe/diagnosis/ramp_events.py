"""What a ramp's figures say about the server: who was refused, who waited, what slowed down."""

from collections.abc import Iterator

from probe.diagnosis.ramp_sentences import budget_sentence, failure_sentence, role_sentence, slower_sentence
from probe.diagnosis.rooms import peak_others
from probe.diagnosis.seen import Seen, finding, overloaded
from probe.diagnosis.sentences import seconds
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.ramp import Acquisition, AcquisitionOutcome, Ramp, Saturation, StopReason
from probe.model.report import Finding
from probe.model.words import Check, Failure, Outcome, Severity

CAPACITY_REFUSED_TOLERATED = 0.3
"""Share of the connections of ``capacity`` that may be refused, where the server's limit is the reason."""
HERD_LATE_TOLERATED = 0.2
"""Share of the acquisitions of ``herd`` that may take longer than a connection's time-out."""

AT_THE_LIMIT = (StopReason.REFUSED, StopReason.CANARY_FAILED)
NOTHING_OPENED = "not measured: the ramp's time was over before anything was opened"
OTHERWISE_FAILED = (StopReason.FAILED, StopReason.CONTROL_LOST)


def events(seen: Seen, observation: Observation) -> Iterator[Finding]:
    """What went wrong in one ramp. None: it was left out, cut off, crashed, or is not believed."""
    if overloaded(observation) or observation.outcome not in (Outcome.PASSED, Outcome.FAILED):
        return
    ramp = observation.result
    if not isinstance(ramp, Ramp):
        ramp = Ramp(saturation=Saturation.GUARDED, wanted=0, workers=0, keep_free=0)
    if _only_our_role(observation, ramp):
        yield _of(Cause.ROLE_LIMIT_REACHED, observation, role_sentence(observation, ramp), Severity.INFO)
    elif _fails(observation, ramp):
        yield _of(Cause.LOGINS_FAIL_BESIDE_RAMP, observation, failure_sentence(observation, ramp))
    yield from _slower(seen, observation, ramp)
    yield from _exhausted(observation, ramp)
    yield from _refused(observation, ramp)
    yield from _late(seen, observation, ramp)


def _fails(observation: Observation, ramp: Ramp) -> bool:
    """Whether connections failed that should have fitted."""
    if ramp.stopped in OTHERWISE_FAILED:
        return True
    if ramp.stopped in AT_THE_LIMIT or _refusals(ramp):
        return ramp.saturation is Saturation.GUARDED or ramp.held < _expected(ramp) - 1
    return observation.outcome is Outcome.FAILED


def _only_our_role(observation: Observation, ramp: Ramp) -> bool:
    """The limit of the probe's own role: ours, not the server's."""
    failures = {item.failure for item in _refusals(ramp)}
    failures |= {canary.failure for canary in ramp.canaries if canary.failure}
    failures |= {observation.failure} if observation.failure else set()
    return failures == {Failure.ROLE_LIMIT}


def _expected(ramp: Ramp) -> int:
    """How many connections a saturated ramp should get before it is refused; 0 where nobody can tell."""
    if ramp.limits is None or ramp.before is None:
        return 0
    places = [ramp.limits.usable - peak_others(ramp) - ramp.before.ours]
    if ramp.limits.database_limit is not None:
        places.append(ramp.limits.database_limit - ramp.before.database)
    if ramp.limits.role_limit is not None:
        places.append(ramp.limits.role_limit - ramp.before.role)
    return min(places)


def _slower(seen: Seen, observation: Observation, ramp: Ramp) -> Iterator[Finding]:
    if observation.outcome is Outcome.FAILED:
        return  # a connection that never came about is no slow one
    medians = [step.connect_median_s for step in ramp.steps if step.connect_median_s is not None]
    if ramp.stopped is StopReason.SLOWER and medians:
        sentence = slower_sentence(observation, ramp, min(medians[:-1] or medians), medians[-1])
        yield _slow(seen, observation, sentence, medians[-1])
    elif ramp.stopped is StopReason.BUDGET and ramp.held < ramp.allowed:
        connects = [item.connect_s for item in ramp.acquisitions if item.connect_s is not None]
        if not (connects or ramp.held):
            sentence = f"{observation.target}: {observation.check}: {NOTHING_OPENED}"
            yield _of(Cause.NOT_MEASURED, observation, sentence, Severity.INFO)
            return
        longest_s = max(connects, default=None)
        yield _slow(seen, observation, budget_sentence(observation, ramp, longest_s), longest_s or 0.0)


def _slow(seen: Seen, observation: Observation, sentence: str, connect_s: float) -> Finding:
    """A stop by the guard is as it should be; a warning is what would be one without a ramp as well."""
    slow = connect_s > seen.question.thresholds.connection_mean_s
    return _of(Cause.CONNECTS_SLOW_UNDER_LOAD, observation, sentence, Severity.WARNING if slow else None)


def _exhausted(observation: Observation, ramp: Ramp) -> Iterator[Finding]:
    """Workers that the pool itself sent away; in a guarded ramp its size is ours, and says nothing."""
    waited = [item for item in ramp.acquisitions if item.outcome is AcquisitionOutcome.TIMED_OUT]
    if waited and ramp.saturation is Saturation.FULL:
        longest_s = max(item.wait_s for item in waited)
        yield _of(
            Cause.POOL_EXHAUSTED,
            observation,
            f"{observation.target}: {len(waited)} of {ramp.workers} workers got no connection within "
            f"{seconds(longest_s)}: the pool of the {observation.check} check had {ramp.held} open",
        )


def _refused(observation: Observation, ramp: Ramp) -> Iterator[Finding]:
    """Where ``capacity`` is refused more than a healthy server refuses."""
    refused, every = _refusals(ramp), len(ramp.acquisitions)
    if observation.check is not Check.CAPACITY or _only_our_role(observation, ramp) or not refused:
        return
    share = len(refused) / every
    if ramp.saturation is Saturation.FULL and share >= CAPACITY_REFUSED_TOLERATED:
        others = f", with {peak_others(ramp)} held by others" if ramp.before else ""
        yield _of(
            Cause.SLOTS_EXHAUSTED,
            observation,
            f"{observation.target}: {len(refused)} of {every} connections of the capacity check were refused "
            f"({share:.0%}, tolerated below {CAPACITY_REFUSED_TOLERATED:.0%}): it held {ramp.held}{others}",
            Severity.WARNING,
        )


def _late(seen: Seen, observation: Observation, ramp: Ramp) -> Iterator[Finding]:
    """Where many of ``herd`` take longer than a connection may; one cut off took at least as long."""
    limit_s, every = seen.question.application.connection_timeout_s, ramp.acquisitions
    late = [item for item in every if (_counted_s(item, ramp) or 0.0) > limit_s]
    if observation.check is Check.HERD and late and len(late) >= HERD_LATE_TOLERATED * len(every):
        yield _of(
            Cause.CONNECTS_SLOW_UNDER_LOAD,
            observation,
            f"{observation.target}: {len(late)} of {len(every)} instances that start at once wait longer "
            f"than {seconds(limit_s)} for a connection ({len(late) / len(every):.0%}, tolerated below "
            f"{HERD_LATE_TOLERATED:.0%})",
            Severity.WARNING,
        )


def _counted_s(item: Acquisition, ramp: Ramp) -> float | None:
    """The wait; in a guarded ramp the guard makes them wait, so there only the connect itself counts."""
    return item.wait_s if ramp.saturation is Saturation.FULL else item.connect_s


def _refusals(ramp: Ramp) -> list[Acquisition]:
    return [item for item in ramp.acquisitions if item.outcome is AcquisitionOutcome.REFUSED]


def _of(cause: Cause, observation: Observation, sentence: str, severity: Severity | None = None) -> Finding:
    return finding(
        cause, observation.target, sentence, [observation.id], path=observation.path, severity=severity
    )
