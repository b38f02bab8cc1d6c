"""However a probe ends, every slot that it held is free within twelve seconds."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest

from probe.model.ramp import StopReason
from probe.model.words import Outcome
from probe.sandbox.environment import Environment, sandbox
from tests.checks.ramp.ramping import (
    PATIENT,
    Ramping,
    Server,
    await_none_of_ours,
    request_to,
    server,
    sessions_of_ours,
)
from tests.dial.peers import peer


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with sandbox() as running:
        yield running


@contextlib.contextmanager
def program(at: Server) -> Iterator["subprocess.Popen[str]"]:
    """A probe in a process group of its own, which holds at least nine connections."""
    command = [sys.executable, "-m", "tests.checks.ramp.program", json.dumps(asdict(at))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout
            for line in process.stdout:
                if int(line) >= 9:
                    break
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_after_a_kill_every_slot_is_free(environment: Environment) -> None:
    with program(server(environment)) as process:
        assert sessions_of_ours(environment) >= 9
        process.kill()
        await_none_of_ours(environment)


def test_after_a_termination_every_slot_is_free(environment: Environment) -> None:
    with program(server(environment)) as process:
        process.terminate()
        await_none_of_ours(environment)


@pytest.mark.parametrize("whole_group", [False, True])
def test_after_a_freeze_every_slot_is_free(environment: Environment, whole_group: bool) -> None:
    with program(server(environment)) as process:
        if whole_group:
            os.killpg(process.pid, signal.SIGSTOP)
        else:  # the load alone would go on for ever
            process.send_signal(signal.SIGSTOP)
        await_none_of_ours(environment)


class Line:
    """A line to the server that can be cut: nothing gets through any more, and nobody is told."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.cut = threading.Event()
        self._upstream = upstream

    def serve(self, client: socket.socket) -> None:
        with socket.create_connection(self._upstream, timeout=60) as upstream:
            client.settimeout(60)
            back = threading.Thread(target=self._pass_on, args=(upstream, client), daemon=True)
            back.start()
            self._pass_on(client, upstream)
            back.join()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while octets := source.recv(65536):
                if self.cut.is_set():
                    break
                sink.sendall(octets)
        while self.cut.is_set():
            time.sleep(0.05)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def test_after_a_cut_of_the_path_every_slot_is_free(environment: Environment) -> None:
    line = Line((environment.host, environment.private_front.listener.port))
    with peer(line.serve) as (host, port):
        try:
            asked = request_to(server(environment, host=host, port=port), pool=replace(PATIENT, hold_s=60.0))
            going = Ramping(asked, at_held=9)
            going.await_reached()
            line.cut.set()
            await_none_of_ours(environment)
            observation, found = going.end()
        finally:
            line.cut.clear()
    assert (observation.outcome, found.stopped) == (Outcome.FAILED, StopReason.CONTROL_LOST)
