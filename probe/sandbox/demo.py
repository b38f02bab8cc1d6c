"""A run on the sandbox, exactly as a user would start it: as a child process with a settings file."""

import math
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Self

from probe.sandbox.binaries import SandboxError
from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.faults import FAULTS, FaultError

RUN = (sys.executable, "-m", "probe", "run")
SIGNALS = (signal.SIGTERM, signal.SIGINT)
USAGE_ERROR = 2
SIGNALLED = 128
GRACE_S = 15.0
"""What a child gets to deliver what it has measured."""

LIMIT_S = 600.0
POLL_S = 0.5


def run_demo(faults: Sequence[str], arguments: Sequence[str], *, command: Sequence[str] = RUN) -> int:
    """Start a sandbox with these faults, run the probe on it with these arguments, return its exit code.

    2 when the sandbox cannot be had; 143 after SIGTERM, 130 after Ctrl-C. Standard output is the child's
    alone.
    """
    with Interruption() as interruption:
        try:
            with sandbox(faults) as environment:
                _say(_greeting(faults, environment))
                settings = ("--config", str(environment.settings_path))
                return interruption.supervise(environment, [*command, *settings, *arguments])
        except (FaultError, SandboxError) as error:
            _say(f"error: {error}")
            return USAGE_ERROR


class Interruption:
    """Owns SIGTERM and SIGINT: passes them on to the child, and never interrupts anything here.

    So the sandbox starts and stops in good order at any moment. A second signal kills the child. For the main
    thread only.
    """

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._passed_on = False
        self._ends = math.inf

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def supervise(self, environment: Environment, command: Sequence[str]) -> int:
        """Run a command in the environment with the terminal inherited; return its exit code."""
        if self._received is not None:
            return SIGNALLED + self._received
        self._ends = time.monotonic() + LIMIT_S
        child = self._start(environment, command)
        try:
            code = self._wait(child)
        finally:
            self._child = None
            child.kill()
            child.wait()
        if self._received is not None:
            return SIGNALLED + self._received
        return code if code >= 0 else SIGNALLED - code

    def _start(self, environment: Environment, command: Sequence[str]) -> subprocess.Popen[bytes]:
        # The child is not in the terminal's foreground group: Ctrl-C reaches it once, from here.
        self._child = subprocess.Popen(
            [*environment.command_prefix, *command],
            env=environment.environ,
            process_group=environment.process_group,
        )
        self._pass_on()  # what came while there was no child yet
        return self._child

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        while child.poll() is None and time.monotonic() < self._ends:
            with suppress(subprocess.TimeoutExpired):
                child.wait(POLL_S)
        child.kill()
        return child.wait()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._passed_on and self._child is not None:
            self._child.kill()
            return
        self._received = self._received or signal.Signals(number)
        self._pass_on()

    def _pass_on(self) -> None:
        if self._received is not None and self._child is not None and not self._passed_on:
            self._passed_on = True
            self._ends = time.monotonic() + GRACE_S
            self._child.send_signal(self._received)


def _greeting(faults: Sequence[str], environment: Environment) -> str:
    broken = "; ".join(f"{name}: {FAULTS[name].description}" for name in faults)
    return f"sandbox at {environment.host}, {f'broken ({broken})' if broken else 'healthy'}"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
