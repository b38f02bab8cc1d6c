"""Which rehearsals of the start-up are believed, and which of them decides."""

from collections.abc import Iterator
from dataclasses import dataclass

from probe.diagnosis.evidence import PathEvidence
from probe.model.observation import Observation
from probe.model.rehearsal import DETERMINISTIC_FAILURE, PhaseOutcome, PhaseRecord, Rehearsal
from probe.model.words import Outcome, Path

BAD_ENDS = (PhaseOutcome.FAILED, PhaseOutcome.TIMED_OUT)


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


def overloaded(observation: Observation) -> bool:
    """Whether the probe was too slow for anything in this observation to be believed."""
    return bool(getattr(observation.result, "overloaded", False))


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
