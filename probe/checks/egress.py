"""Check ``egress``: wait for the first outbound connection, with fresh sockets, before anything is judged.

After its start a container may have no way out for a minute; that wait is nobody's fault but the start's.
"""

import contextlib
import errno
import selectors
import socket
import time
from collections.abc import Iterator, Sequence

from probe.checks.series import Series
from probe.dial.clock import Deadline, Trace
from probe.dial.paths import Concessions
from probe.model.facts import EgressFacts
from probe.model.words import Check, Stage

ROUND_S = 0.5
"""A fresh socket to each endpoint this often: one long connect would time its own retransmissions."""
MAX_SOCKETS = 64
ANSWERS = frozenset({0, errno.ECONNREFUSED, errno.ECONNRESET})
"""What a connection ends in that crossed the network and came back."""


def series(addresses: Sequence[tuple[str, int]], limit_s: float) -> tuple[Series, ...]:
    """One observation; empty where no private endpoint is known before the Admin API is asked."""
    if not addresses:
        return ()

    def dial(trace: Trace, _concessions: Concessions) -> None:
        deadline = trace.begin(Stage.TCP, limit_s)
        wait_for_answer(trace, addresses, deadline)

    return (
        Series(
            check=Check.EGRESS,
            target="egress",
            dial=dial,
            budget_s=limit_s,
            stages=(Stage.TCP,),
        ),
    )


def wait_for_answer(trace: Trace, addresses: Sequence[tuple[str, int]], deadline: Deadline) -> None:
    """Return when any endpoint answers, be it with a refusal: either crossed the network and came back."""
    begun_ns = time.monotonic_ns()
    shown = ", ".join(f"{host}:{port}" for host, port in addresses)
    with contextlib.ExitStack() as open_sockets:
        selector = open_sockets.enter_context(selectors.DefaultSelector())
        for attempt in _rounds(deadline):
            trace.learn(EgressFacts(address=shown, attempts=attempt))
            for host, port in addresses:
                _start(selector, open_sockets, host, port)
            answered = _first_answer(selector, min(ROUND_S, deadline.left_s()))
            if answered is not None:
                wait_s = (time.monotonic_ns() - begun_ns) / 1e9
                trace.learn(EgressFacts(address=answered, attempts=attempt, wait_s=wait_s))
                return


def _rounds(deadline: Deadline) -> Iterator[int]:
    attempt = 0
    while deadline.left_s():  # raises TimeoutError when there is nothing left
        attempt += 1
        yield attempt


def _start(
    selector: selectors.BaseSelector, open_sockets: contextlib.ExitStack, host: str, port: int
) -> None:
    if len(selector.get_map()) >= MAX_SOCKETS:
        oldest = next(iter(selector.get_map().values())).fileobj
        selector.unregister(oldest)
        if isinstance(oldest, socket.socket):
            oldest.close()
    connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    open_sockets.callback(connection.close)
    connection.setblocking(False)
    if connection.connect_ex((host, port)) in {0, errno.EINPROGRESS}:
        selector.register(connection, selectors.EVENT_WRITE, f"{host}:{port}")
    else:  # no route yet, say: the next round tries again
        connection.close()


def _first_answer(selector: selectors.BaseSelector, wait_s: float) -> str | None:
    until = Deadline.after(wait_s)
    while True:
        try:
            events = selector.select(until.left_s())
        except TimeoutError:
            return None
        for key, _mask in events:
            connection = key.fileobj
            assert isinstance(connection, socket.socket)  # noqa: S101 - what _start registered
            selector.unregister(connection)
            if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in ANSWERS:
                return str(key.data)
            connection.close()
