import queue
import socket
import ssl
import struct
import threading
import time

import pytest

from probe.dial import tls
from probe.dial.clock import Deadline
from probe.dial.failures import StageFailure
from probe.dial.stream import CHUNK_BYTES, MAX_RECEIVED_BYTES, Stream, TlsStream
from probe.model.words import Failure
from tests.dial.peers import (
    BUDGET_S,
    TlsPeer,
    after,
    authority,
    bounded_by,
    closes,
    drips,
    floods,
    in_tls,
    resets,
    says,
    says_in_tls,
    server_context,
    silent,
    stream_to,
)


def tls_over(stream: Stream) -> TlsStream:
    return TlsStream(stream, tls.private_context(server_ca_pem=authority().pem), "127.0.0.1")


def received_until_it_fails(stream: Stream | TlsStream) -> StageFailure:
    with pytest.raises(StageFailure) as caught:
        drain(stream)
    return caught.value


def drain(stream: Stream | TlsStream) -> None:
    while stream.receive():
        pass


def test_what_the_other_side_says_is_received_counted_and_its_beginning_kept() -> None:
    with stream_to(says(b"x" * 100, then=closes)) as stream:
        assert received_until_it_fails(stream).failure is Failure.CLOSED
        assert (stream.received_bytes, stream.first_bytes) == (100, b"x" * 32)


def test_a_silence_ends_at_the_deadline() -> None:
    with stream_to(silent) as stream, bounded_by(BUDGET_S), pytest.raises(TimeoutError):
        stream.receive()


def test_a_drip_ends_at_the_deadline() -> None:
    with stream_to(drips()) as stream, bounded_by(BUDGET_S), pytest.raises(TimeoutError):
        drain(stream)


def test_a_flood_ends_at_the_bound() -> None:
    with stream_to(floods(b"x"), budget_s=5) as stream:
        assert received_until_it_fails(stream).failure is Failure.PROTOCOL
        assert MAX_RECEIVED_BYTES < stream.received_bytes <= MAX_RECEIVED_BYTES + CHUNK_BYTES


def test_a_peer_that_reads_nothing_bounds_what_is_sent() -> None:
    def reads_nothing(client: socket.socket) -> None:
        time.sleep(0.6)
        client.close()

    with stream_to(reads_nothing) as stream, bounded_by(BUDGET_S), pytest.raises(TimeoutError):
        stream.send(b"x" * 64 * 1024 * 1024)


def test_a_used_up_deadline_sends_and_receives_nothing() -> None:
    with stream_to(says(b"x"), budget_s=-1) as stream:
        with pytest.raises(TimeoutError):
            stream.send(b"x")
        with pytest.raises(TimeoutError):
            stream.receive()


def test_a_reset_is_a_reset() -> None:
    with stream_to(after(1, resets)) as stream:
        stream.send(b"?")
        with pytest.raises(ConnectionResetError):
            stream.receive()


def test_closing_twice_is_no_error() -> None:
    with stream_to(silent) as stream:
        stream.close()
        stream.close()


def test_tls_carries_both_ways_and_knows_its_parameters() -> None:
    serve = in_tls(says_in_tls(b"hello"), server_context())
    with stream_to(serve, budget_s=2) as stream:
        secure = tls_over(stream)
        secure.handshake()
        secure.send(b"hi")
        assert secure.receive() == b"hello"
        assert (secure.version(), stream.first_bytes[:1]) == ("TLSv1.3", b"\x16")
        assert str(secure.cipher()).startswith("TLS_")
        assert ssl.DER_cert_to_PEM_cert(secure.server_certificate_der() or b"").startswith("-----BEGIN")
        secure.close()


def test_tls_knows_nothing_of_itself_before_the_handshake() -> None:
    with stream_to(silent) as stream:
        secure = tls_over(stream)
        assert (secure.version(), secure.cipher()) == (None, None)


def test_the_deadline_of_tls_is_its_streams() -> None:
    with stream_to(silent) as stream:
        secure = tls_over(stream)
        secure.deadline = Deadline.after(0.05)
        assert stream.deadline is secure.deadline
        with bounded_by(0.05), pytest.raises(TimeoutError):
            secure.handshake()


def test_an_end_in_good_order_inside_tls_is_closed() -> None:
    def ends(peer: TlsPeer) -> None:
        peer.finish()
        silent(peer.raw)

    with stream_to(in_tls(ends, server_context()), budget_s=2) as stream:
        secure = tls_over(stream)
        secure.handshake()
        assert received_until_it_fails(secure).failure is Failure.CLOSED


# A record that OpenSSL takes and that carries nothing: a change of cipher, as TLS 1.3 tolerates it.
EMPTY_RECORD = b"\x14\x03\x03" + struct.pack("!H", 1) + b"\x01"


@pytest.mark.parametrize(
    "record",
    [
        EMPTY_RECORD,
        b"\x16\x03\x03\x40\x00" + b"\0" * 16384,
        b"\x17\x03\x03\x00\x10" + b"\0" * 16,
        b"\x15\x03\x03\x00\x02\x01\x5a",
    ],
)
def test_a_flood_of_records_instead_of_a_handshake_ends_within_the_budget(record: bytes) -> None:
    with stream_to(floods(record)) as stream, bounded_by(BUDGET_S):
        with pytest.raises((StageFailure, ssl.SSLError, TimeoutError)):
            tls_over(stream).handshake()
        assert stream.received_bytes <= MAX_RECEIVED_BYTES + CHUNK_BYTES


def test_a_flood_inside_tls_ends_at_the_bound() -> None:
    def flood(peer: TlsPeer) -> None:
        while True:
            peer.send(b"x" * 16384)

    with stream_to(in_tls(flood, server_context()), budget_s=5) as stream:
        secure = tls_over(stream)
        secure.handshake()
        assert received_until_it_fails(secure).failure is Failure.PROTOCOL


def test_our_alert_tells_the_server_why_we_left() -> None:
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listens(client: socket.socket) -> None:
        peer = TlsPeer(client, server_context())
        try:
            peer.handshake()
            peer.receive()
        except ssl.SSLError as error:
            heard.put(error.reason)

    with stream_to(listens, budget_s=2) as stream:
        trusting_nobody = tls.private_context(server_ca_pem=None)
        trusting_nobody.verify_mode = ssl.CERT_REQUIRED
        secure = TlsStream(stream, trusting_nobody, "127.0.0.1")
        with pytest.raises(ssl.SSLCertVerificationError):
            secure.handshake()
        assert heard.get(timeout=2) == "TLSV1_ALERT_UNKNOWN_CA"


def test_a_server_that_is_gone_before_our_alert_does_not_hide_our_reason() -> None:
    def hears_no_more(server: socket.socket) -> None:
        server.recv(65536)
        server.shutdown(socket.SHUT_RD)
        server.sendall(b"\x16\x03\x03\x00\x04junk")

    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        server = threading.Thread(target=hears_no_more, args=(theirs,))
        server.start()
        with pytest.raises(ssl.SSLError, match=r"record|message|type"):
            tls_over(Stream(ours, Deadline.after(2))).handshake()
        server.join()
