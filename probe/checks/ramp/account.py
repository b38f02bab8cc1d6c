"""The parent's view of the load: what was asked of the child, and what it said of each worker."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from probe.dial.failures import StageFailure
from probe.model.facts import ErrorFacts
from probe.model.ramp import Acquisition, AcquisitionOutcome
from probe.model.words import Failure
from probe.rehearsal.child import Child
from probe.rehearsal.messages import BEAT_S, Event

STAY_S = 0.5
"""How often the child hears that we are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    step: int
    intended_ns: int
    started_ns: int | None = None


class LoadAccount:
    """Instants of events are the machine's; those of acquisitions count from the run's start."""

    def __init__(self, child: Child, *, origin_ns: int) -> None:
        self._child = child
        self._origin_ns = origin_ns
        self._wishes: dict[int, _Wish] = {}
        self._opening: set[int] = set()
        self._stayed_ns = 0
        self.acquisitions: tuple[Acquisition, ...] = ()
        self.ready = self.filled = self.released = self.parameters_refused = False
        self.open = self.opened = self.most = 0
        """Connections that are open, that ever were, and the most at once."""
        self.unanswered = 0
        """Logins that were begun and have not ended, or that ended by our own time-out."""
        self.refused_ns: int | None = None
        """When the server first refused a connection for want of a slot."""
        self.refused: ErrorFacts | None = None
        self.failed: StageFailure | None = None
        """Why a connection failed otherwise, or broke while it was held."""
        self.crashed: str = ""
        """What went wrong in a worker by the probe's own fault."""

    @property
    def known(self) -> int:
        """Connections that are open or may be any moment."""
        return self.open + len(self._opening)

    @property
    def waiting(self) -> frozenset[int]:
        """Workers that have been told to want a connection, and have no answer yet."""
        return frozenset(self._wishes)

    @property
    def overdue_s(self) -> float:
        """How long the child has been silent beyond its beat. For when there is nothing left to hear."""
        return (time.monotonic_ns() - self._child.heard_ns) / 1e9 - BEAT_S if self.ready else 0.0

    @property
    def late_s(self) -> float:
        """The longest that the child did not get to run, or a worker began after it was meant to."""
        delays = (acquisition.start_delay_s for acquisition in self.acquisitions)
        return max(self._child.lag_s, *delays, 0.0)

    def ask(self, workers: Iterable[int], *, step: int, opens: bool, allowed: int) -> None:
        """These want a connection now; ``opens``: a new one each, ``allowed`` of them in all."""
        asked = tuple(workers)
        now_ns = time.monotonic_ns()
        self._wishes |= {worker: _Wish(step=step, intended_ns=now_ns) for worker in asked}
        if opens:
            self._opening |= set(asked)
        self.tell("open", workers=asked, step=step, intended_ns=now_ns, allowed=allowed)

    def tell(self, command: str, **fields: object) -> None:
        """Send a command."""
        self._stayed_ns = time.monotonic_ns()
        self._child.send({"do": command, **fields})

    def stay(self) -> None:
        """Let the child hear from us, where it has not for a while."""
        if time.monotonic_ns() - self._stayed_ns > STAY_S * 1e9:
            self.tell("stay")

    def note(self, event: Event) -> None:
        """Take in one event."""
        noted = _NOTES.get(event.kind)
        if noted is not None:
            noted(self, event)

    def cut_off(self) -> None:
        """Whoever still waits has waited at least until now."""
        now_ns = time.monotonic_ns()
        for worker, wish in self._wishes.items():
            self._append(
                worker,
                wish,
                started_ns=wish.started_ns or now_ns,
                finished_ns=now_ns,
                outcome=AcquisitionOutcome.CUT_OFF,
            )
        self._wishes.clear()
        self._opening.clear()

    def of_step(self, step: int) -> tuple[Acquisition, ...]:
        """The acquisitions of one step."""
        return tuple(acquisition for acquisition in self.acquisitions if acquisition.step == step)

    def _note_ready(self, _event: Event) -> None:
        self.ready = True

    def _note_filled(self, _event: Event) -> None:
        self.filled = True

    def _note_released(self, event: Event) -> None:
        self.released = True
        self.open = 0
        self.parameters_refused = event.fields["parameters_refused"] is True

    def _note_asked(self, event: Event) -> None:
        worker, started_ns = event.fields["worker"], event.fields["started_ns"]
        wish = self._wishes[worker]
        self._wishes[worker] = _Wish(step=wish.step, intended_ns=wish.intended_ns, started_ns=started_ns)

    def _note_opening(self, _event: Event) -> None:
        self.unanswered += 1

    def _note_unopened(self, _event: Event) -> None:
        self.unanswered -= 1

    def _note_opened(self, _event: Event) -> None:
        self.unanswered -= 1
        self.open += 1
        self.opened += 1
        self.most = max(self.most, self.open)

    def _note_closed(self, _event: Event) -> None:
        self.open = max(0, self.open - 1)

    def _note_ended(self, event: Event) -> None:
        fields = event.fields
        worker = fields["worker"]
        wish = self._wishes.pop(worker)
        self._opening.discard(worker)
        outcome, failure, error = AcquisitionOutcome(fields["outcome"]), *_why(fields)
        self._append(
            worker,
            wish,
            started_ns=fields["started_ns"],
            finished_ns=fields["finished_ns"],
            outcome=outcome,
            connect_s=fields["connect_s"],
            failure=failure,
            error=error,
        )
        if outcome is AcquisitionOutcome.REFUSED:
            self.refused_ns = self.refused_ns or fields["finished_ns"]
            self.refused = self.refused or error
        elif outcome is AcquisitionOutcome.FAILED:
            self.unanswered += failure is Failure.TIMEOUT
            self._broken(failure, error)

    def _note_lost(self, event: Event) -> None:
        self._broken(*_why(event.fields))

    def _broken(self, failure: Failure | None, error: ErrorFacts | None) -> None:
        if failure is None or error is None:
            self.crashed = self.crashed or (error.message if error else "a worker ended without a reason")
        else:
            self.failed = self.failed or StageFailure(failure, error)

    def _append(
        self,
        worker: int,
        wish: _Wish,
        *,
        started_ns: int,
        finished_ns: int,
        outcome: AcquisitionOutcome,
        connect_s: float | None = None,
        failure: Failure | None = None,
        error: ErrorFacts | None = None,
    ) -> None:
        ended = Acquisition(
            worker=worker,
            step=wish.step,
            intended_ns=wish.intended_ns - self._origin_ns,
            started_ns=started_ns - self._origin_ns,
            finished_ns=finished_ns - self._origin_ns,
            outcome=outcome,
            connect_s=connect_s,
            failure=failure,
            error=error,
        )
        self.acquisitions += (ended,)


_NOTES = {
    "ready": LoadAccount._note_ready,  # noqa: SLF001 - of this very class
    "filled": LoadAccount._note_filled,  # noqa: SLF001
    "released": LoadAccount._note_released,  # noqa: SLF001
    "asked": LoadAccount._note_asked,  # noqa: SLF001
    "opening": LoadAccount._note_opening,  # noqa: SLF001
    "unopened": LoadAccount._note_unopened,  # noqa: SLF001
    "opened": LoadAccount._note_opened,  # noqa: SLF001
    "closed": LoadAccount._note_closed,  # noqa: SLF001
    "ended": LoadAccount._note_ended,  # noqa: SLF001
    "lost": LoadAccount._note_lost,  # noqa: SLF001
}


def _why(fields: Mapping[str, Any]) -> tuple[Failure | None, ErrorFacts | None]:
    failure, error = fields["failure"], fields["error"]
    return (
        None if failure is None else Failure(failure),
        None if error is None else ErrorFacts(**error),
    )
