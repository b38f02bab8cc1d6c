import pytest

from probe.diagnosis.diagnose import diagnose
from probe.model.cause import Cause
from probe.model.facts import AdminApiFacts
from probe.model.observation import Observation
from probe.model.report import Finding
from probe.model.words import Check, Failure, Layer, Path, Severity, Stage
from tests.factories import NEIGHBOURS, PASSED, attempts, question, route, target

SILENT = (Stage.TCP, Failure.TIMEOUT)
REFUSED = (Stage.TCP, Failure.REFUSED)
UNREACHABLE = (Stage.TCP, Failure.UNREACHABLE)
RESET_ON_ACCEPT = (Stage.TCP, Failure.RESET)
RESET_IN_TLS = (Stage.TLS, Failure.RESET)
CLOSED_IN_PROXY = (Stage.PROXY, Failure.CLOSED)
CLOSED_IN_LOGIN = (Stage.LOGIN, Failure.CLOSED)
WRONG_PASSWORD = (Stage.LOGIN, Failure.PASSWORD_REJECTED)
NOT_FOUND = (Stage.ADMIN_API, Failure.NOT_FOUND)
ERROR = (Stage.ADMIN_API, Failure.SERVER_ERROR)
BOTH = question(target("staging-db", Path.CONNECTOR, Path.PRIVATE_IP), neighbours=NEIGHBOURS)


def findings(*observations: Observation) -> tuple[Finding, ...]:
    return diagnose(observations, BOTH).findings


def only(*observations: Observation) -> Finding:
    (finding,) = findings(*observations)
    return finding


def test_one_finding_carries_the_evidence_of_every_path_that_it_explains() -> None:
    connector = attempts(Path.CONNECTOR, WRONG_PASSWORD, WRONG_PASSWORD)
    private = attempts(Path.PRIVATE_IP, WRONG_PASSWORD)
    finding = only(*connector, *private)
    assert (finding.cause, finding.path) == (Cause.PASSWORD_REJECTED, Path.CONNECTOR)
    assert finding.evidence == tuple(o.id for o in (*connector, *private))


def test_the_routes_that_show_the_same_are_evidence_of_it() -> None:
    connections = attempts(Path.CONNECTOR, REFUSED)
    routes = attempts(Path.CONNECTOR, REFUSED, REFUSED, check=Check.ROUTE)
    assert only(*connections, *routes).evidence == tuple(o.id for o in (*connections, *routes))


def test_a_silence_rests_on_the_others_that_answered() -> None:
    connections = attempts(Path.CONNECTOR, SILENT)
    cache = [route("r1", "cache", "10.20.1.4:6379"), route("r2", "cache", "10.20.1.4:6379")]
    finding = only(*connections, *cache)
    assert finding.cause is Cause.ENDPOINT_SILENT
    assert finding.evidence == (connections[0].id, "r1")
    assert finding.summary.endswith("; answering: 10.20.1.4:6379)")


def test_a_silent_way_rests_on_the_others_that_were_silent_and_names_the_connector() -> None:
    connections = attempts(Path.CONNECTOR, SILENT)
    cache = route("r1", "cache", "10.20.1.4:6379", Failure.TIMEOUT)
    named = question(neighbours=NEIGHBOURS, connector_name="staging-connector")
    (finding,) = diagnose([*connections, cache], named).findings
    assert finding.cause is Cause.CONNECTOR_OR_ROUTE_SILENT
    assert finding.evidence == (connections[0].id, "r1")
    assert finding.summary.endswith("; silent as well: 10.20.1.4:6379; connector staging-connector)")
    assert only(*connections, cache).summary.endswith("; silent as well: 10.20.1.4:6379)")


@pytest.mark.parametrize(
    ("passed", "failed", "severity"),
    [
        (0, 5, Severity.CRITICAL),
        (2, 3, Severity.CRITICAL),
        (5, 5, Severity.WARNING),
        (4, 1, Severity.WARNING),
        (9, 1, Severity.WARNING),
        (19, 1, Severity.INFO),
    ],
)
def test_a_failure_is_as_grave_as_it_is_frequent(passed: int, failed: int, severity: Severity) -> None:
    finding = only(*attempts(Path.CONNECTOR, *[PASSED] * passed, *[REFUSED] * failed))
    assert finding.severity is severity


def test_another_path_than_the_primary_one_is_never_critical() -> None:
    passing = attempts(Path.CONNECTOR, PASSED)
    assert only(*passing, *attempts(Path.PRIVATE_IP, REFUSED)).severity is Severity.WARNING


