"""What the child tells of a start-up, event by event, as a record that is complete at any moment."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from probe.model.application import Phase
from probe.model.facts import ErrorFacts
from probe.model.rehearsal import BAD_ENDS, PhaseOutcome, PhaseRecord, Rehearsal, Step
from probe.model.span import Span
from probe.model.words import Failure, SkipReason
from probe.rehearsal.messages import BEAT_S, Event


class Account:
    """Listens; ``rehearsal`` is what there is so far. Instants are made relative to ``origin_ns``."""

    def __init__(
        self, phases: tuple[Phase, ...], *, origin_ns: int, spawned_ns: int, start_delay_s: float
    ) -> None:
        self.under_way: str = ""
        """The phase that has begun and not ended; empty: none."""
        self.exit_code: int | None = None
        """What the child said that it would end with."""
        self.ready = False
        self._records = {phase.name: _unbegun(phase) for phase in phases}
        self._origin_ns = origin_ns
        self._spawned_ns = spawned_ns
        self._start_delay_s = start_delay_s
        self._child_start_s: float | None = None
        self._beat_ns = 0
        self._lag_s: dict[str, float] = {}
        self._parameters_refused = False

    def hear(self, event: Event) -> None:
        """Take an event in. Raises LookupError, TypeError, ValueError for one that makes no sense."""
        self._measure_lag(event)
        HEARD[event.kind](self, event)

    def rehearsal(self, now_ns: int) -> Rehearsal:
        """The record; a phase that is under way has the time that it had until now."""
        records = self._records | ({self.under_way: self._open(now_ns)} if self.under_way else {})
        return Rehearsal(
            phases=_with_blocked(tuple(records.values())),
            child_start_s=self._child_start_s,
            lag_s=max(self._lag_s.values(), default=0.0),
            overloaded=any(self._lagged(record) for record in records.values()),
            parameters_refused=self._parameters_refused,
        )

    def end(self, now_ns: int, outcome: PhaseOutcome, failure: Failure | None, error: ErrorFacts) -> None:
        """The phase that is under way ended like this, since its process can no longer say so."""
        if self.under_way:
            record = self._open(now_ns)
            steps = record.steps
            if failure and steps:
                steps = (*steps[:-1], replace(steps[-1], failure=failure))
            self._records[self.under_way] = replace(
                record, outcome=outcome, failure=failure, error=error, steps=steps
            )
            self.under_way = ""

    def silent_for(self, seconds: float) -> None:
        """The process did not get to run for so long."""
        self._lag_s[self.under_way] = max(self._lag_s.get(self.under_way, 0.0), seconds)

    def overdue_s(self, now_ns: int) -> float:
        """How far the phase that is under way has outlived its budget; 0.0: it has not, or there is none."""
        record = self._records.get(self.under_way)
        if record is None or record.span is None:
            return 0.0
        return max(0.0, (now_ns - self._origin_ns - record.span.started_ns) / 1e9 - record.budget_s)

    def _open(self, now_ns: int) -> PhaseRecord:
        record = self._records[self.under_way]
        steps = record.steps
        if steps and not steps[-1].finished:
            steps = (*steps[:-1], replace(steps[-1], span=self._until(steps[-1].span, now_ns)))
        return replace(record, span=self._until(record.span, now_ns), steps=steps)

    def _measure_lag(self, event: Event) -> None:
        """From beat to beat, and to what comes instead of a beat: both tell how late the child is."""
        if self.ready:
            lag_s = max(0.0, (event.at_ns - self._beat_ns) / 1e9 - BEAT_S)
            self._lag_s[self.under_way] = max(self._lag_s.get(self.under_way, 0.0), lag_s)
        if event.kind in {"ready", "beat"}:
            self._beat_ns = event.at_ns

    def _lagged(self, record: PhaseRecord) -> bool:
        """Whether our own lateness may have brought this end about; what was answered was answered."""
        crashed = record.outcome is PhaseOutcome.CRASHED
        late = record.outcome in BAD_ENDS and record.failure is Failure.TIMEOUT
        return (crashed or late) and self._lag_s.get(record.name, 0.0) > self._start_delay_s

    def _became_ready(self, event: Event) -> None:
        self.ready = True
        self._child_start_s = (event.at_ns - self._spawned_ns) / 1e9

    def _beat(self, event: Event) -> None:
        del event  # its instant has told

    def _phase_started(self, event: Event) -> None:
        self.under_way = str(event.fields["phase"])
        self._change(event, span=self._from(event))

    def _step_started(self, event: Event) -> None:
        fields = event.fields
        step = Step(
            name=str(fields["step"]),
            span=self._from(event),
            budget_s=float(fields["budget_s"]),
            finished=False,
        )
        record = self._records[fields["phase"]]
        self._change(event, steps=(*record.steps, step), endpoint=str(fields["endpoint"]))

    def _step_ended(self, event: Event) -> None:
        *before, last = self._records[event.fields["phase"]].steps
        ended = replace(
            last,
            span=self._until(last.span, event.at_ns),
            failure=_failure(event.fields["failure"]),
            finished=bool(event.fields["finished"]),
        )
        self._change(event, steps=(*before, ended))

    def _phase_ended(self, event: Event) -> None:
        fields = event.fields
        record = self._records[fields["phase"]]
        reason, error = fields["skip_reason"], fields["error"]
        outcome = PhaseOutcome(fields["outcome"])
        self._change(
            event,
            outcome=outcome,
            span=None if outcome is PhaseOutcome.SKIPPED else self._until(record.span, event.at_ns),
            failure=_failure(fields["failure"]),
            error=ErrorFacts(**error) if error else None,
            skip_reason=SkipReason(reason) if reason else None,
            endpoint=str(fields["endpoint"]),
            missing=tuple(str(name) for name in fields["missing"]),
            cpu_s=float(fields["cpu_s"]),
        )
        self._parameters_refused = self._parameters_refused or bool(fields["parameters_refused"])
        self.under_way = ""

    def _done(self, event: Event) -> None:
        self.exit_code = int(event.fields["exit_code"])

    def _change(self, event: Event, **values: Any) -> None:
        name = event.fields["phase"]
        self._records[name] = replace(self._records[name], **values)

    def _from(self, event: Event) -> Span:
        at_ns = event.at_ns - self._origin_ns
        return Span(started_ns=at_ns, ended_ns=at_ns)

    def _until(self, span: Span | None, now_ns: int) -> Span:
        ended_ns = now_ns - self._origin_ns
        started_ns = span.started_ns if span else ended_ns
        return Span(started_ns=started_ns, ended_ns=max(started_ns, ended_ns))


HEARD: Mapping[str, Callable[[Account, Event], None]] = {
    "ready": Account._became_ready,  # noqa: SLF001 - of this very class
    "beat": Account._beat,  # noqa: SLF001
    "phase_started": Account._phase_started,  # noqa: SLF001
    "step_started": Account._step_started,  # noqa: SLF001
    "step_ended": Account._step_ended,  # noqa: SLF001
    "phase_ended": Account._phase_ended,  # noqa: SLF001
    "done": Account._done,  # noqa: SLF001
}


def _unbegun(phase: Phase) -> PhaseRecord:
    return PhaseRecord(
        name=phase.name,
        kind=phase.does,
        outcome=PhaseOutcome.SKIPPED,
        budget_s=phase.budget_s,
        required=phase.required,
    )


def _with_blocked(records: tuple[PhaseRecord, ...]) -> tuple[PhaseRecord, ...]:
    """Those behind a required phase that did not complete are blocked, as in the application."""
    bad = [n for n, record in enumerate(records) if record.required and record.outcome in BAD_ENDS]
    if not bad:
        return records
    behind = bad[0] + 1
    blocked = (replace(record, outcome=PhaseOutcome.BLOCKED) for record in records[behind:])
    return (*records[:behind], *blocked)


def _failure(word: str | None) -> Failure | None:
    return Failure(word) if word else None
