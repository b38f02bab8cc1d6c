import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path as File

import pytest

from probe.dial import keys, tls
from probe.dial.clock import Trace
from probe.dial.stream import Stream, TlsStream
from probe.model.facts import ProxyFacts, TlsFacts
from probe.model.words import Failure, Outcome, Stage
from probe.sandbox.certificates import client_signer, make_authority
from tests.dial.peers import (
    BUDGET_S,
    Serve,
    TlsPeer,
    answers,
    authority,
    bounded_by,
    closes,
    drips,
    error,
    failure_of,
    floods,
    in_tls,
    resets,
    says,
    says_in_tls,
    server_context,
    silent,
    stream_to,
    trace,
)

KEY = keys.generate()
HALF_A_SERVER_HELLO = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + bytes(16)
HALF_A_RECORD = b"\x16\x03\x03\x3f\xff"


def context(certificate_pem: str | None = None, ca_pem: str | None = None) -> ssl.SSLContext:
    return tls.connector_context(
        server_ca_pem=ca_pem or authority().pem,
        certificate_pem=certificate_pem or client_signer(authority())(KEY.public_pem),
        key_pem=KEY.private_pem,
    )


def shaken(stream: Stream, attempt: Trace, made: ssl.SSLContext | None = None) -> TlsStream:
    return tls.handshake(attempt, stream, made or context(), "10.20.1.3", BUDGET_S)


def upgraded(stream: Stream, attempt: Trace, budget_s: float = BUDGET_S) -> TlsStream:
    return tls.upgrade(attempt, stream, tls.private_context(server_ca_pem=authority().pem), "x", budget_s)


def proxy_says(
    serve: Callable[[TlsPeer], None], attempt: Trace | None = None, made: ssl.SSLContext | None = None
) -> Failure:
    """What becomes of the stage ``proxy`` when the server does this after the handshake."""
    with stream_to(in_tls(serve, server_context(client_certificate=True)), budget_s=2) as stream:
        attempt = attempt or trace()
        secure = tls.handshake(attempt, stream, made or context(), "10.20.1.3", 2)
        return failure_of(tls.ask_proxy, attempt, secure, BUDGET_S)


# The handshake


def test_a_handshake_is_tls_1_3_against_the_ca_whatever_the_name() -> None:
    attempt = trace()
    with stream_to(in_tls(says_in_tls(), server_context(client_certificate=True))) as stream:
        shaken(stream, attempt)
    attempt.finish()
    (record,) = attempt.records()
    assert (record.stage, record.outcome) == (Stage.TLS, Outcome.PASSED)
    assert isinstance(record.facts, TlsFacts)
    assert (record.facts.version, record.facts.cipher) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")


@pytest.mark.parametrize(
    "serve", [silent, drips(HALF_A_RECORD), drips(HALF_A_SERVER_HELLO), drips(), answers(HALF_A_RECORD)]
)
def test_a_handshake_outlives_no_silence_and_no_drip(serve: Serve) -> None:
    with stream_to(serve) as stream, bounded_by(BUDGET_S):
        assert failure_of(shaken, stream, trace()) in {Failure.TIMEOUT, Failure.NOT_TLS}


def test_a_flood_of_records_is_no_handshake() -> None:
    with stream_to(floods(b"\x14\x03\x03\x00\x01\x01")) as stream, bounded_by(BUDGET_S):
        assert failure_of(shaken, stream, trace()) in {Failure.NOT_TLS, Failure.PROTOCOL, Failure.TIMEOUT}


