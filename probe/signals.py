"""SIGTERM and Ctrl-C: they end the measuring, not the telling."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALLED = 128
"""Added to a signal's number it is the exit code."""


@contextmanager
def signals() -> Iterator[tuple[threading.Event, list[int]]]:
    """An event that the first of them sets, and its number; a second one ends everything at once."""
    interrupted = threading.Event()
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if received:
            os._exit(SIGNALLED + number)
        received.append(number)
        interrupted.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield interrupted, received
    finally:
        for number, former in before.items():
            signal.signal(number, former)