def test_the_worst_path_of_a_cause_tells_its_severity() -> None:
    rarely = attempts(Path.CONNECTOR, *[PASSED] * 19, REFUSED)
    assert only(*rarely, *attempts(Path.PRIVATE_IP, REFUSED)).severity is Severity.WARNING


def test_what_the_confirmation_refutes_is_a_warning_and_says_so() -> None:
    first = attempts(Path.CONNECTOR, REFUSED, REFUSED)
    again = attempts(Path.CONNECTOR, PASSED, PASSED, confirmation=True)
    finding = only(*first, *again)
    assert finding.severity is Severity.WARNING
    assert finding.evidence == tuple(o.id for o in first)
    assert "2 of 4 attempts failed on connector; not confirmed: " in finding.summary


def test_what_the_confirmation_repeats_is_critical_with_the_evidence_of_both_rounds() -> None:
    first = attempts(Path.CONNECTOR, REFUSED, REFUSED)
    again = attempts(Path.CONNECTOR, REFUSED, PASSED, REFUSED, confirmation=True)
    finding = only(*first, *again)
    assert finding.severity is Severity.CRITICAL
    assert len(finding.evidence) == 4
    assert "not confirmed" not in finding.summary


def test_a_conceded_attempt_is_evidence_of_what_followed_it_and_counts_in_no_share() -> None:
    finding = only(*attempts(Path.CONNECTOR, (Stage.PROXY, Failure.RESET), (Stage.LOGIN, Failure.RESET)))
    assert finding.cause is Cause.SERVER_PROXY_CLOSED
    assert len(finding.evidence) == 2
    assert "1 of 1 attempts failed" in finding.summary


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        ((Stage.PROXY, Failure.RESET), Cause.SSLREQUEST_REFUSED),
        ((Stage.LOGIN, Failure.PARAMETER_REFUSED), Cause.PARAMETERS_REFUSED),
    ],
)
def test_what_a_server_refuses_and_does_without_is_told_and_harms_nothing(
    end: tuple[Stage, Failure], cause: Cause
) -> None:
    observations = attempts(Path.CONNECTOR, end, PASSED)
    diagnosis = diagnose(observations, BOTH)
    (finding,) = diagnosis.findings
    assert (finding.cause, finding.severity) == (cause, Severity.INFO)
    assert finding.evidence == (observations[0].id,)
    assert diagnosis.verdict == "healthy"


def test_the_layer_moves_to_the_proxy_where_another_path_shows_that_postgresql_answers() -> None:
    private = attempts(Path.PRIVATE_IP, PASSED)
    finding = only(*attempts(Path.CONNECTOR, CLOSED_IN_LOGIN), *private)
    assert (finding.cause, finding.layer) == (Cause.LOGIN_BROKEN_OFF, Layer.SERVER_PROXY)


@pytest.mark.parametrize(
    ("types", "layer"),
    [(("PRIVATE",), Layer.BUILT_IN_PROXY), (("PRIMARY", "PRIVATE"), Layer.DATABASE), ((), Layer.DATABASE)],
)
def test_the_built_in_proxy_is_blamed_only_for_an_instance_without_a_public_address(
    types: tuple[str, ...], layer: Layer
) -> None:
    facts = {Stage.ADMIN_API: AdminApiFacts(endpoint="", address_types=types)}
    asked = question(target("staging-db", Path.CONNECTOR, Path.SOCKET))
    working = attempts(Path.CONNECTOR, PASSED, facts=facts)
    (finding,) = diagnose([*working, *attempts(Path.SOCKET, CLOSED_IN_LOGIN)], asked).findings
    assert (finding.cause, finding.layer) == (Cause.LOGIN_BROKEN_OFF, layer)


def test_routes_that_fail_at_times_are_told_beside_connections_that_went_through() -> None:
    passing = [*attempts(Path.CONNECTOR, PASSED), *attempts(Path.PRIVATE_IP, PASSED)]
    connector = attempts(Path.CONNECTOR, REFUSED, PASSED, check=Check.ROUTE)
    private = attempts(Path.PRIVATE_IP, REFUSED, PASSED, check=Check.ROUTE)
    finding = only(*passing, *connector, *private)
    assert (finding.cause, finding.severity) == (Cause.ENDPOINT_REFUSED, Severity.WARNING)
    assert finding.evidence == (connector[0].id, private[0].id)
    assert finding.summary.endswith("; connections for the database check went through)")
    assert finding.summary.startswith("staging-db: at times ")


