import pytest

from probe.diagnosis.endpoints import endpoints_in
from probe.diagnosis.evidence import group
from probe.diagnosis.path_causes import PathCause, path_cause
from probe.model.cause import Cause
from probe.model.facts import CertificateFacts
from probe.model.observation import Observation
from probe.model.words import Failure, Path, Stage
from tests.factories import PASSED, STARTED_AT, End, attempts, route

REFUSED = (Stage.TCP, Failure.REFUSED)
SILENT = (Stage.TCP, Failure.TIMEOUT)
STARTING = (Stage.LOGIN, Failure.STARTING_UP)
FORBIDDEN = (Stage.ADMIN_API, Failure.FORBIDDEN)
UNREACHABLE = (Stage.TCP, Failure.UNREACHABLE)
RESET_ON_ACCEPT = (Stage.TCP, Failure.RESET)
RESET_IN_TLS = (Stage.TLS, Failure.RESET)
CLOSED_IN_PROXY = (Stage.PROXY, Failure.CLOSED)
CLOSED_IN_LOGIN = (Stage.LOGIN, Failure.CLOSED)
RESET_IN_PROXY = (Stage.PROXY, Failure.RESET)
RESET_IN_LOGIN = (Stage.LOGIN, Failure.RESET)
PAST, FUTURE = "2026-11-21T01:06:38Z", "2026-11-21T03:06:38Z"


def cause(*observations: Observation) -> PathCause | None:
    return path_cause(group(observations)[0], endpoints_in(observations), STARTED_AT)


def certain(*observations: Observation) -> PathCause:
    found = cause(*observations)
    assert found is not None
    return found


def with_certificate(expires_at: str | None, *ends: End, path: Path = Path.CONNECTOR) -> list[Observation]:
    return attempts(path, *ends, facts={Stage.CERTIFICATE: CertificateFacts(expires_at=expires_at)})


def test_a_path_that_never_fails_has_no_cause() -> None:
    assert cause(*attempts(Path.CONNECTOR, PASSED, PASSED)) is None


def test_the_most_frequent_failure_decides_and_the_latest_of_equals() -> None:
    assert certain(*attempts(Path.CONNECTOR, REFUSED, STARTING, REFUSED)).cause is Cause.ENDPOINT_REFUSED
    assert certain(*attempts(Path.CONNECTOR, REFUSED, STARTING)).cause is Cause.DATABASE_STARTING


def test_a_failure_of_the_target_decides_before_one_of_the_probe() -> None:
    found = certain(*attempts(Path.CONNECTOR, FORBIDDEN, REFUSED, FORBIDDEN))
    assert found.cause is Cause.ENDPOINT_REFUSED
    assert found.at_times


def test_the_confirmation_decides_if_it_failed() -> None:
    first = attempts(Path.CONNECTOR, REFUSED, REFUSED, REFUSED)
    again = attempts(Path.CONNECTOR, STARTING, confirmation=True)
    found = certain(*first, *again)
    assert (found.cause, found.at_times) == (Cause.DATABASE_STARTING, False)


def test_the_first_round_decides_if_the_confirmation_passed() -> None:
    first = attempts(Path.CONNECTOR, REFUSED, REFUSED)
    again = attempts(Path.CONNECTOR, PASSED, confirmation=True)
    found = certain(*first, *again)
    assert (found.cause, found.at_times) == (Cause.ENDPOINT_REFUSED, True)


@pytest.mark.parametrize(
    ("ends", "cause"),
    [
        ([RESET_ON_ACCEPT, RESET_IN_TLS, RESET_ON_ACCEPT], Cause.TLS_RESET),
        ([CLOSED_IN_PROXY, RESET_IN_PROXY, RESET_IN_LOGIN], Cause.SERVER_PROXY_CLOSED),
        ([RESET_IN_PROXY, RESET_IN_LOGIN, CLOSED_IN_LOGIN], Cause.SERVER_PROXY_CLOSED),
        ([RESET_IN_LOGIN, CLOSED_IN_LOGIN], Cause.LOGIN_BROKEN_OFF),
        ([UNREACHABLE, SILENT, SILENT], Cause.ROUTE_MISSING),
    ],
)
def test_one_cause_that_ends_attempts_in_several_ways_is_not_one_at_times(
    ends: list[End], cause: Cause
) -> None:
    found = certain(*attempts(Path.CONNECTOR, *ends))
    assert (found.cause, found.at_times) == (cause, False)