@pytest.mark.parametrize(
    ("serve", "failure"),
    [
        (answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Failure.NOT_TLS),
        (answers(HALF_A_SERVER_HELLO, then=closes), Failure.CLOSED),
        (answers(b"", then=closes), Failure.CLOSED),
        (answers(HALF_A_SERVER_HELLO, then=resets), Failure.RESET),
        (answers(b"", then=resets), Failure.RESET),
        (answers(b"\x15\x03\x03\x00\x02\x02\x28"), Failure.TLS_ALERT),
        (answers(b"\x15\x03\x03\x00\x02\x02\x2d"), Failure.CLIENT_CERTIFICATE_EXPIRED),
        (answers(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"), Failure.NOT_TLS),
    ],
)
def test_what_breaks_a_handshake_is_told_apart(serve: Serve, failure: Failure) -> None:
    with stream_to(serve) as stream, bounded_by(BUDGET_S):
        assert failure_of(shaken, stream, trace()) is failure


def test_a_server_of_another_ca_is_not_trusted() -> None:
    with stream_to(in_tls(says_in_tls(), server_context(client_certificate=True))) as stream:
        stranger = context(ca_pem=make_authority("Another CA").pem)
        assert failure_of(shaken, stream, trace(), stranger) is Failure.SERVER_CERTIFICATE


def test_a_server_that_speaks_older_tls_alone_is_an_alert() -> None:
    old = server_context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with stream_to(in_tls(says_in_tls(), old)) as stream:
        assert failure_of(shaken, stream, trace()) is Failure.TLS_ALERT


def test_a_certificate_for_another_key_cannot_be_used() -> None:
    foreign = client_signer(authority())(keys.generate().public_pem)
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        context(foreign)


def test_the_private_key_is_on_disk_while_it_is_loaded_and_no_longer(tmp_path: File) -> None:
    program = "from tests.dial.test_tls import context; context()"
    command = [sys.executable, "-c", program]
    environ = {"TMPDIR": str(tmp_path), "PYTHONPATH": str(File(__file__).parents[2])}
    subprocess.run(command, env=environ, timeout=30, check=True)
    assert list(tmp_path.iterdir()) == []


# The SSLRequest in clear, then TLS


def test_an_upgrade_asks_first() -> None:
    heard: list[bytes] = []

    def asks(client: socket.socket) -> None:
        heard.append(client.recv(8))
        client.sendall(b"S")
        in_tls(says_in_tls(), server_context())(client)

    attempt = trace()
    with stream_to(asks) as stream:
        assert upgraded(stream, attempt).version() == "TLSv1.3"
    assert heard == [struct.pack("!ii", 8, 80877103)]


def test_an_upgrade_without_a_ca_takes_any_certificate() -> None:
    def agrees(client: socket.socket) -> None:
        client.recv(8)
        client.sendall(b"S")
        in_tls(says_in_tls(), server_context(signer=make_authority("Anybody")))(client)

    with stream_to(agrees) as stream:
        anybody = tls.private_context(server_ca_pem=None)
        assert tls.upgrade(trace(), stream, anybody, "x", BUDGET_S).version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("serve", "failure"),
    [
        (answers(b"N"), Failure.TLS_DECLINED),
        (answers(b"x"), Failure.PROTOCOL),
        (answers(error("53300", "sorry, too many clients already")), Failure.SLOTS_EXHAUSTED),
        (answers(b"E not an error at all"), Failure.PROTOCOL),
        (says(b"Ecould not fork new process for connection: Cannot allocate memory\n\0"), Failure.SQL_ERROR),
        (answers(b"Sxyz"), Failure.PROTOCOL),  # bytes injected before the encryption begins
        (answers(b"S" + error("28P01")), Failure.PROTOCOL),
        (answers(b"S", b"plain"), Failure.NOT_TLS),
        (answers(b"", then=closes), Failure.CLOSED),
        (answers(b"", then=resets), Failure.RESET),
        (silent, Failure.TIMEOUT),
        (answers(b"E\0\0\0\x40", then=drips()), Failure.TIMEOUT),
        (answers(b"S"), Failure.TIMEOUT),
    ],
)
def test_answers_to_the_ssl_request_are_told_apart(serve: Serve, failure: Failure) -> None:
    with stream_to(serve) as stream, bounded_by(BUDGET_S):
        assert failure_of(upgraded, stream, trace()) is failure


def test_a_server_of_another_curve_declines_ours_and_takes_one_of_all() -> None:
    context_of_another_curve = server_context()
    context_of_another_curve.set_ecdh_curve("secp384r1")

    def agrees(client: socket.socket) -> None:
        client.recv(8)
        client.sendall(b"S")
        in_tls(says_in_tls(), context_of_another_curve)(client)

    with stream_to(agrees) as stream:
        assert failure_of(upgraded, stream, trace()) is Failure.TLS_ALERT
    with stream_to(agrees) as stream:
        every = tls.private_context(server_ca_pem=authority().pem, curve=None)
        assert tls.upgrade(trace(), stream, every, "x", BUDGET_S).version() == "TLSv1.3"


# The SSLRequest inside TLS


def test_a_server_proxy_that_declines_has_accepted_the_certificate() -> None:
    attempt = trace()
    serve = in_tls(says_in_tls(b"N"), server_context(client_certificate=True))
    with stream_to(serve, budget_s=2) as stream:
        secure = tls.handshake(attempt, stream, context(), "10.20.1.3", 2)
        tls.ask_proxy(attempt, secure, 2)
    attempt.finish()
    record = attempt.records()[-1]
    assert (record.stage, record.outcome, record.facts) == (
        Stage.PROXY,
        Outcome.PASSED,
        ProxyFacts(answer="N"),
    )


def ends(peer: TlsPeer) -> None:
    peer.receive()
    peer.finish()
    silent(peer.raw)


def resets_inside(peer: TlsPeer) -> None:
    peer.receive()
    resets(peer.raw)


def drips_inside(peer: TlsPeer) -> None:
    peer.send(error("58030")[:1] + struct.pack("!i", 4096))
    drips()(peer.raw)


@pytest.mark.parametrize(
    ("serve", "failure"),
    [
        (says_in_tls(b"S"), Failure.PROTOCOL),
        (says_in_tls(b"garbage"), Failure.PROTOCOL),
        (says_in_tls(error("57P03", "the database system is starting up")), Failure.STARTING_UP),
        (says_in_tls(), Failure.TIMEOUT),
        (ends, Failure.CLOSED),
        (resets_inside, Failure.RESET),
    ],
)
def test_answers_inside_tls_are_told_apart(serve: Callable[[TlsPeer], None], failure: Failure) -> None:
    assert proxy_says(serve) is failure


def test_a_drip_inside_tls_ends_within_the_budget() -> None:
    assert proxy_says(drips_inside) in {Failure.TIMEOUT, Failure.NOT_TLS}


def test_the_answer_is_kept_even_where_it_is_wrong() -> None:
    attempt = trace()
    proxy_says(says_in_tls(b"S"), attempt)
    assert attempt.records()[-1].facts == ProxyFacts(answer="S")


@pytest.mark.parametrize(
    ("certificate_pem", "failure"),
    [
        (client_signer(authority(), "expired")(KEY.public_pem), Failure.CLIENT_CERTIFICATE_EXPIRED),
        (client_signer(make_authority("Foreign"))(KEY.public_pem), Failure.CLIENT_CERTIFICATE_UNTRUSTED),
        (client_signer(authority(), "wrong-usage")(KEY.public_pem), Failure.CLIENT_CERTIFICATE_REJECTED),
    ],
)
def test_the_servers_judgement_of_our_certificate_arrives_in_the_stage_proxy(
    certificate_pem: str, failure: Failure
) -> None:
    attempt = trace()
    assert proxy_says(says_in_tls(b"N"), attempt, context(certificate_pem)) is failure
    assert [record.stage for record in attempt.records()] == [Stage.TLS, Stage.PROXY]
