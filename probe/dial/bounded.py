"""A bound for calls that have none: the resolver, the credentials, HTTP.

Such a call runs on a daemon thread that nobody joins: when the deadline passes it is left behind,
and the process may end without it.
"""

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from probe.dial.clock import Deadline

T = TypeVar("T")

MAX_CALLS = 64
"""Threads that may be under way or left behind at once."""

_places = threading.BoundedSemaphore(MAX_CALLS)


def bounded(call: Callable[[], T], deadline: Deadline, *, abandon: Callable[[], None] | None = None) -> T:
    """The call's result or exception; TimeoutError at the deadline, after ``abandon`` was called."""
    if not _places.acquire(timeout=deadline.left_s()):
        raise RuntimeError(f"{MAX_CALLS} calls of the probe hang already")
    answer: queue.SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answer.put((call(), None))
        except BaseException as error:
            answer.put((None, error))
        finally:
            _places.release()

    threading.Thread(target=work, daemon=True, name="bounded").start()
    try:
        value, error = answer.get(timeout=deadline.left_s())
    except (queue.Empty, TimeoutError):
        if abandon is not None:
            abandon()
        raise TimeoutError("no answer within the budget") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # a pair without an error holds the value