def test_the_ways_of_one_cause_are_counted_together() -> None:
    ends = [RESET_ON_ACCEPT, RESET_IN_TLS, REFUSED, RESET_ON_ACCEPT, REFUSED]
    found = certain(*attempts(Path.CONNECTOR, *ends))
    assert (found.cause, found.record.stage, found.at_times) == (Cause.TLS_RESET, Stage.TCP, True)


def test_a_reset_on_accept_is_the_logins_where_no_tls_comes_first() -> None:
    observations = attempts(Path.PRIVATE_IP, RESET_ON_ACCEPT, RESET_IN_LOGIN)
    found = path_cause(group(observations)[0], endpoints_in(observations), STARTED_AT, tls=False)
    assert found is not None
    assert (found.cause, found.at_times) == (Cause.LOGIN_BROKEN_OFF, False)


def test_a_rejection_that_is_told_at_times_explains_the_silence_in_between() -> None:
    found = certain(*attempts(Path.CONNECTOR, UNREACHABLE, SILENT, SILENT))
    assert (found.record.failure, found.at_times) == (Failure.UNREACHABLE, False)


def test_a_rejection_of_one_port_explains_the_silence_of_the_same_hosts_other_port_only() -> None:
    rejected = attempts(Path.PRIVATE_IP, UNREACHABLE)
    assert certain(*attempts(Path.CONNECTOR, SILENT), *rejected).cause is Cause.ROUTE_MISSING
    another = attempts(Path.CONNECTOR, SILENT, endpoint="10.20.1.9:3307")
    assert certain(*another, *rejected).cause is Cause.NETWORK_SILENT


def test_a_silence_rests_on_the_endpoints_it_was_compared_with() -> None:
    found = certain(*attempts(Path.CONNECTOR, SILENT), route("r1", "cache", "10.20.1.4:6379"))
    assert found.cause is Cause.ENDPOINT_SILENT
    assert [endpoint.address for endpoint in found.compared] == ["10.20.1.4:6379"]
    assert not found.at_times


def test_a_silence_of_endpoints_that_answer_at_times_is_one_at_times() -> None:
    silent = route("r1", "cache", "10.20.1.4:6379", Failure.TIMEOUT)
    answered = route("r2", "cache", "10.20.1.4:6379")
    assert certain(*attempts(Path.CONNECTOR, SILENT), silent, answered).at_times


def test_cut_with_the_sslrequest_and_without_it_is_the_server_proxys_doing() -> None:
    found = certain(*attempts(Path.CONNECTOR, RESET_IN_PROXY, RESET_IN_LOGIN, RESET_IN_LOGIN))
    assert found.cause is Cause.SERVER_PROXY_CLOSED


def test_cut_in_the_login_alone_is_the_logins() -> None:
    parameter_first = [(Stage.LOGIN, Failure.PARAMETER_REFUSED), RESET_IN_LOGIN]
    for ends in ([RESET_IN_LOGIN], parameter_first):
        assert certain(*attempts(Path.CONNECTOR, *ends)).cause is Cause.LOGIN_BROKEN_OFF


@pytest.mark.parametrize(
    ("end", "otherwise"),
    [
        (RESET_IN_PROXY, Cause.SERVER_PROXY_CLOSED),
        ((Stage.TLS, Failure.RESET), Cause.TLS_RESET),
        ((Stage.TLS, Failure.CLOSED), Cause.TLS_CLOSED),
    ],
)
def test_a_cut_without_a_reason_is_explained_by_the_certificates_own_dates(
    end: End, otherwise: Cause
) -> None:
    expired = certain(*with_certificate(PAST, end))
    assert (expired.cause, expired.expired_at) == (Cause.CLIENT_CERTIFICATE_EXPIRED, PAST)
    for date in (FUTURE, None):
        assert certain(*with_certificate(date, end)).cause is otherwise


def test_an_expired_certificate_does_not_explain_a_connect_that_was_reset() -> None:
    assert certain(*with_certificate(PAST, RESET_ON_ACCEPT)).cause is Cause.TLS_RESET


def test_an_expired_certificate_explains_nothing_that_was_given_a_reason() -> None:
    found = certain(*with_certificate(PAST, (Stage.LOGIN, Failure.PASSWORD_REJECTED)))
    assert (found.cause, found.expired_at) == (Cause.PASSWORD_REJECTED, "")
