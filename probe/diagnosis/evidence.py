"""Observations grouped into evidence: what happened on each path."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from probe.model.observation import Observation
from probe.model.words import Check, Failure, Outcome, Path, SkipReason, Stage

RAMPS = (Check.POOL, Check.CAPACITY, Check.HERD)
WITHOUT_STAGES = frozenset({Check.STARTUP, *RAMPS})
"""Their observations carry a result of their own: what fails there fails in no stage."""


@dataclass(frozen=True, kw_only=True)
class PathEvidence:
    """All attempts of one check at one target over one path."""

    check: Check
    target: str
    path: Path | None
    observations: tuple[Observation, ...]

    @cached_property
    def valid(self) -> tuple[Observation, ...]:
        """Those that ended in an answer of the target: passed or failed, without the conceded ones."""
        conceded = {observation.id for observation in self.conceded}
        return tuple(o for o in self.observations if _answered(o) and o.id not in conceded)

    @cached_property
    def conceded(self) -> tuple[Observation, ...]:
        """Attempts refused for their form: the first of each form in a round, where another followed."""
        first = {
            (observation.confirmation, form): observation
            for observation in reversed(self.observations)
            if (form := self._refused_form(observation))
        }
        return tuple(o for o in first.values() if self._done_without(o))

    @cached_property
    def last_round(self) -> tuple[Observation, ...]:
        """The valid attempts that decide: the confirmation's where there was one."""
        confirming = tuple(o for o in self.valid if o.confirmation)
        return confirming or self.valid

    @cached_property
    def failed(self) -> tuple[Observation, ...]:
        """The valid attempts that failed, of both rounds."""
        return tuple(o for o in self.valid if o.outcome is Outcome.FAILED)

    @cached_property
    def passed(self) -> tuple[Observation, ...]:
        """The attempts that passed, of both rounds."""
        return tuple(o for o in self.valid if o.outcome is Outcome.PASSED)

    @cached_property
    def success_ratio(self) -> float | None:
        """Share of the deciding attempts that passed; None without any."""
        return _ratio(self.last_round)

    def refuted(self, down_below: float) -> bool:
        """Whether a first round below this ratio was followed by a confirmation that was not."""
        first = _ratio([o for o in self.valid if not o.confirmation])
        again = _ratio([o for o in self.valid if o.confirmation])
        return first is not None and again is not None and first < down_below <= again

    @cached_property
    def endpoint(self) -> str:
        """The address that was dialled last."""
        return next((o.endpoint for o in reversed(self.observations) if o.endpoint), "")

    def _refused_form(self, observation: Observation) -> Stage | None:
        """The stage whose form was refused; a form that worked in another attempt was not."""
        failed = observation.failed_stage
        if failed is None:
            return None
        if failed.failure is Failure.PARAMETER_REFUSED:
            return failed.stage
        if (failed.stage, failed.failure) == (Stage.PROXY, Failure.RESET):
            return None if self._proxy_ever_answered else failed.stage
        alert = (failed.stage, failed.failure, self.path) == (Stage.TLS, Failure.TLS_ALERT, Path.PRIVATE_IP)
        return failed.stage if alert and not self._tls_passed_before(observation) else None

    def _done_without(self, refused: Observation) -> bool:
        """Whether what followed in its round left the form out, or was cut off before that could be seen."""
        later = [o for o in self.observations if _follows(o, refused)]
        answered = [o for o in later if _answered(o)]
        failed = refused.failed_stage
        if not answered or failed is None or failed.failure is Failure.PARAMETER_REFUSED:
            return bool(later)
        if failed.stage is Stage.PROXY:
            return any(_without_sslrequest(o) for o in answered)
        # The one curve of the first offer: every curve was offered next, and met something else.
        again = answered[0].failed_stage
        return again is None or (again.stage, again.failure) != (failed.stage, failed.failure)

    def _tls_passed_before(self, observation: Observation) -> bool:
        """Whether the same offer was taken earlier in this round."""
        earlier = (o for o in self.observations if _follows(observation, o))
        return any(r.stage is Stage.TLS and r.outcome is Outcome.PASSED for o in earlier for r in o.stages)

    @cached_property
    def _proxy_ever_answered(self) -> bool:
        records = (record for observation in self.observations for record in observation.stages)
        return any(r.stage is Stage.PROXY and r.outcome is Outcome.PASSED for r in records)


def group(observations: Iterable[Observation]) -> tuple[PathEvidence, ...]:
    """Evidence by check, target and path, in order of first appearance."""
    groups: dict[tuple[Check, str, Path | None], list[Observation]] = {}
    for observation in observations:
        key = (observation.check, observation.target, observation.path)
        groups.setdefault(key, []).append(observation)
    return tuple(
        PathEvidence(
            check=check,
            target=target,
            path=path,
            observations=tuple(sorted(members, key=lambda o: (o.confirmation, o.attempt))),
        )
        for (check, target, path), members in groups.items()
    )


def open_end(observations: Iterable[Observation]) -> bool:
    """Whether the deadline or a signal ended something, or the probe itself crashed in it."""
    reasons = (SkipReason.DEADLINE, SkipReason.INTERRUPTED)
    return any(o.skip_reason in reasons or o.outcome is Outcome.CRASHED for o in observations)


def _answered(observation: Observation) -> bool:
    if observation.outcome is Outcome.PASSED or observation.failed_stage is not None:
        return True
    return observation.outcome is Outcome.FAILED and observation.check in WITHOUT_STAGES


def _follows(later: Observation, earlier: Observation) -> bool:
    return later.confirmation is earlier.confirmation and later.attempt > earlier.attempt


def _without_sslrequest(observation: Observation) -> bool:
    left_out = (record for record in observation.stages if record.stage is Stage.PROXY)
    return any(record.skip_reason is SkipReason.SWITCHED_OFF for record in left_out)


def _ratio(observations: Iterable[Observation]) -> float | None:
    outcomes = [o.outcome is Outcome.PASSED for o in observations]
    return sum(outcomes) / len(outcomes) if outcomes else None
