"""Many series at once, each on a thread of its own, until all are done, the deadline, or a signal."""

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from probe.checks.series import Sampling, Series
from probe.dial.clock import Deadline
from probe.model.observation import Observation
from probe.model.words import Check, Path, SkipReason, Stage

POLL_S = 0.05
"""How soon a signal is noticed."""


class Watcher(Protocol):
    """Who wants to see what happens while it happens; called from any thread."""

    def stage_started(
        self, check: Check, target: str, path: Path | None, attempt: int, stage: Stage, /
    ) -> None:
        """An attempt has come to this stage."""

    def attempt_finished(self, observation: Observation, /) -> None:
        """An attempt has ended."""

    def pausing(self, seconds: float, /) -> None:
        """Nothing happens for so long, unless a signal comes; then a ``down`` is measured once more."""

    def phase_started(self, target: str, phase: str, /) -> None:
        """The rehearsal of a start-up has come to this phase."""

    def ramp_stepped(self, check: Check, target: str, held: int, free: int | None, /) -> None:
        """A ramp holds so many connections, and leaves so many slots to others."""


class Nobody:
    """Watches nothing."""

    def stage_started(self, *_where: object) -> None:
        """Ignore it."""

    def attempt_finished(self, _observation: Observation) -> None:
        """Ignore it."""

    def pausing(self, _seconds: float) -> None:
        """Ignore it."""

    def phase_started(self, _target: str, _phase: str) -> None:
        """Ignore it."""

    def ramp_stepped(self, *_state: object) -> None:
        """Ignore it."""


def observe(
    all_series: Sequence[Series],
    *,
    origin_ns: int,
    deadline: Deadline,
    interrupted: threading.Event,
    watcher: Watcher,
) -> tuple[Observation, ...]:
    """Every attempt of every series; ``watcher`` sees each begin and end.

    What is still under way at the deadline or at a signal is cut off, and what it had measured is kept.
    The threads are daemons and are not joined: one that hangs in the kernel hangs alone. Only one that holds
    something gets the time that its series names to let go of it.
    """
    answers: queue.SimpleQueue[Observation | Sampling] = queue.SimpleQueue()
    samplings = [
        Sampling(series, origin_ns=origin_ns, stage_started=watcher.stage_started) for series in all_series
    ]
    if (reason := _reason_to_stop(deadline, interrupted)) is not None:
        return _left_out(samplings, reason, watcher)
    for sampling in samplings:
        threading.Thread(target=_work, args=(sampling, answers), daemon=True).start()
    observations: dict[str, Observation] = {}  # by id: what was cut off may have ended at the same instant
    running = set(samplings)
    while running:
        reason = _reason_to_stop(deadline, interrupted)
        for answer in _waiting(answers, wait=reason is None):
            if isinstance(answer, Sampling):
                running.discard(answer)
            else:
                observations[answer.id] = answer
                watcher.attempt_finished(answer)
        if reason is not None:
            for observation in _cut_off(running, reason):
                if observations.setdefault(observation.id, observation) is observation:
                    watcher.attempt_finished(observation)
            _await_release(running, answers)
            break
    order = {_key(series): number for number, series in enumerate(all_series)}
    return tuple(sorted(observations.values(), key=lambda o: (order[_key(o)], o.attempt)))


def _left_out(samplings: Iterable[Sampling], reason: SkipReason, watcher: Watcher) -> tuple[Observation, ...]:
    """Nothing is begun any more."""
    observations = tuple(one for sampling in samplings for one in sampling.left_out(reason))
    for observation in observations:
        watcher.attempt_finished(observation)
    return observations


def _await_release(running: Iterable[Sampling], answers: "queue.SimpleQueue[Observation | Sampling]") -> None:
    """Return when those that hold a process or connections have let go of them, or should have."""
    holding = {sampling for sampling in running if sampling.series.release_s}
    until = Deadline.after(max((sampling.series.release_s for sampling in holding), default=0.0))
    while holding:
        try:
            answer = answers.get(timeout=until.left_s())
        except (queue.Empty, TimeoutError):
            return
        if isinstance(answer, Sampling):
            holding.discard(answer)


def _key(item: Series | Observation) -> tuple[Check, str, Path | None]:
    return item.check, item.target, item.path


def _work(sampling: Sampling, answers: "queue.SimpleQueue[Observation | Sampling]") -> None:
    try:
        for observation in sampling.observe():
            answers.put(observation)
    finally:
        answers.put(sampling)


def _reason_to_stop(deadline: Deadline, interrupted: threading.Event) -> SkipReason | None:
    if interrupted.is_set():
        return SkipReason.INTERRUPTED
    try:
        deadline.left_s()
    except TimeoutError:
        return SkipReason.DEADLINE
    return None


def _waiting(
    answers: "queue.SimpleQueue[Observation | Sampling]", *, wait: bool
) -> Iterator[Observation | Sampling]:
    try:
        yield answers.get(timeout=POLL_S if wait else 0)
        while True:
            yield answers.get_nowait()
    except queue.Empty:
        return


def _cut_off(running: Iterable[Sampling], reason: SkipReason) -> Iterator[Observation]:
    for sampling in running:
        yield from sampling.cut_off(reason)
