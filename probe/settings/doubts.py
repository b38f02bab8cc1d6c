"""What is possible, and hardly meant: budgets that end inside one another. Times in seconds."""

from collections.abc import Iterator

from probe.model.application import PHASES
from probe.model.words import Check
from probe.settings.schema import Settings

KEPT_BACK = 0.25
"""The most of a run's time that is kept back for its metrics."""


def measuring_s(settings: Settings, deadline_s: float) -> float:
    """A run's deadline less what is kept back of it for delivering the metrics."""
    if not settings.monitoring.enabled:
        return deadline_s
    return deadline_s - min(settings.monitoring.budget_s, KEPT_BACK * deadline_s)


def doubts(settings: Settings) -> Iterator[str]:
    """Sentences of the form ``KEY: why it is hardly meant``."""
    timeouts = settings.timeouts
    if timeouts.tcp_s > timeouts.connection_s:
        budgets = f"{timeouts.tcp_s:g} is above connection_s {timeouts.connection_s:g}"
        yield f"timeouts.tcp_s: {budgets}, where every attempt ends"
    yield from dict.fromkeys(_profile_doubts(settings))  # several profiles may share one deadline


def _profile_doubts(settings: Settings) -> Iterator[str]:
    for name, profile in settings.profiles.items():
        key = "deadline_s" if profile.deadline_s is None else f"profiles.{name}.deadline_s"
        deadline_s = profile.deadline_s or settings.deadline_s
        yield from _deadline_doubts(settings, key, deadline_s)
        if Check.STARTUP in profile.checks:
            yield from _rehearsal_doubts(settings, key, deadline_s)


def _deadline_doubts(settings: Settings, key: str, deadline_s: float) -> Iterator[str]:
    left_s, connection_s = measuring_s(settings, deadline_s), settings.timeouts.connection_s
    left = f"{deadline_s:g} leaves {left_s:g} s for measuring"
    if left_s < connection_s:
        yield f"{key}: {left}, less than one attempt may take: connection_s {connection_s:g}"
    if settings.confirm_after_s and settings.confirm_after_s >= left_s:
        yield f"{key}: {left}, no more than confirm_after_s {settings.confirm_after_s:g}: never confirmed"


def rehearsal_s(settings: Settings) -> float:
    """The longest that a rehearsal of the application's start-up takes."""
    return sum(phase.budget_s for phase in settings.startup.phases or PHASES)


def _rehearsal_doubts(settings: Settings, key: str, deadline_s: float) -> Iterator[str]:
    left_s, wanted_s = measuring_s(settings, deadline_s), rehearsal_s(settings)
    if left_s < wanted_s:
        left = f"{deadline_s:g} leaves {left_s:g} s for measuring"
        yield f"{key}: {left}, less than the phases of the start-up may take: {wanted_s:g} in all"
