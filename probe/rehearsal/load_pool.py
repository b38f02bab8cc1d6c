"""The application's pools, whose connections come through a gate: not one more than was allowed.

``QueuePool`` itself and no engine around it: what is measured is the pool's own queue and the opening of a
connection, without the queries that an engine's first connection makes to know its server. The dialect is
only there for the pre-ping and the rollback on return, which are the pool's own work.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import event
from sqlalchemy.dialects.postgresql.pg8000 import PGDialect_pg8000
from sqlalchemy.pool import QueuePool

from probe.model.words import Path
from probe.rehearsal.load_request import LoadRequest
from probe.rehearsal.way_in import Opener

Said = Callable[..., None]

SPARE_THREADS = 4
"""For what else the connector does in its loop's executor."""


class GateClosedError(Exception):
    """A pool asked for a connection that the guard does not allow."""


class Gate:
    """Opens connections for all pools, as many as are allowed; says of each that it was opened and closed."""

    def __init__(self, request: LoadRequest, say: Said) -> None:
        self._open = opener(request)
        self._say = say
        self._lock = threading.Lock()
        self._taken = 0
        self._allowed = 0
        self._filling = threading.local()
        self._times = threading.local()

    def allow(self, count: int) -> None:
        """From now on there may be so many connections at once."""
        with self._lock:
            self._allowed = count

    def allow_no_more(self) -> None:
        """From now on there may be as many as there are: one that is closed may be opened anew."""
        with self._lock:
            self._allowed = self._taken

    def __call__(self) -> Any:
        """A connection in autocommit: the server's time-out for idle sessions knows no open transaction."""
        if getattr(self._filling, "on", False):
            return Placeholder()
        with self._lock:
            if self._taken >= self._allowed:
                raise GateClosedError(f"{self._allowed} connections are allowed, and there are so many")
            self._taken += 1
        self._say("opening")
        begun_ns = time.monotonic_ns()
        try:
            connection = self._open()
        except BaseException:
            self._give_back()
            self._say("unopened")
            raise
        connection.autocommit = True
        self._times.connect_s = (time.monotonic_ns() - begun_ns) / 1e9
        self._say("opened")
        return connection

    def connect_s(self) -> float | None:
        """What opening took for this thread's last acquisition; None: it opened none."""
        connect_s: float | None = getattr(self._times, "connect_s", None)
        self._times.connect_s = None
        return connect_s

    def placeholder(self, pool: QueuePool) -> Any:
        """Take one place of the pool for ever, with a connection to nobody."""
        self._filling.on = True
        try:
            return pool.connect()
        finally:
            self._filling.on = False

    def closed(self, connection: Any, _record: object) -> None:
        """A pool is about to close this connection."""
        if not isinstance(connection, Placeholder):
            self._give_back()
            self._say("closed")

    @property
    def parameters_refused(self) -> bool:
        """Whether the server refused some of our start-up parameters."""
        return self._open.parameters_refused

    def _give_back(self) -> None:
        with self._lock:
            self._taken -= 1


class Placeholder:
    """Takes a place in a pool where the guard allows no connection: whoever comes then waits in the queue."""

    autocommit = True

    def rollback(self) -> None:
        """There is nothing to undo."""

    def close(self) -> None:
        """There is nothing to close."""


def pools(request: LoadRequest, gate: Gate) -> tuple[QueuePool, ...]:
    """The application's own pools."""
    return tuple(_pool(request, gate) for _ in range(request.pools))


def _pool(request: LoadRequest, gate: Gate) -> QueuePool:
    pool = QueuePool(
        gate,
        pool_size=request.pool_size,
        max_overflow=request.max_overflow,
        timeout=request.wait_s,
        recycle=max(1, round(request.recycle_s)),  # at 0 every connection that is given back is replaced
        pre_ping=request.pre_ping,
        dialect=PGDialect_pg8000(dbapi=PGDialect_pg8000.import_dbapi()),
    )
    event.listen(pool, "close", gate.closed)
    return pool


def opener(request: LoadRequest) -> Opener:
    """The stock stack, with room for all of its logins at once.

    The connector's logins run in its event loop's default executor, which has a handful of threads on a small
    machine: the others would wait in the probe, and the wait would look like the database's.
    """
    way = request.way
    if way.path is not Path.CONNECTOR:
        made = Opener(way)
    else:
        loop = asyncio.new_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(request.capacity + SPARE_THREADS))
        threading.Thread(target=loop.run_forever, daemon=True, name="connector").start()
        made = Opener(way, loop=loop)
        asyncio.run_coroutine_threadsafe(_in_its_loop(made), loop).result()
    made.known = request.known
    return made


async def _in_its_loop(made: Opener) -> None:
    """The connector starts a task as it is made, which is only safe on the loop's own thread."""
    made.connector()
