import socket
import time
from pathlib import Path

import pytest

from probe.sandbox.healing import Healing
from probe.sandbox.listener import Listener
from probe.sandbox.streams import swallow


def _silent() -> Listener:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return Listener(bound, swallow, state="silent")


def _visit(listener: Listener, timeout_s: float) -> None:
    socket.create_connection((listener.host, listener.port), timeout=timeout_s).close()


def test_a_port_heals_a_while_after_the_first_visitor_knocked() -> None:
    with _silent() as listener, Healing([listener], after_s=0.2):
        with pytest.raises(TimeoutError):
            _visit(listener, 0.15)
        _visit(listener, 3)


def test_it_stays_silent_while_nobody_knocks() -> None:
    with _silent() as listener:
        with Healing([listener], after_s=0.0):
            time.sleep(0.1)
        with pytest.raises(TimeoutError):
            _visit(listener, 0.2)


def test_leaving_in_the_pause_heals_nothing() -> None:
    with _silent() as listener:
        with Healing([listener], after_s=30), pytest.raises(TimeoutError):
            _visit(listener, 0.1)
        assert listener.filler_ports


def test_where_the_kernel_shows_nothing_it_heals_by_the_clock(tmp_path: Path) -> None:
    with _silent() as listener, Healing([listener], after_s=0.0, kernel_table=tmp_path / "none"):
        with pytest.raises(TimeoutError):
            _visit(listener, 0.3)
        _visit(listener, 4)
