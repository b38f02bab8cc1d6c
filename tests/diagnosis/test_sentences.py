import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.diagnosis.endpoints import endpoints_in
from probe.diagnosis.evidence import group
from probe.diagnosis.path_causes import path_cause
from probe.diagnosis.sentences import MAX_QUOTE, one_line, quoted, seconds, sentence
from probe.model.facts import CertificateFacts, DnsFacts, ErrorFacts
from probe.model.observation import Observation
from probe.model.words import Check, Failure, Path, Stage
from tests.factories import PASSED, STARTED_AT, attempts

SILENT = (Stage.TCP, Failure.TIMEOUT)
REFUSED = (Stage.TCP, Failure.REFUSED)
WRONG_PASSWORD = (Stage.LOGIN, Failure.PASSWORD_REJECTED)
SAID = ErrorFacts(type="ErrorResponse", message="password authentication failed", sqlstate="28P01")


def said(*observations: Observation, remark: str = "", endpoint: str = "", narrowed: bool = False) -> str:
    endpoints = endpoints_in(observations)
    items = [c for g in group(observations) if (c := path_cause(g, endpoints, STARTED_AT))]
    return sentence(items[0].cause, tuple(items), remark=remark, endpoint=endpoint, narrowed=narrowed)


def test_it_names_target_endpoint_stage_time_and_share() -> None:
    assert said(*attempts(Path.CONNECTOR, REFUSED, REFUSED, seconds=0.0021)) == (
        "staging-db: 10.20.1.3:3307 refuses connections: the host answers and nothing listens there "
        "(tcp: refused after 2.1 ms; 2 of 2 attempts failed on connector)"
    )


def test_silence_is_told_with_how_long_it_lasted() -> None:
    observations = attempts(Path.CONNECTOR, (Stage.LOGIN, Failure.TIMEOUT), seconds=30.0)
    assert "(login: no answer for 30 s; " in said(*observations)


def test_the_servers_own_words_stand_in_it_with_their_sqlstate() -> None:
    assert said(*attempts(Path.CONNECTOR, WRONG_PASSWORD, error=SAID)) == (
        "staging-db: PostgreSQL rejects the password; everything before the login works "
        '(login: password_rejected after 10 ms [28P01], "password authentication failed"; '
        "1 of 1 attempts failed on connector)"
    )


def test_a_failure_at_times_is_said_to_be_one() -> None:
    text = said(*attempts(Path.CONNECTOR, REFUSED, PASSED, PASSED))
    assert text.startswith("staging-db: at times 10.20.1.3:3307 refuses connections")
    assert "1 of 3 attempts failed" in text


def test_attempts_that_failed_otherwise_are_named() -> None:
    text = said(*attempts(Path.CONNECTOR, WRONG_PASSWORD, REFUSED, WRONG_PASSWORD))
    assert "3 of 3 attempts failed on connector; also tcp refused)" in text


def test_other_paths_are_named_with_what_they_saw() -> None:
    first = attempts(Path.CONNECTOR, WRONG_PASSWORD)
    text = said(*first, *attempts(Path.PRIVATE_IP, REFUSED))
    assert "2 of 2 attempts failed on connector, private_ip; also private_ip tcp refused)" in text


def test_two_causes_that_fit_are_both_named_until_something_decides() -> None:
    observations = attempts(Path.CONNECTOR, (Stage.PROXY, Failure.CLOSED))
    both = "PostgreSQL behind the server proxy is down, or the client certificate was refused"
    assert both in said(*observations)
    assert both not in said(*observations, narrowed=True)


def test_the_certificates_date_stands_in_it_where_it_tells_the_cause() -> None:
    expired = CertificateFacts(expires_at="2026-11-21T01:00:00Z")
    observations = attempts(Path.CONNECTOR, (Stage.PROXY, Failure.CLOSED), facts={Stage.CERTIFICATE: expired})
    assert "the client certificate was valid until 2026-11-21T01:00:00Z" in said(*observations)


def test_a_name_that_does_not_resolve_is_named() -> None:
    missing = (Stage.DNS, Failure.NAME_NOT_FOUND)
    facts = {Stage.DNS: DnsFacts(name="db.example.internal")}
    ours = attempts(Path.CONNECTOR, missing, facts=facts)
    googles = attempts(Path.CONNECTOR, (Stage.ADMIN_API, Failure.NAME_NOT_FOUND))
    assert "the name db.example.internal does not resolve" in said(*ours)
    assert "the name of the Admin API does not resolve" in said(*googles)


def test_a_client_certificate_that_was_never_sent_is_not_called_rejected() -> None:
    rejected = Failure.CLIENT_CERTIFICATE_REJECTED
    private = said(*attempts(Path.PRIVATE_IP, (Stage.TLS, rejected)))
    assert "10.20.1.3:5432 demands a client certificate, and on this path none is sent" in private
    assert "10.20.1.3:3307 rejects the client cert" in said(
        *attempts(Path.CONNECTOR, (Stage.PROXY, rejected))
    )


def test_an_endpoint_that_was_never_dialled_is_the_configured_one_or_just_the_endpoint() -> None:
    unknown = attempts(None, REFUSED, check=Check.ROUTE, endpoint=None)
    assert "cache:6379 refuses" in said(*unknown, endpoint="cache:6379")
    assert "the endpoint refuses" in said(*unknown)
    assert "attempts failed)" in said(*unknown)


def test_a_remark_ends_it() -> None:
    text = said(*attempts(Path.CONNECTOR, REFUSED), remark="the socket path works")
    assert text.endswith("1 of 1 attempts failed on connector; the socket path works)")


@given(st.text(), st.integers(1, 50))
def test_words_are_one_line_bounded_and_printable(words: str, most: int) -> None:
    line = one_line(words, most)
    assert line.isprintable()
    assert len(line) <= most


def test_words_that_fit_stay_and_longer_ones_are_cut_with_a_mark() -> None:
    assert quoted("a\n\tb\x1b[31m") == '"a b [31m"'
    assert quoted("x" * MAX_QUOTE) == f'"{"x" * MAX_QUOTE}"'
    assert quoted("x" * (MAX_QUOTE + 1)) == f'"{"x" * (MAX_QUOTE - 1)}…"'


@pytest.mark.parametrize(
    ("value_s", "text"),
    [
        (0.0, "0 ms"),
        (0.00123456, "1.23 ms"),
        (0.9994, "999 ms"),
        (0.99951, "1 s"),
        (1.25, "1.25 s"),
        (75.0, "75 s"),
        (99.96, "100 s"),
        (540.0, "540 s"),
        (1234.4, "1234 s"),
    ],
)
def test_times_have_three_digits_and_a_unit(value_s: float, text: str) -> None:
    assert seconds(value_s) == text
