"""What parent and child say to each other: events as JSON lines one way, commands as JSON lines the other.

Instants are ``time.monotonic_ns()``: the clock is the machine's, so that both processes read the same one.
"""

import json
import os
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

MAX_LINE_BYTES = 1024 * 1024
MAX_COMMANDS = 1000
"""Commands that may wait to be obeyed; a parent that sends more has gone mad."""
BEAT_S = 0.1

EXIT_ORPHANED = 75
EXIT_BAD_COMMAND = 76


class GarbageError(Exception):
    """A line that is no message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that the child reported."""

    kind: str
    at_ns: int
    """When, on the child's clock, which is ours."""
    fields: Mapping[str, Any]


def decode(line: bytes) -> Event:
    """The event in a line. Raises GarbageError."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise GarbageError(f"not a message: {line[:64]!r}")
    kind, at_ns = fields.pop("kind", None), fields.pop("t", None)
    if not isinstance(kind, str) or type(at_ns) is not int:
        raise GarbageError(f"not a message: {line[:64]!r}")
    return Event(kind=kind, at_ns=at_ns, fields=fields)


def encode(fields: Mapping[str, object]) -> bytes:
    """One line."""
    return json.dumps(fields).encode() + b"\n"


class Reporter:
    """The child's voice: ``emit`` from any thread; one line goes out whole, and at once."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._beating = False

    def emit(self, kind: str, **fields: object) -> None:
        """Report something that happened now. Waits while the parent does not read; it does, or kills us."""
        with self._lock:
            left = memoryview(encode({"kind": kind, "t": time.monotonic_ns()} | fields))
            while left:
                left = left[os.write(self._fd, left) :]

    def start_beating(self) -> None:
        """From now on say ten times a second that we run, how late we were, and what we computed.

        For the end of the imports: these hold the interpreter for as long as they like.
        """
        if not self._beating:
            self._beating = True
            threading.Thread(target=self._beat, daemon=True, name="beat").start()

    def _beat(self) -> None:
        while True:
            planned_ns = time.monotonic_ns() + int(BEAT_S * 1e9)
            time.sleep(BEAT_S)
            lag_s = (time.monotonic_ns() - planned_ns) / 1e9
            self.emit("beat", lag_s=max(0.0, lag_s), cpu_s=time.process_time())


class Commands(queue.Queue[dict[str, Any]]):
    """What the parent sends after the request. Its end of the pipe is our leash: at EOF this process ends."""

    def __init__(self, source: IO[bytes]) -> None:
        super().__init__(maxsize=MAX_COMMANDS)
        self._source = source
        threading.Thread(target=self._listen, daemon=True, name="commands").start()

    def _listen(self) -> None:
        while line := self._source.readline(MAX_LINE_BYTES):
            try:
                self.put_nowait(dict(json.loads(line)))
            except (ValueError, TypeError, queue.Full):
                os._exit(EXIT_BAD_COMMAND)
        os._exit(EXIT_ORPHANED)
