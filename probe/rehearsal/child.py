"""The parent's side: a child process that can be listened to, told something, and killed at any moment."""

import contextlib
import os
import pickle
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import probe
from probe.dial.clock import Deadline
from probe.rehearsal.lines import Lines, read
from probe.rehearsal.messages import Event, GarbageError, decode, encode

LOOK_AROUND_S = 0.05
MAX_LAST_WORDS_BYTES = 4096
SEND_S = 5.0
"""How long a child may leave what it is told unread: the pipe holds 64 KB."""
MAX_LAST_READS = 8
"""A pipe holds one read's worth; a child that goes on talking is not heard for ever."""
END_S = 1.0
"""What a process gets to be gone after SIGKILL, or to be reaped after its last word."""


class Child:
    """A process ``python -m probe.rehearsal ROLE``: a context manager that leaves none behind.

    It stays in our process group, and ends by itself when we do: its standard input is its leash.
    For one thread; ``kill`` may come from any.
    """

    def __init__(self, role: str, request: object) -> None:
        self.role = role
        self.lag_s = 0.0
        """The longest that the child did not get to run, as far as it said."""
        self.cpu_s = 0.0
        """What it had computed at its last beat."""
        self._request = pickle.dumps(request)
        self._events = Lines()
        self._output = b""
        self._broken = ""

    def __enter__(self) -> Self:
        events_fd, child_fd = os.pipe()
        self.started_ns = time.monotonic_ns()
        self.heard_ns = self.started_ns
        """When the last event arrived here."""
        try:
            self._process = self._spawn(child_fd)
        except BaseException:
            os.close(events_fd)
            raise
        finally:
            os.close(child_fd)
        self._events_fd = events_fd
        self._selector = selectors.PollSelector()  # no descriptor of its own that could be wanting
        try:
            for fd in (events_fd, self._output_fd):
                os.set_blocking(fd, False)
                self._selector.register(fd, selectors.EVENT_READ)
            os.set_blocking(self._input_fd, False)
            self._write(self._request)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.kill()
        self._read_output()
        self._selector.close()
        os.close(self._events_fd)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def events(self, until: Deadline, stop: threading.Event) -> Iterator[Event | None]:
        """What it reports, as it comes, and None about every 50 ms where nothing came: look around.

        Ends when the child has nothing more to say (it is gone, or talks garbage and was killed), at
        ``until``, when what has come by then was told, and soon after ``stop`` is set. May be called again.
        """
        looked_ns = time.monotonic_ns()
        while not stop.is_set() and time.monotonic_ns() < until.at_ns:
            event = self._next()
            if event is not None:
                self._note(event)
                looked_ns = time.monotonic_ns()
                yield event
            elif self._ended:
                return
            elif not self._listen(LOOK_AROUND_S) and time.monotonic_ns() - looked_ns >= LOOK_AROUND_S * 1e9:
                looked_ns = time.monotonic_ns()
                yield None
        yield from self._what_has_come(stop)

    def send(self, command: Mapping[str, object]) -> None:
        """Tell it something; one that is gone hears nothing. Raises RuntimeError where it does not listen."""
        self._write(encode(command))

    def kill(self) -> None:
        """End it now, whatever it does; its last words can still be had."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # in the kernel's hands: nobody can do more
            self._process.wait(END_S)

    def exit_code(self) -> int | None:
        """How it ended, a signal as a negative number; None: it has not. Waits a little for one that ends."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_S if self._ended else 0)
        return None

    def last_words(self) -> str:
        """The end of what it wrote to its standard output and error, and what was wrong with its events."""
        if self._process.stdout and not self._process.stdout.closed:
            self._read_output()  # a pipe's worth: the rest was read while we listened
        written = self._output.decode("utf8", "replace").strip()
        return "\n".join(text for text in (written, self._broken) if text)

    def _spawn(self, events_fd: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command(events_fd),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(events_fd,),
            bufsize=0,
        )

    def _command(self, events_fd: int) -> list[str]:
        # It must find the package that we are, and nothing by chance in the folder that we were started in.
        try:
            here = Path(probe.__file__).parents[1] == Path.cwd()
        except FileNotFoundError:  # that folder has been deleted
            here = False
        options = ("-m",) if here else ("-P", "-m")
        return [sys.executable, *options, "probe.rehearsal", self.role, str(events_fd)]

    @property
    def _input_fd(self) -> int:
        return self._process.stdin.fileno() if self._process.stdin else -1

    @property
    def _output_fd(self) -> int:
        return self._process.stdout.fileno() if self._process.stdout else -1

    def _what_has_come(self, stop: threading.Event) -> Iterator[Event]:
        """Without waiting: we may not have got to run since long before ``until``."""
        reads = 0
        while not stop.is_set():
            event = self._next()
            if event is not None:
                self._note(event)
                yield event
            elif reads < MAX_LAST_READS and not self._ended and self._listen(0.0):
                reads += 1
            else:
                return

    @property
    def _ended(self) -> bool:
        return self._events_fd not in self._selector.get_map()

    def _listen(self, wait_s: float) -> bool:
        """Read what is there; whether events, or their end, came."""
        ready = {key.fd for key, _mask in self._selector.select(wait_s)}
        if self._output_fd in ready and not self._read_output():
            self._hear_no_more(self._output_fd)
        if self._events_fd in ready and not self._events.read_from(self._events_fd):
            self._hear_no_more(self._events_fd)
        return self._events_fd in ready

    def _hear_no_more(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def _next(self) -> Event | None:
        try:
            line = self._events.next_line()
            return decode(line) if line is not None else None
        except GarbageError as error:
            self._broken = str(error)
            self._hear_no_more(self._events_fd)
            self._events = Lines()
            self.kill()
            return None

    def _note(self, event: Event) -> None:
        self.heard_ns = time.monotonic_ns()
        if event.kind == "beat":
            self.lag_s = max(self.lag_s, float(event.fields["lag_s"]))
            self.cpu_s = float(event.fields["cpu_s"])

    def _read_output(self) -> bool:
        """Whether there may be more, now or later."""
        octets = read(self._output_fd)
        self._output = (self._output + (octets or b""))[-MAX_LAST_WORDS_BYTES:]
        return octets != b""

    def _write(self, octets: bytes) -> None:
        until = Deadline.after(SEND_S)
        with selectors.PollSelector() as writable, contextlib.suppress(BrokenPipeError):
            writable.register(self._input_fd, selectors.EVENT_WRITE)
            while octets:
                if not writable.select(max(0.0, (until.at_ns - time.monotonic_ns()) / 1e9)):
                    raise RuntimeError(f"the process does not read what it is told within {SEND_S:g} s")
                with contextlib.suppress(BlockingIOError):
                    octets = octets[os.write(self._input_fd, octets) :]
