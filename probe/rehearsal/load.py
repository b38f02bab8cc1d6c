"""The role ``load``: workers that want a connection of the application's pools, hold it, and hand it over.

Commands, each a mapping with ``do``: ``open`` (``workers``, ``step``, ``intended_ns``, ``allowed``),
``fill``, ``hand_over``, ``release``, ``stay``. Events: ``ready``, ``asked``, ``opening`` (a login begins) and
``opened`` or ``unopened``, ``ended`` (an acquisition), ``closed``, ``lost`` (a connection that was held),
``filled``, ``released``; and the beats.
"""

import contextlib
import queue
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy.exc

from probe.dial.clock import Deadline
from probe.dial.redaction import Redaction
from probe.model.facts import ErrorFacts
from probe.model.ramp import AcquisitionOutcome
from probe.model.words import Failure
from probe.rehearsal.load_pool import Gate, GateClosedError, pools
from probe.rehearsal.load_request import ALONE_S, EXIT_ALONE, LoadRequest
from probe.rehearsal.messages import Commands, Reporter
from probe.rehearsal.stack_failures import as_stack_failure

KEEP_ALIVE_S = 2.0
"""A held connection says something so often: the server lets go of one that is silent for 5 s."""
RELEASE_S = 2.0
"""What workers get to come to an end before their connections are closed by the end of this process."""
QUERY = "SELECT 1"
MAX_CRASH_TEXT = 2000

NO_SLOT = frozenset(
    {Failure.SLOTS_EXHAUSTED, Failure.ONLY_RESERVED_SLOTS, Failure.ROLE_LIMIT, Failure.DATABASE_LIMIT}
)
"""SQLSTATE 53300."""


def play(request: LoadRequest, reporter: Reporter, commands: Commands) -> int:
    """Obey until told to let go, or until nobody tells anything any more."""
    load = Load(request, reporter)
    reporter.start_beating()
    reporter.emit("ready")
    while not load.released:
        try:
            command = commands.get(timeout=ALONE_S)
        except queue.Empty:
            return EXIT_ALONE  # the parent is frozen: the end of this process closes everything
        COMMANDS[command["do"]](load, command)
    return 0


class Load:
    """All workers of this process."""

    def __init__(self, request: LoadRequest, reporter: Reporter) -> None:
        self.released = False
        self._request = request
        self._reporter = reporter
        self._gate = Gate(request, reporter.emit)
        self._pools = pools(request, self._gate)
        self._workers: list[_Worker] = []
        self._places: list[Any] = []
        self._redaction = Redaction()
        for secret in (request.way.password, request.way.login_token):
            self._redaction.add(secret)

    def open(self, command: Mapping[str, Any]) -> None:
        """So many workers want a connection, all at once."""
        self._gate.allow(command["allowed"])
        started = [
            _Worker(number, command, self._request, self._pools[number % len(self._pools)], self._gate)
            for number in command["workers"]
        ]
        self._workers += started
        for worker in started:
            worker.start(self._reporter.emit, self._redaction)

    def fill(self, _command: Mapping[str, Any]) -> None:
        """Take every place that is left in the pools: whoever comes next waits in the queue."""
        self._gate.allow_no_more()
        for pool in self._pools:
            while pool.checkedout() < self._request.pool_size + self._request.max_overflow:
                self._places.append(self._gate.placeholder(pool))
        self._reporter.emit("filled")

    def hand_over(self, _command: Mapping[str, Any]) -> None:
        """One after the other gives its connection back; whoever waits gets it, and gives it back as well."""
        for worker in sorted(self._workers, key=lambda worker: worker.holds):  # first those that wait
            worker.let_go.set()

    def release(self, _command: Mapping[str, Any]) -> None:
        """Close everything, and say so."""
        self._gate.allow(0)
        for worker in self._workers:
            worker.let_go.set()
        until = Deadline.after(RELEASE_S)
        with contextlib.suppress(TimeoutError):
            for worker in self._workers:
                worker.join(until.left_s())
        for pool in self._pools:
            pool.dispose()
        self.released = True
        self._reporter.emit("released", parameters_refused=self._gate.parameters_refused)

    def stay(self, _command: Mapping[str, Any]) -> None:
        """The parent is there."""


COMMANDS: dict[str, Callable[[Load, Mapping[str, Any]], None]] = {
    "open": Load.open,
    "fill": Load.fill,
    "hand_over": Load.hand_over,
    "release": Load.release,
    "stay": Load.stay,
}


class _Worker:
    """A thread that wants a connection, holds it until it may let go, and keeps it alive meanwhile."""

    def __init__(
        self, number: int, command: Mapping[str, Any], request: LoadRequest, pool: Any, gate: Gate
    ) -> None:
        self.let_go = threading.Event()
        self.holds = False
        self._wish = {"worker": number, "step": command["step"], "intended_ns": command["intended_ns"]}
        self._request = request
        self._pool = pool
        self._gate = gate
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"worker-{number}")

    def start(self, say: Callable[..., None], redaction: Redaction) -> None:
        self._say = say
        self._redaction = redaction
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for its end, at most so long."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        self._wish["started_ns"] = time.monotonic_ns()
        self._say("asked", **self._wish)
        try:
            connection = self._acquire()
        except Exception as error:  # reported with what it means; what nobody knows is the probe's fault
            self._ended(_outcome(error), error)
            return
        self._ended(AcquisitionOutcome.ACQUIRED)
        self.holds = True
        try:
            self._hold(connection)
            connection.close()  # back to the pool, where the next one waits
        except Exception as error:
            self._say("lost", **self._told(error))
            connection.invalidate()
        self.holds = False

    def _acquire(self) -> Any:
        connection = self._pool.connect()
        if self._request.first_query:
            try:
                _ask(connection)
            except BaseException:
                connection.invalidate()
                raise
        return connection

    def _hold(self, connection: Any) -> None:
        _ask(connection)
        while not self.let_go.wait(KEEP_ALIVE_S):
            _ask(connection)

    def _ended(self, outcome: AcquisitionOutcome, error: Exception | None = None) -> None:
        finished_ns = time.monotonic_ns()
        told: dict[str, Any] = {"failure": None, "error": None} if error is None else self._told(error)
        if told["failure"] in NO_SLOT:
            outcome = AcquisitionOutcome.REFUSED
        connect_s = self._gate.connect_s()
        self._say(
            "ended", **self._wish, finished_ns=finished_ns, outcome=outcome, connect_s=connect_s, **told
        )

    def _told(self, error: Exception) -> dict[str, Any]:
        known = as_stack_failure(error, metadata_expected=self._request.metadata_expected)
        if known is None:
            text = "".join(traceback.format_exception(error))[-MAX_CRASH_TEXT:]
            facts = ErrorFacts(type=type(error).__qualname__, message=text)
            return {"failure": None, "error": asdict(self._redaction.clean(facts))}
        return {"failure": known.failure, "error": asdict(self._redaction.clean(known.error))}


def _outcome(error: Exception) -> AcquisitionOutcome:
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return AcquisitionOutcome.TIMED_OUT
    return AcquisitionOutcome.CUT_OFF if isinstance(error, GateClosedError) else AcquisitionOutcome.FAILED


def _ask(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(QUERY)
    cursor.fetchall()
    cursor.close()
