"""Observations grouped into evidence: what happened on each path, and which endpoints answered."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from probe.model.observation import Observation, StageRecord
from probe.model.words import Check, Failure, Outcome, Path, SkipReason, Stage


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
        """Attempts refused for their form alone, after which another form was tried."""
        return tuple(
            observation
            for index, observation in enumerate(self.observations)
            if _refused_form(observation) and any(_answered(o) for o in self.observations[index + 1 :])
        )

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

    @cached_property
    def refuted(self) -> bool:
        """Whether a failing first round was followed by a confirmation that did not fail."""
        first = _ratio([o for o in self.valid if not o.confirmation])
        again = _ratio([o for o in self.valid if o.confirmation])
        return first is not None and again is not None and first < again

    @cached_property
    def decisive(self) -> StageRecord | None:
        """The stage that failed most often, the latest of equals; of the confirmation if that failed."""
        confirming = [o for o in self.failed if o.confirmation]
        records = [o.failed_stage for o in confirming or self.failed]
        counted = Counter((r.stage, r.failure) for r in records if r)
        return max(
            (r for r in records if r),
            key=lambda r: (counted[r.stage, r.failure], records.index(r)),
            default=None,
        )

    @cached_property
    def endpoint(self) -> str:
        """The address that was dialled last."""
        return next((o.endpoint for o in reversed(self.observations) if o.endpoint), "")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Which network endpoints answered a SYN at least once (a refusal is an answer), and which never."""

    answering: frozenset[str]
    silent: frozenset[str]
    owners: frozenset[tuple[str, str]] = frozenset()
    """Pairs of a target's or neighbour's name and a silent endpoint of it."""

    @classmethod
    def seen_in(cls, observations: Iterable[Observation]) -> "Endpoints":
        """From every TCP stage in the run; Unix sockets are no network endpoints."""
        answering: set[str] = set()
        silent: set[tuple[str, str]] = set()
        for observation in observations:
            record = _tcp(observation)
            if record is None or observation.endpoint is None:
                continue
            if record.outcome is Outcome.PASSED or record.failure in (Failure.REFUSED, Failure.RESET):
                answering.add(observation.endpoint)
            elif record.failure is Failure.TIMEOUT:
                silent.add((observation.target, observation.endpoint))
        owners = frozenset(pair for pair in silent if pair[1] not in answering)
        silent_ones = frozenset(endpoint for _owner, endpoint in owners)
        return cls(answering=frozenset(answering), silent=silent_ones, owners=owners)


def open_end(observations: Iterable[Observation]) -> bool:
    """Whether the deadline or a signal ended something, or the probe itself crashed in it."""
    reasons = (SkipReason.DEADLINE, SkipReason.INTERRUPTED)
    return any(o.skip_reason in reasons or o.outcome is Outcome.CRASHED for o in observations)


def _tcp(observation: Observation) -> StageRecord | None:
    if observation.path is Path.SOCKET or observation.check is Check.EGRESS:
        return None
    return next((r for r in observation.stages if r.stage is Stage.TCP and r.span), None)


def _answered(observation: Observation) -> bool:
    return observation.outcome in (Outcome.PASSED, Outcome.FAILED)


def _refused_form(observation: Observation) -> bool:
    failed = observation.failed_stage
    if failed is None:
        return False
    reset_in_proxy = failed.stage is Stage.PROXY and failed.failure is Failure.RESET
    return reset_in_proxy or failed.failure is Failure.PARAMETER_REFUSED


def _ratio(observations: Iterable[Observation]) -> float | None:
    outcomes = [o.outcome is Outcome.PASSED for o in observations]
    return sum(outcomes) / len(outcomes) if outcomes else None
