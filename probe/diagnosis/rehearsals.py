"""Which rehearsals of the start-up are believed, and which of them decides."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.evidence import PathEvidence
from probe.diagnosis.seen import overloaded
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.rehearsal import DETERMINISTIC_FAILURE, PhaseOutcome, PhaseRecord, Rehearsal
from probe.model.report import Finding
from probe.model.words import Blame, Outcome, Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A rehearsal that tells how the application would end."""

    observation: Observation
    rehearsal: Rehearsal
    confirmed: bool = True
    """False: it failed, and the one after the pause did not."""

    @property
    def target(self) -> str:
        """The application's target."""
        return self.observation.target

    @property
    def path(self) -> Path | None:
        """The application's way to it."""
        return self.observation.path

    @property
    def ended_by(self) -> PhaseRecord | None:
        """The required phase that ended the start-up."""
        return self.rehearsal.ended_by


def deciding(group: PathEvidence) -> Told | None:
    """The last one that tells: the confirmation's where there was one. None: none does."""
    return next(iter(reversed(tuple(_telling(group)))), None)


def failing(group: PathEvidence) -> Told | None:
    """The last one that ended in exit code 3, and whether it is the one that decides."""
    telling = tuple(_telling(group))
    failed = [told for told in telling if told.rehearsal.exit_code == DETERMINISTIC_FAILURE]
    if not failed:
        return None
    last = failed[-1]
    return Told(
        observation=last.observation,
        rehearsal=last.rehearsal,
        confirmed=last.observation is telling[-1].observation,
    )


def roots_of_failure(findings: Iterable[Finding], target: str) -> tuple[Finding, ...]:
    """What the failed start-up of this target is a consequence of."""
    known = tuple(findings)
    failed = [f for f in known if f.cause is Cause.STARTUP_FAILED and f.target == target]
    return tuple(f for f in known if f.id in {consequence.consequence_of for consequence in failed})


def of_the_target(roots: Iterable[Finding]) -> bool:
    """Whether any of these speaks of the target, not of what the probe itself lacks."""
    return any(CATALOGUE[root.cause].blame is Blame.TARGET for root in roots)


def crashed(observation: Observation) -> bool:
    """Whether the rehearsal itself went wrong: it ended without telling how the application would."""
    if overloaded(observation) or observation.outcome is Outcome.SKIPPED:
        return False
    return (
        observation.outcome is Outcome.CRASHED
        or crashed_phase(observation) is not None
        or _untold(observation)
    )


def crashed_phase(observation: Observation) -> PhaseRecord | None:
    """The phase in which the probe itself went wrong."""
    phases = observation.result.phases if isinstance(observation.result, Rehearsal) else ()
    return next((phase for phase in phases if phase.outcome is PhaseOutcome.CRASHED), None)


def _telling(group: PathEvidence) -> Iterator[Told]:
    for observation in group.valid:
        result = observation.result
        if isinstance(result, Rehearsal) and not result.overloaded and result.exit_code is not None:
            yield Told(observation=observation, rehearsal=result)


def _untold(observation: Observation) -> bool:
    return not isinstance(observation.result, Rehearsal) or observation.result.exit_code is None