def test_routes_that_fail_otherwise_than_their_connections_claim_nothing_of_those() -> None:
    connections = attempts(Path.CONNECTOR, WRONG_PASSWORD)
    routes = attempts(Path.CONNECTOR, REFUSED, PASSED, check=Check.ROUTE)
    refused = next(f for f in findings(*connections, *routes) if f.cause is Cause.ENDPOINT_REFUSED)
    assert "went through" not in refused.summary


def test_a_route_that_fails_before_its_connect_as_connections_do_is_explained_by_them() -> None:
    connections = attempts(Path.CONNECTOR, NOT_FOUND)
    assert only(*connections, *attempts(Path.CONNECTOR, ERROR, check=Check.ROUTE)).cause is (
        Cause.INSTANCE_NOT_FOUND
    )


@pytest.mark.parametrize(
    ("connection", "at_route"),
    [
        (RESET_ON_ACCEPT, RESET_ON_ACCEPT),
        (RESET_IN_TLS, RESET_ON_ACCEPT),
        ((Stage.PROXY, Failure.RESET), RESET_ON_ACCEPT),
        (UNREACHABLE, SILENT),
        (SILENT, UNREACHABLE),
        (REFUSED, SILENT),
    ],
)
def test_a_route_that_fails_at_the_connect_as_its_connections_do_is_no_second_cause(
    connection: tuple[Stage, Failure], at_route: tuple[Stage, Failure]
) -> None:
    connections = attempts(Path.CONNECTOR, connection)
    routes = attempts(Path.CONNECTOR, at_route, check=Check.ROUTE)
    assert only(*connections, *routes).evidence == (connections[0].id, routes[0].id)


def test_a_route_that_is_reset_explains_itself_where_connections_fail_without_a_reset() -> None:
    connections = attempts(Path.CONNECTOR, WRONG_PASSWORD)
    routes = attempts(Path.CONNECTOR, RESET_ON_ACCEPT, check=Check.ROUTE)
    causes = {f.cause for f in findings(*connections, *routes)}
    assert causes == {Cause.PASSWORD_REJECTED, Cause.TLS_RESET}


def test_postgresqls_own_port_that_resets_at_times_is_not_the_server_proxys() -> None:
    passing = attempts(Path.PRIVATE_IP, PASSED)
    finding = only(*passing, *attempts(Path.PRIVATE_IP, RESET_ON_ACCEPT, PASSED, check=Check.ROUTE))
    assert (finding.cause, finding.layer) == (Cause.TLS_RESET, Layer.DATABASE)


def test_a_reset_on_accept_without_tls_is_the_logins() -> None:
    plain = question(target("staging-db", Path.PRIVATE_IP, tls="disable"))
    (finding,) = diagnose(attempts(Path.PRIVATE_IP, RESET_ON_ACCEPT), plain).findings
    assert finding.cause is Cause.LOGIN_BROKEN_OFF


def test_a_silence_of_a_host_that_was_told_to_be_unreachable_says_so() -> None:
    finding = only(*attempts(Path.CONNECTOR, SILENT), *attempts(Path.PRIVATE_IP, UNREACHABLE))
    assert finding.cause is Cause.ROUTE_MISSING
    assert "or a firewall rejects it (tcp: no answer for " in finding.summary
    assert finding.summary.endswith("; other attempts at this host were answered with unreachable)")


def test_an_offer_of_one_curve_that_was_refused_is_no_finding() -> None:
    diagnosis = diagnose(attempts(Path.PRIVATE_IP, (Stage.TLS, Failure.TLS_ALERT), PASSED, PASSED), BOTH)
    assert (diagnosis.verdict, diagnosis.findings) == ("healthy", ())


def test_a_client_certificate_that_postgresqls_own_port_demands_is_not_the_server_proxys() -> None:
    finding = only(*attempts(Path.PRIVATE_IP, (Stage.TLS, Failure.CLIENT_CERTIFICATE_REJECTED)))
    assert (finding.cause, finding.layer) == (Cause.CLIENT_CERTIFICATE_REJECTED, Layer.DATABASE)


def test_a_route_that_fails_before_its_connect_alone_is_told() -> None:
    connections = attempts(Path.CONNECTOR, PASSED)
    assert only(*connections, *attempts(Path.CONNECTOR, ERROR, check=Check.ROUTE)).cause is (
        Cause.ADMIN_API_ERROR
    )
