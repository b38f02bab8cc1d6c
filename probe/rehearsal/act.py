"""One phase under way: its steps, its deadlines, and how it ended. A phase that hangs is left behind."""

import queue
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from probe.dial.clock import Deadline
from probe.dial.failures import StageFailure, error_facts
from probe.model.application import Phase
from probe.model.facts import ErrorFacts
from probe.model.rehearsal import PhaseOutcome
from probe.model.words import Failure, SkipReason
from probe.rehearsal.kit import Kit
from probe.rehearsal.messages import Reporter
from probe.rehearsal.stack_failures import as_stack_failure

MAX_CRASH_TEXT = 2000
AT_ONCE_S = 0.1
"""A time-out so shortly before the deadline is the deadline's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a phase ended."""

    outcome: PhaseOutcome
    failure: Failure | None = None
    error: ErrorFacts | None = None
    skip_reason: SkipReason | None = None
    left_behind: bool = False
    """Its work goes on, for all that we know."""


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    budget_s: float
    deadline: Deadline


@dataclass(slots=True, kw_only=True)
class Findings:
    """What a phase learns on its way, whatever its end."""

    endpoint: str = ""
    missing: tuple[str, ...] = ()
    parameters_refused: bool = False
    abandon: list[Callable[[], None]] = field(default_factory=list)
    """What to close when the phase is left behind, so that nobody feeds it for ever."""
    farewells: list[Callable[[], None]] = field(default_factory=list)
    """Good-byes, each bounded, for when the phase has ended and was told: in no figure, and never judged."""


class Act:
    """A phase on a thread of its own, and what it reports. ``play`` is for the main thread."""

    def __init__(self, kit: Kit, phase: Phase, reporter: Reporter) -> None:
        self.kit = kit
        self.phase = phase
        self.findings = Findings()
        self.deadline = Deadline.after(phase.budget_s)
        self._reporter = reporter
        self._lock = threading.Lock()
        self._step: _Step | None = None
        self._over = False
        self._signals: queue.SimpleQueue[Ending | None] = queue.SimpleQueue()

    def begin(self, step: str, budget_s: float | None = None, *, endpoint: str = "") -> Deadline:
        """End the step before as passed and begin this one. Its deadline is also the phase's.

        Raises TimeoutError where there is no time left.
        """
        left_s = self.deadline.left_s()
        allowed_s = left_s if budget_s is None else min(budget_s, left_s)
        with self._lock:
            if self._over:
                raise TimeoutError("left behind")
            self._end_step()
            self._step = begun = _Step(step, allowed_s, Deadline.after(allowed_s))
            self.findings.endpoint = endpoint or self.findings.endpoint
            self._say("step_started", step=step, budget_s=allowed_s, endpoint=self._shown_endpoint())
        self._signals.put(None)  # whoever waits for us has another deadline to wait for
        return begun.deadline

    def play(self, work: Callable[["Act"], bool]) -> Ending:
        """Do the phase's work, within its budget; ``work`` says whether anything was configured for it."""
        self._say("phase_started")
        begun_cpu_s = time.process_time()
        threading.Thread(target=self._work, args=(work,), daemon=True, name=self.phase.name).start()
        ending = self._await()
        with self._lock:
            self._end_step(ending)
            self._say_end(ending, time.process_time() - begun_cpu_s)
            self._over = True
        for close in self.findings.abandon if ending.left_behind else self.findings.farewells:
            close()
        return ending

    def _say_end(self, ending: Ending, cpu_s: float) -> None:
        found, error = self.findings, self.kit.redaction.clean(ending.error)
        self._say(
            "phase_ended",
            outcome=ending.outcome,
            failure=ending.failure,
            error=asdict(error) if error else None,
            skip_reason=ending.skip_reason,
            endpoint=self._shown_endpoint(),
            missing=found.missing,
            parameters_refused=found.parameters_refused,
            cpu_s=cpu_s,
        )

    def _work(self, work: Callable[["Act"], bool]) -> None:
        try:
            ending = (
                Ending(outcome=PhaseOutcome.COMPLETED)
                if work(self)
                else Ending(outcome=PhaseOutcome.SKIPPED, skip_reason=SkipReason.NOT_CONFIGURED)
            )
        except BaseException as error:  # the one guard: what is known is a failure, anything else is ours
            ending = self._failed(error)
        self._signals.put(ending)

    def _await(self) -> Ending:
        while True:
            current = self._current()
            try:
                ending = self._signals.get(timeout=current.left_s())
            except (queue.Empty, TimeoutError):
                if self._current() is not current:  # another step began at the last moment
                    continue
                return self._too_late()
            if ending is not None:
                return ending

    def _current(self) -> Deadline:
        step = self._step
        return step.deadline if step else self.deadline

    def _too_late(self) -> Ending:
        step = self._step
        what, budget_s = (step.name, step.budget_s) if step else (self.phase.name, self.phase.budget_s)
        error = ErrorFacts(type="TimeoutError", message=f"{what}: not done within {budget_s:.3g} s")
        return Ending(outcome=PhaseOutcome.TIMED_OUT, failure=Failure.TIMEOUT, error=error, left_behind=True)

    def _failed(self, error: BaseException) -> Ending:
        known = as_stack_failure(error, metadata_expected=self.kit.request.metadata_expected)
        if known is None:
            text = "".join(traceback.format_exception(error))[-MAX_CRASH_TEXT:]
            return Ending(outcome=PhaseOutcome.CRASHED, error=replace(error_facts(error), message=text))
        return Ending(outcome=self._outcome_of(known), failure=known.failure, error=known.error)

    def _outcome_of(self, known: StageFailure) -> PhaseOutcome:
        left_s = (self._current().at_ns - time.monotonic_ns()) / 1e9
        too_late = known.failure is Failure.TIMEOUT and left_s < AT_ONCE_S
        return PhaseOutcome.TIMED_OUT if too_late else PhaseOutcome.FAILED

    def _end_step(self, ending: Ending | None = None) -> None:
        if self._step is None:
            return
        failure = ending.failure if ending else None
        open_end = ending is not None and (ending.left_behind or ending.outcome is PhaseOutcome.CRASHED)
        self._say("step_ended", step=self._step.name, failure=failure, finished=not open_end)
        self._step = None

    def _say(self, kind: str, **fields: object) -> None:
        if not self._over:  # who was left behind has nothing more to say
            self._reporter.emit(kind, phase=self.phase.name, **fields)

    def _shown_endpoint(self) -> str:
        return self.kit.redaction.clean(self.findings.endpoint)
