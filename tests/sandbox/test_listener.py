import socket
import threading
import time

import pytest

from probe.sandbox.listener import MAX_SESSIONS, Listener
from probe.sandbox.streams import swallow


def _bound() -> socket.socket:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


def _connect(listener: Listener, timeout_s: float = 2.0) -> socket.socket:
    return socket.create_connection((listener.host, listener.port), timeout=timeout_s)


def test_a_refused_port_refuses_and_is_nobody_elses() -> None:
    with Listener(_bound(), swallow, state="refused") as listener:
        with pytest.raises(ConnectionRefusedError):
            _connect(listener)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((listener.host, listener.port))


def test_a_silent_port_answers_no_syn_until_it_is_healed() -> None:
    with Listener(_bound(), lambda client: client.sendall(b"hello"), state="silent") as listener:
        assert len(listener.filler_ports) == 2
        with pytest.raises(TimeoutError):
            _connect(listener, 0.3)
        listener.heal()
        with _connect(listener) as client:
            assert client.recv(10) == b"hello"
        assert listener.filler_ports == frozenset()


def test_a_silent_port_stays_silent_for_every_visitor() -> None:
    with Listener(_bound(), swallow, state="silent") as listener:
        visitors = [threading.Thread(target=_assert_silent, args=(listener,)) for _ in range(5)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()


def _assert_silent(listener: Listener) -> None:
    with pytest.raises(TimeoutError):
        _connect(listener, 0.3)


def test_an_open_port_has_nothing_to_heal() -> None:
    with Listener(_bound(), swallow) as listener:
        listener.heal()
        _connect(listener).close()


def test_a_closed_port_refuses_while_open_sessions_go_on() -> None:
    with Listener(_bound(), _echo) as listener, _connect(listener) as client:
        client.sendall(b"1")
        assert client.recv(1) == b"1"
        listener.refuse()
        with pytest.raises(ConnectionRefusedError):
            _connect(listener)
        client.sendall(b"2")
        assert client.recv(1) == b"2"


def _echo(client: socket.socket) -> None:
    while received := client.recv(100):
        client.sendall(received)


def test_leaving_ends_every_session() -> None:
    before = threading.active_count()
    with Listener(_bound(), _echo) as listener:
        clients = [_connect(listener) for _ in range(5)]
        for client in clients:
            client.sendall(b"1")
            assert client.recv(1) == b"1"
        started = time.monotonic()
    assert time.monotonic() - started < 1
    assert threading.active_count() == before
    for client in clients:
        with client:
            assert client.recv(1) == b""


def test_what_a_session_raises_for_its_client_ends_the_session_alone() -> None:
    def fail(_: socket.socket) -> None:
        raise ConnectionResetError

    with Listener(_bound(), fail) as listener:
        for _ in range(2):
            with _connect(listener) as client:
                assert client.recv(1) == b""


def test_more_sessions_than_there_may_be_are_turned_away() -> None:
    with Listener(_bound(), swallow) as listener:
        clients = [_connect(listener) for _ in range(MAX_SESSIONS + 1)]
        clients[-1].settimeout(2)
        assert clients[-1].recv(1) == b""
        for client in clients:
            client.close()
