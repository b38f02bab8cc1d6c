"""Against a server of the test's own: PostgreSQL itself is asked in the tests of the whole sandbox."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from probe.sandbox.certificates import make_authority, write_server_certificate
from probe.sandbox.private_front import PrivateFront, private_context
from tests.sandbox.client import SSL_REQUEST, client_context

AUTHORITY = make_authority("CA")


@contextmanager
def _front(folder: Path, *, answer: bytes | None, tls: bool = True) -> Iterator[socket.socket]:
    """A client of a front whose server answers the SSLRequest thus, then echoes; None: it is down."""
    write_server_certificate(AUTHORITY, name="p:db", address="127.0.0.1", path=folder / "server.pem")
    context = private_context(folder / "server.pem") if tls else None
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    with socket.socket(socket.AF_UNIX) as listening:
        if answer is not None:
            listening.bind(str(folder / "s"))
            listening.listen()
            threading.Thread(target=_serve, args=(listening, answer), daemon=True).start()
        with PrivateFront(bound, upstream=folder / "s", context=context) as front:
            address = (front.listener.host, front.listener.port)
            with socket.create_connection(address, timeout=2) as client:
                yield client


def _serve(listening: socket.socket, answer: bytes) -> None:
    server, _ = listening.accept()
    with server:
        if server.recv(8) == SSL_REQUEST:
            server.sendall(answer)
        while received := server.recv(100):
            server.sendall(received)


def test_what_postgresql_declines_is_offered(tmp_path: Path) -> None:
    with _front(tmp_path, answer=b"N") as client:
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"S"
        with client_context(AUTHORITY.pem).wrap_socket(client) as tls:
            tls.sendall(b"hello")
            assert tls.recv(10) == b"hello"


def test_without_tls_the_servers_own_answer_comes_through(tmp_path: Path) -> None:
    with _front(tmp_path, answer=b"N", tls=False) as client:
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"N"
        client.sendall(b"hello")
        assert client.recv(10) == b"hello"


def test_another_answer_comes_through(tmp_path: Path) -> None:
    with _front(tmp_path, answer=b"E") as client:
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"E"


def test_a_silent_server_is_silent_here(tmp_path: Path) -> None:
    with _front(tmp_path, answer=b"") as client:
        client.settimeout(0.2)
        client.sendall(SSL_REQUEST)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_a_server_that_is_down_is_a_reset(tmp_path: Path) -> None:
    # As soon as it has accepted: the connect itself may meet the reset.
    with pytest.raises(ConnectionResetError), _front(tmp_path, answer=None) as client:
        client.recv(1)


def test_a_client_that_fails_the_handshake_is_hung_up_on(tmp_path: Path) -> None:
    with _front(tmp_path, answer=b"N") as client:
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"S"
        with pytest.raises(ssl.SSLCertVerificationError):
            client_context(make_authority("other").pem).wrap_socket(client)
