"""What the probe is doing now, on a terminal; on anything else nothing at all."""

import time
from collections import deque
from collections.abc import Sequence
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from probe.model.observation import Observation
from probe.model.words import Check, Outcome, Path, Stage
from probe.sinks.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_Key = tuple[Check, str, Path | None]
REFRESHES_PER_SECOND = 8
LONGEST_NAME = 60
MOST_HEIGHTS = 12
"""Steps of a ramp that are shown: those between two redrawings are seen in the next one."""


class Progress:
    """A live view of the stages under way, one line for each check, target and path; threads may call it.

    It vanishes at the end. Where ``stream`` is no terminal that can be redrawn, every call does nothing.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live: Live | None = None
        self._lock = Lock()
        self._running: dict[_Key, tuple[int, Stage, float]] = {}
        self._counts: dict[_Key, tuple[int, int]] = {}
        self._phases: dict[str, tuple[str, float]] = {}
        self._ramps: dict[tuple[Check, str], tuple[deque[int], int | None]] = {}
        self._pause_ends_s = 0.0

    def __enter__(self) -> Self:
        if self._stream.isatty():
            self._live = self._started()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def stage_started(self, check: Check, target: str, path: Path | None, attempt: int, stage: Stage) -> None:
        """An attempt has come to this stage."""
        with self._lock:
            self._running[check, target, path] = attempt, stage, time.monotonic()

    def attempt_finished(self, observation: Observation) -> None:
        """An attempt has ended, in whatever way."""
        key = observation.check, observation.target, observation.path
        with self._lock:
            passed, failed = self._counts.get(key, (0, 0))
            passed += observation.outcome is Outcome.PASSED
            failed += observation.outcome in (Outcome.FAILED, Outcome.CRASHED)
            self._counts[key] = passed, failed
            self._running.pop(key, None)
            self._ramps.pop((observation.check, observation.target), None)
            if observation.check is Check.STARTUP:
                self._phases.pop(observation.target, None)

    def phase_started(self, target: str, phase: str) -> None:
        """The rehearsed start-up has come to this phase."""
        with self._lock:
            self._phases[target] = phase, time.monotonic()

    def ramp_stepped(self, check: Check, target: str, held: int, free: int | None) -> None:
        """A ramp holds so many connections now, and leaves so many slots to others."""
        # Nothing is drawn here: a terminal that has been stopped must not hold up who holds connections.
        with self._lock:
            heights, _ = self._ramps.get((check, target), (deque[int](maxlen=MOST_HEIGHTS), None))
            heights.append(held)
            self._ramps[check, target] = heights, free

    def pausing(self, seconds: float) -> None:
        """Nothing happens for so long; then a ``down`` is measured once more."""
        with self._lock:
            self._pause_ends_s = time.monotonic() + seconds

    def _started(self) -> "Live | None":
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream, highlight=False, markup=False, emoji=False)
        if console.is_dumb_terminal:
            return None
        live = Live(
            console=console,
            get_renderable=self._view,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start()
        return live

    def _view(self) -> "RenderableType":
        from rich.text import Text

        with self._lock:
            keys = list(dict.fromkeys((*self._counts, *self._running)))
            lines = [(_name(key), self._state(key)) for key in keys]
            lines += [(_name((Check.STARTUP, of, None)), _phase(*now)) for of, now in self._phases.items()]
            lines += [(_name((*key, None)), _heights(*now)) for key, now in self._ramps.items()]
            pause_s = self._pause_ends_s - time.monotonic()
        cells = max((len(name) for name, _ in lines), default=0)
        shown = [f"{name:<{cells}}  {state}" for name, state in lines]
        if pause_s > 0:
            shown.append(f"down so far; measuring once more in {pause_s:.0f} s")
        return Text("\n".join(shown), no_wrap=True, overflow="ellipsis")

    def _state(self, key: _Key) -> str:
        passed, failed = self._counts.get(key, (0, 0))
        counts = f"{passed} passed, {failed} failed"
        if key not in self._running:
            return counts
        attempt, stage, since_s = self._running[key]
        return f"#{attempt} {stage} {time.monotonic() - since_s:.1f} s, {counts}"


def _phase(phase: str, since_s: float) -> str:
    return f"{printable(phase, LONGEST_NAME)} {time.monotonic() - since_s:.1f} s"


def _heights(heights: Sequence[int], free: int | None) -> str:
    """The newest first: where a line is too long its end is cut off."""
    newest, *earlier = reversed(heights)
    left = "" if free is None else f", {free} free"
    before = f"; before {', '.join(map(str, earlier))}" if earlier else ""
    return f"held {newest}{left}{before}"


def _name(key: _Key) -> str:
    check, target, path = key
    return printable(f"{check} {target} over {path}" if path else f"{check} {target}", LONGEST_NAME)
