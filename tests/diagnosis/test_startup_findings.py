from dataclasses import replace
from typing import Any

import pytest

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.diagnose import Diagnosis, diagnose
from probe.diagnosis.phase_sentences import NOT_CONFIRMED
from probe.model.application import PhaseKind
from probe.model.cause import Cause
from probe.model.facts import ErrorFacts
from probe.model.observation import Observation
from probe.model.rehearsal import PhaseOutcome, PhaseRecord
from probe.model.target import Neighbour, Thresholds
from probe.model.words import Failure, Layer, Outcome, Path, Severity, SkipReason, Stage, Verdict
from tests.diagnosis.makers import (
    ASKED,
    causes,
    failing,
    phase,
    rehearsal,
    root_of,
    roots,
    startup,
    step,
    the,
    timed_out_at_connect,
)
from tests.factories import PASSED, End, attempts, egress, route

FORBIDDEN = (Stage.ADMIN_API, Failure.FORBIDDEN)
SILENT = (Stage.TCP, Failure.TIMEOUT)
CACHE = "10.20.1.4:6379"
CACHE_NEIGHBOUR = Neighbour(name="cache", address=CACHE)
WITH_CACHE = replace(ASKED, neighbours=(CACHE_NEIGHBOUR,))
NO_PASSWORD_GIVEN = "Authentication required."
NO_PASSWORD_WANTED = "AUTH <password> called without any password configured for the default user."
OLD_NONE_WANTED = "Client sent AUTH, but no password is set"
NOT_WELL = ErrorFacts(type="HTTP", message="HTTP 503: b'no'", http_status=503)


def dialled(*ends: End, path: Path = Path.CONNECTOR, **more: Any) -> list[Observation]:
    return attempts(path, *ends, **more)


def said(words: str, kind: str = "x") -> ErrorFacts:
    return ErrorFacts(type=kind, message=words)


def diagnosis(*observations: Observation) -> Diagnosis:
    return diagnose(observations, ASKED)


def alone(record: PhaseRecord) -> Diagnosis:
    """What a rehearsal says beside a dialler that gets through."""
    return diagnosis(*dialled(PASSED, PASSED), startup(record))


def test_a_healthy_start_up_is_no_finding_and_stands_in_the_headline() -> None:
    told = diagnosis(*dialled(PASSED), startup())
    assert (told.verdict, told.findings, told.chain) == (Verdict.HEALTHY, (), ())
    starts = "the application would start (7 phases in 6.1 s)"
    assert told.headline == f"staging-db answers: connector 70 ms (mean connection time); {starts}"
    assert diagnosis(startup()).headline == f"staging-db: {starts}"


def test_a_rehearsal_with_one_phase_says_so() -> None:
    one = rehearsal(phase(PhaseKind.INIT))
    skipped = replace(
        one,
        phases=(
            one.phases[0],
            *(
                replace(p, outcome=PhaseOutcome.SKIPPED, span=None, skip_reason=SkipReason.NOT_CONFIGURED)
                for p in one.phases[1:]
            ),
        ),
    )
    assert (
        diagnosis(startup(skipped)).headline == "staging-db: the application would start (1 phase in 100 ms)"
    )


def test_a_hang_in_the_database_phase_that_the_dialler_does_not_meet_is_the_stock_stacks_own() -> None:
    told = alone(timed_out_at_connect())
    assert causes(told) == [Cause.STARTUP_DATABASE_FAILED, Cause.STARTUP_FAILED]
    assert the(told, Cause.STARTUP_DATABASE_FAILED).summary == (
        "staging-db: the application's own stack does not get through to the database (phase_3_database "
        "no answer after 75 s at connect; the dialler got through over connector in 2 of 2 attempts, "
        "70 ms on average)"
    )
    consequence = the(told, Cause.STARTUP_FAILED)
    assert consequence.summary == (
        "staging-db: the application would not start: phase_3_database timed out after 75 s (budget 75 s, "
        "at connect), phases 4 to 7 blocked, exit code 3"
    )
    assert (consequence.consequence_of, consequence.severity, consequence.escalate) == (
        "F1",
        Severity.CRITICAL,
        True,
    )
    assert told.verdict is Verdict.DOWN
    assert told.headline == f"{told.findings[0].summary}; the application would not start"


def test_where_the_dialler_was_not_asked_the_sentence_says_so() -> None:
    for observations in ([], dialled(SkipReason.DEADLINE)):
        told = diagnosis(*observations, startup(timed_out_at_connect()))
        said = the(told, Cause.STARTUP_DATABASE_FAILED).summary
        assert "; the dialler was not asked over connector: run the check cloudsql too)" in said
    without_path = diagnosis(startup(timed_out_at_connect(), path=None))
    assert "not asked over connector" in without_path.findings[0].summary


def test_what_hangs_is_explained_by_what_the_dialler_saw_on_the_same_path() -> None:
    told = diagnosis(*dialled(SILENT, SILENT), startup(timed_out_at_connect()))
    assert causes(told) == [Cause.NETWORK_SILENT, Cause.STARTUP_FAILED]
    assert root_of(told, Cause.STARTUP_FAILED) is Cause.NETWORK_SILENT
    assert the(told, Cause.STARTUP_FAILED).escalate
    assert told.verdict is Verdict.DOWN
    assert told.headline.endswith("; the application would not start")


def test_what_the_dialler_saw_on_another_path_explains_nothing() -> None:
    other = dialled((Stage.TCP, Failure.REFUSED), path=Path.PRIVATE_IP)
    told = diagnosis(*dialled(PASSED), *other, startup(timed_out_at_connect()))
    assert root_of(told, Cause.STARTUP_FAILED) is Cause.STARTUP_DATABASE_FAILED
    assert roots(told) == [Cause.STARTUP_DATABASE_FAILED, Cause.ENDPOINT_REFUSED]


def test_a_slow_path_explains_a_time_out_and_becomes_as_grave() -> None:
    told = diagnosis(*dialled(PASSED, seconds=5.0), startup(timed_out_at_connect()))
    assert root_of(told, Cause.STARTUP_FAILED) is Cause.SLOW_CONNECTION
    assert the(told, Cause.SLOW_CONNECTION).severity is Severity.CRITICAL
    assert told.verdict is Verdict.DOWN


def test_what_postgresql_said_outright_is_not_explained_by_a_slow_path() -> None:
    record = failing(PhaseKind.DATABASE, Failure.PASSWORD_REJECTED, "connect")
    told = diagnosis(*dialled(PASSED, seconds=5.0), startup(record))
    assert root_of(told, Cause.STARTUP_FAILED) is Cause.PASSWORD_REJECTED
    assert the(told, Cause.SLOW_CONNECTION).severity is Severity.WARNING


@pytest.mark.parametrize(
    ("said", "met", "root"),
    [
        (Failure.SLOTS_EXHAUSTED, (Stage.LOGIN, Failure.ONLY_RESERVED_SLOTS), Cause.ONLY_RESERVED_SLOTS),
        (Failure.STARTING_UP, (Stage.TCP, Failure.REFUSED), Cause.ENDPOINT_REFUSED),
        (Failure.PASSWORD_REJECTED, (Stage.LOGIN, Failure.PASSWORD_REJECTED), Cause.PASSWORD_REJECTED),
    ],
)
def test_what_was_said_outright_is_explained_by_the_same_sort_and_by_a_dead_path(
    said: Failure, met: tuple[Stage, Failure], root: Cause
) -> None:
    told = diagnosis(*dialled(met, met), startup(failing(PhaseKind.DATABASE, said, "connect")))
    assert roots(told) == [root]
    assert root_of(told, Cause.STARTUP_FAILED) is root


def test_the_same_cause_is_one_cause_over_whatever_path_it_was_met() -> None:
    met = (Stage.LOGIN, Failure.PASSWORD_REJECTED)
    told = diagnosis(
        *dialled(PASSED, (Stage.QUERY, Failure.TIMEOUT)),
        *dialled(met, path=Path.PRIVATE_IP),
        startup(failing(PhaseKind.DATABASE, Failure.PASSWORD_REJECTED, "connect")),
    )
    assert root_of(told, Cause.STARTUP_FAILED) is Cause.PASSWORD_REJECTED
    assert the(told, Cause.PASSWORD_REJECTED).severity is Severity.CRITICAL


def test_the_probes_own_missing_right_is_inconclusive_never_down() -> None:
    record = failing(PhaseKind.DEPENDENCIES, Failure.FORBIDDEN, "admin_api")
    for observations in (dialled(FORBIDDEN, FORBIDDEN), []):
        told = diagnosis(*observations, startup(record))
        assert the(told, Cause.ADMIN_API_FORBIDDEN).severity is Severity.CRITICAL
        assert root_of(told, Cause.STARTUP_FAILED) is Cause.ADMIN_API_FORBIDDEN
        assert the(told, Cause.STARTUP_FAILED).severity is Severity.WARNING
        assert (told.verdict, dict(told.targets)["staging-db"]) == (Verdict.INCONCLUSIVE,) * 2
        assert told.headline.startswith("staging-db: the probe's account may not ask")


@pytest.mark.parametrize(
    ("record", "cause", "sentence"),
    [
        (
            failing(PhaseKind.DEPENDENCIES, Failure.FORBIDDEN, "admin_api"),
            Cause.ADMIN_API_FORBIDDEN,
            "which failed (forbidden) after 100 ms (budget 40 s, at admin_api), phases 3 to 7 blocked; ",
        ),
        (
            failing(PhaseKind.DATABASE, Failure.ROLE_LIMIT, "connect"),
            Cause.ROLE_LIMIT_REACHED,
            "with the probe's own identity the start-up ends in phase_3_database, ",
        ),
        (
            failing(PhaseKind.DEPENDENCIES, Failure.SECRET_MISSING, "secrets"),
            Cause.SECRET_MISSING,
            "with the probe's own environment the start-up ends in phase_2_dependencies, ",
        ),
        (
            failing(PhaseKind.FINALIZE, Failure.SECRET_MISSING),
            Cause.SECRET_MISSING,
            "phase_7_finalize, which failed (secret_missing) after 100 ms (budget 10 s); ",
        ),
        (
            failing(PhaseKind.DEPENDENCIES, Failure.WRONG_REGION, "admin_api"),
            Cause.WRONG_REGION,
            "with the probe's own settings the start-up ends in phase_2_dependencies, ",
        ),
    ],
)
def test_what_only_the_probe_lacks_says_nothing_of_the_application(
    record: PhaseRecord, cause: Cause, sentence: str
) -> None:
    told = diagnosis(startup(record))
    summary = the(told, Cause.STARTUP_FAILED).summary
    assert sentence in summary
    assert summary.endswith("; whether the application's own does is not known")
    assert "would not start" not in summary
    assert the(told, cause).severity is CATALOGUE[cause].severity
    assert (the(told, Cause.STARTUP_FAILED).severity, told.chain) == (Severity.WARNING, ())
    assert told.verdict is Verdict.INCONCLUSIVE
    refuted = diagnosis(startup(record), startup(confirmation=True))
    assert the(refuted, Cause.STARTUP_FAILED).summary.endswith("is not known; " + NOT_CONFIRMED)


@pytest.mark.parametrize(
    ("at", "failure", "cause"),
    [
        ("first_query", Failure.TIMEOUT, Cause.QUERY_SILENT),
        ("first_query", Failure.CLOSED, Cause.QUERY_BROKEN_OFF),
        ("first_query", Failure.RESET, Cause.QUERY_BROKEN_OFF),
        ("first_query", Failure.TERMINATED, Cause.QUERY_BROKEN_OFF),
        ("first_query", Failure.PROTOCOL, Cause.QUERY_PROTOCOL),
        ("first_query", Failure.SQL_ERROR, Cause.QUERY_FAILED),
        ("schema_check", Failure.TIMEOUT, Cause.SCHEMA_CHECK_SLOW),
        ("schema_check", Failure.TERMINATED, Cause.QUERY_BROKEN_OFF),
        ("schema_check", Failure.SQL_ERROR, Cause.QUERY_FAILED),
        ("schema_check", Failure.NOT_AUTHORISED, Cause.NOT_AUTHORISED),
    ],
)
def test_what_fails_after_the_login_is_a_query_and_no_failure_to_get_through(
    at: str, failure: Failure, cause: Cause
) -> None:
    record = failing(PhaseKind.DATABASE, failure, steps=(step("connect"), step(at, failure=failure)))
    told = alone(record)
    assert causes(told) == [cause, Cause.STARTUP_FAILED]
    assert told.findings[0].layer is Layer.DATABASE
    assert ("got through over connector in 2 of 2" in told.findings[0].summary) is (at == "first_query")
    assert told.verdict is Verdict.DOWN


HOST, SOCKET = "10.20.1.3:3307", "/cloudsql/p:r:i/.s.PGSQL.5432"


@pytest.mark.parametrize(
    ("failure", "endpoint", "cause", "words"),
    [
        (Failure.REFUSED, HOST, Cause.ENDPOINT_REFUSED, f"{HOST} refuses connections"),
        (Failure.REFUSED, "", Cause.ENDPOINT_REFUSED, "the endpoint refuses connections"),
        (Failure.REFUSED, SOCKET, Cause.BUILT_IN_SOCKET_REFUSED, f"socket {SOCKET} refuses"),
        (Failure.SOCKET_MISSING, SOCKET, Cause.BUILT_IN_SOCKET_MISSING, f"socket {SOCKET} does not exist"),
        (Failure.SOCKET_MISSING, HOST, Cause.STARTUP_DATABASE_FAILED, f"through to the database {HOST}"),
        (Failure.PASSWORD_REJECTED, SOCKET, Cause.PASSWORD_REJECTED, "rejects the password"),
        (Failure.UNREACHABLE, HOST, Cause.ROUTE_MISSING, f"there is no route to {HOST}"),
        (Failure.NAME_NOT_FOUND, "db.x:5432", Cause.NAME_NOT_FOUND, "the name of db.x:5432 does not resolve"),
        (Failure.NAME_SERVER_FAILED, "db.x:5432", Cause.NAME_SERVER_FAILED, "the name server fails"),
        (Failure.NOT_TLS, HOST, Cause.TLS_NOT_SPOKEN, f"{HOST} does not speak TLS"),
        (Failure.TLS_DECLINED, HOST, Cause.TLS_DECLINED, f"{HOST} offers no TLS"),
        (Failure.SERVER_CERTIFICATE, HOST, Cause.SERVER_CERTIFICATE_UNTRUSTED, "not signed by"),
        (Failure.SERVER_ERROR, HOST, Cause.ADMIN_API_ERROR, "the Admin API fails"),
        (Failure.SQL_ERROR, HOST, Cause.LOGIN_REJECTED, "PostgreSQL rejects the login"),
        (Failure.AUTHENTICATION_UNSUPPORTED, HOST, Cause.LOGIN_REJECTED, "PostgreSQL rejects the login"),
    ],
)
def test_a_connect_that_says_why_it_failed_is_told_so_with_and_without_the_dialler(
    failure: Failure, endpoint: str, cause: Cause, words: str
) -> None:
    record = failing(PhaseKind.DATABASE, failure, "connect", endpoint=endpoint)
    told = diagnosis(startup(record))
    assert (causes(told), told.verdict) == ([cause, Cause.STARTUP_FAILED], Verdict.DOWN)
    assert words in told.findings[0].summary
    assert ("dialler" in told.findings[0].summary) is (cause is Cause.STARTUP_DATABASE_FAILED)
    beside = the(alone(record), cause).summary
    assert "; the dialler got through over connector in 2 of 2 attempts, 70 ms on average)" in beside


@pytest.mark.parametrize("failure", [Failure.TIMEOUT, Failure.RESET, Failure.CLOSED, Failure.PROTOCOL])
@pytest.mark.parametrize("endpoint", [HOST, SOCKET])
def test_a_connect_that_does_not_say_how_far_it_came_is_the_stacks_and_names_the_endpoint(
    failure: Failure, endpoint: str
) -> None:
    told = diagnosis(startup(failing(PhaseKind.DATABASE, failure, "connect", endpoint=endpoint)))
    summary = the(told, Cause.STARTUP_DATABASE_FAILED).summary
    assert f"does not get through to the database {endpoint} (phase_3_database" in summary


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (Failure.REFUSED, Cause.ADMIN_API_REFUSED),
        (Failure.TIMEOUT, Cause.ADMIN_API_SILENT),
        (Failure.SERVER_CERTIFICATE, Cause.ADMIN_API_TLS),
        (Failure.SOCKET_MISSING, Cause.ADMIN_API_ERROR),
    ],
)
def test_what_the_connector_asks_over_http_within_its_connect_speaks_of_the_admin_api(
    failure: Failure, cause: Cause
) -> None:
    asked = said("cannot connect", "aiohttp.client_exceptions.ClientConnectorError")
    told = diagnosis(startup(failing(PhaseKind.DATABASE, failure, "connect", endpoint=HOST, error=asked)))
    assert causes(told) == [cause, Cause.STARTUP_FAILED]
    name = failing(PhaseKind.DATABASE, Failure.NAME_NOT_FOUND, "connect", endpoint=HOST, error=asked)
    assert "the name of the Admin API does not" in diagnosis(startup(name)).headline


def test_a_database_phase_that_failed_without_a_word_stays_the_stacks() -> None:
    record = phase(PhaseKind.DATABASE, PhaseOutcome.FAILED)
    assert root_of(alone(record), Cause.STARTUP_FAILED) is Cause.STARTUP_DATABASE_FAILED


def test_a_handshake_on_postgresqls_own_port_is_the_databases() -> None:
    record = failing(PhaseKind.DATABASE, Failure.SERVER_CERTIFICATE, "connect", endpoint="10.20.1.3:5432")
    told = diagnosis(startup(record, path=Path.PRIVATE_IP))
    assert the(told, Cause.SERVER_CERTIFICATE_UNTRUSTED).layer is Layer.DATABASE
    over = diagnosis(startup(record))
    assert the(over, Cause.SERVER_CERTIFICATE_UNTRUSTED).layer is Layer.SERVER_PROXY


def test_connections_that_are_slow_explain_no_refusal() -> None:
    record = failing(PhaseKind.DATABASE, Failure.REFUSED, "connect", endpoint=HOST)
    told = diagnosis(*dialled(PASSED, seconds=5.0), startup(record))
    assert root_of(told, Cause.STARTUP_FAILED) is Cause.ENDPOINT_REFUSED
    assert the(told, Cause.SLOW_CONNECTION).severity is Severity.WARNING


def test_the_admin_api_explains_the_dependencies_of_an_application_on_another_path() -> None:
    asked = replace(ASKED, application_path=Path.SOCKET)
    met = dialled((Stage.ADMIN_API, Failure.SERVER_ERROR), (Stage.ADMIN_API, Failure.SERVER_ERROR))
    timeout = failing(PhaseKind.DEPENDENCIES, Failure.TIMEOUT, "admin_api")
    told = diagnose([*met, startup(timeout, path=Path.SOCKET)], asked)
    assert root_of(told, Cause.STARTUP_FAILED) is Cause.ADMIN_API_ERROR
    database = startup(timed_out_at_connect(), path=Path.SOCKET)
    assert root_of(diagnose([*met, database], asked), Cause.STARTUP_FAILED) is Cause.STARTUP_DATABASE_FAILED


@pytest.mark.parametrize(
    ("record", "cause", "words"),
    [
        (
            failing(PhaseKind.DEPENDENCIES, Failure.SECRET_MISSING, "secrets", missing=("JWT", "PGPASS")),
            Cause.SECRET_MISSING,
            "the application needs JWT, PGPASS, not set here",
        ),
        (
            failing(PhaseKind.INIT, Failure.SECRET_MISSING),
            Cause.SECRET_MISSING,
            "the application needs a secret, not set here",
        ),
        (
            failing(PhaseKind.DATABASE, Failure.TABLE_MISSING, "schema_check", missing=("users", "threads")),
            Cause.REQUIRED_TABLE_MISSING,
            "required tables do not exist: users, threads",
        ),
        (
            failing(PhaseKind.DATABASE, Failure.TIMEOUT, "schema_check", seconds=25.0),
            Cause.SCHEMA_CHECK_SLOW,
            "the schema check is not answered (phase_3_database no answer after 25 s at schema_check)",
        ),
        (
            failing(PhaseKind.CACHE, Failure.PASSWORD_REJECTED, "auth", endpoint=CACHE),
            Cause.CACHE_PASSWORD_REJECTED,
            f"the cache {CACHE} rejects the password",
        ),
        (
            failing(PhaseKind.CACHE, Failure.TIMEOUT, "ping"),
            Cause.CACHE_SILENT,
            f"the cache {CACHE} accepts connections and does not answer",
        ),
        (
            failing(PhaseKind.CACHE, Failure.REFUSED, "connect"),
            Cause.CACHE_UNREACHABLE,
            f"the cache {CACHE} cannot be reached, or lets nobody in (phase_4_cache refused",
        ),
        (
            failing(PhaseKind.CACHE, Failure.STARTING_UP, "ping", error=said("Redis is loading")),
            Cause.CACHE_UNREACHABLE,
            'lets nobody in (phase_4_cache starting_up after 100 ms at ping, "Redis is loading")',
        ),
        (
            failing(PhaseKind.CACHE, Failure.PASSWORD_REJECTED, "ping", error=said(NO_PASSWORD_GIVEN)),
            Cause.CACHE_PASSWORD_REJECTED,
            f"the cache {CACHE} demands a password, and none is configured (phase_4_cache",
        ),
        (
            failing(PhaseKind.CACHE, Failure.PASSWORD_REJECTED, "ping", error=said("-NOAUTH whatever")),
            Cause.CACHE_PASSWORD_REJECTED,
            f"the cache {CACHE} demands a password, and none is configured (phase_4_cache",
        ),
        (
            failing(PhaseKind.CACHE, Failure.PASSWORD_REJECTED, "auth", error=said(NO_PASSWORD_WANTED)),
            Cause.CACHE_PASSWORD_REJECTED,
            f"the cache {CACHE} has no password, and one is sent (phase_4_cache",
        ),
        (
            failing(PhaseKind.CACHE, Failure.PASSWORD_REJECTED, "auth", error=said(OLD_NONE_WANTED)),
            Cause.CACHE_PASSWORD_REJECTED,
            f"the cache {CACHE} has no password, and one is sent (phase_4_cache",
        ),
        (
            failing(PhaseKind.CACHE, Failure.TIMEOUT, "tls"),
            Cause.CACHE_SILENT,
            f"the cache {CACHE} accepts connections and does not answer",
        ),
        (
            failing(PhaseKind.CACHE, Failure.TIMEOUT, "connect"),
            Cause.CACHE_UNREACHABLE,
            f"the cache {CACHE} cannot be reached",
        ),
        (
            failing(PhaseKind.SERVICES, Failure.UNHEALTHY, endpoint="http://auth/health", error=NOT_WELL),
            Cause.SERVICE_UNAVAILABLE,
            "well (phase_5_services unhealthy after 100 ms [HTTP 503], \"HTTP 503: b'no'\")",
        ),
        (
            failing(PhaseKind.WEBSOCKET, Failure.UNHEALTHY, "handshake", endpoint="wss://api/ws"),
            Cause.WEBSOCKET_NOT_READY,
            "the WebSocket endpoint wss://api/ws is not ready",
        ),
        (
            failing(PhaseKind.FINALIZE, Failure.UNHEALTHY, "health"),
            Cause.APPLICATION_UNHEALTHY,
            "the application's own health (address not known) does not say that it is well",
        ),
    ],
)
def test_each_phase_has_its_own_words_for_what_is_wrong(
    record: PhaseRecord, cause: Cause, words: str
) -> None:
    told = alone(record)
    assert causes(told) == [cause, Cause.STARTUP_FAILED]
    assert words in told.findings[0].summary
    assert told.findings[0].summary.startswith("staging-db: ")
    # A secret is looked for where the probe runs: whether the application has it, nobody has seen.
    assert told.verdict is (Verdict.INCONCLUSIVE if cause is Cause.SECRET_MISSING else Verdict.DOWN)
    assert root_of(told, Cause.STARTUP_FAILED) is cause
    assert the(told, Cause.STARTUP_FAILED).escalate is CATALOGUE[cause].escalate


def test_a_phase_that_failed_before_it_asked_anybody_is_the_probes_own_fault() -> None:
    told = alone(failing(PhaseKind.INIT, Failure.TIMEOUT))
    assert causes(told) == [Cause.REHEARSAL_CRASHED, Cause.STARTUP_FAILED]
    assert told.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("kind", [PhaseKind.CACHE, PhaseKind.SERVICES])
def test_a_neighbour_at_the_same_address_explains_what_cannot_be_reached(kind: PhaseKind) -> None:
    asked = replace(WITH_CACHE, services=("http://auth/health", f"http://{CACHE}/ping"))
    dead = route("r1", "cache", CACHE, Failure.REFUSED)
    for endpoint in (CACHE, f"http://{CACHE}/ping", ""):
        record = failing(kind, Failure.REFUSED, endpoint=endpoint)
        told = diagnose([*dialled(PASSED), dead, startup(record)], asked)
        assert roots(told) == [Cause.NEIGHBOUR_UNREACHABLE]
        assert the(told, Cause.NEIGHBOUR_UNREACHABLE).severity is Severity.CRITICAL
        assert told.verdict is Verdict.DOWN


@pytest.mark.parametrize("endpoint", ["10.20.1.5:6379", "http://10.20.1.4/", "http://[bad", "", "nothing"])
def test_a_neighbour_elsewhere_explains_nothing(endpoint: str) -> None:
    asked = replace(WITH_CACHE, cache_address="")
    dead = route("r1", "cache", CACHE, Failure.REFUSED)
    for kind in (PhaseKind.CACHE, PhaseKind.FINALIZE):
        record = failing(kind, Failure.REFUSED, endpoint=endpoint)
        told = diagnose([*dialled(PASSED), dead, startup(record)], asked)
        root = root_of(told, Cause.STARTUP_FAILED)
        assert root in (Cause.CACHE_UNREACHABLE, Cause.APPLICATION_UNHEALTHY)


def test_what_answers_is_not_explained_by_a_neighbour_that_was_silent_at_times() -> None:
    dead = route("r1", "cache", CACHE, Failure.REFUSED)
    record = failing(PhaseKind.CACHE, Failure.PASSWORD_REJECTED, "auth", endpoint=CACHE)
    told = diagnose([*dialled(PASSED), dead, startup(record)], WITH_CACHE)
    assert root_of(told, Cause.STARTUP_FAILED) is Cause.CACHE_PASSWORD_REJECTED


def test_a_silent_connector_explains_every_phase_that_gets_no_answer() -> None:
    closed = egress(60.0, CACHE, "10.20.1.3:3307", answered=False)
    for kind in (PhaseKind.DATABASE, PhaseKind.CACHE, PhaseKind.SERVICES):
        told = diagnosis(closed, startup(failing(kind, Failure.TIMEOUT)))
        assert root_of(told, Cause.STARTUP_FAILED) is Cause.CONNECTOR_OR_ROUTE_SILENT
    told = diagnosis(closed, startup(failing(PhaseKind.SERVICES, Failure.UNHEALTHY)))
    assert root_of(told, Cause.STARTUP_FAILED) is Cause.SERVICE_UNAVAILABLE


def test_a_missing_table_is_no_fault_of_any_path() -> None:
    record = failing(PhaseKind.DATABASE, Failure.TABLE_MISSING, "schema_check", missing=("users",))
    told = diagnosis(*dialled(SILENT, SILENT), startup(record))
    assert root_of(told, Cause.STARTUP_FAILED) is Cause.REQUIRED_TABLE_MISSING


def test_a_phase_that_is_not_required_is_a_warning_alone() -> None:
    record = failing(PhaseKind.CACHE, Failure.REFUSED, "connect", required=False)
    told = alone(record)
    assert causes(told) == [Cause.CACHE_UNREACHABLE]
    assert told.findings[0].severity is Severity.WARNING
    assert "; the application starts without it)" in told.findings[0].summary
    assert told.verdict is Verdict.DEGRADED
    assert told.chain == ()


def test_a_phase_that_is_not_required_is_a_consequence_of_what_is_known() -> None:
    records = [
        failing(kind, Failure.REFUSED, endpoint=CACHE, required=False)
        for kind in (PhaseKind.CACHE, PhaseKind.SERVICES)
    ]
    dead = route("r1", "cache", CACHE, Failure.REFUSED)
    told = diagnose([*dialled(PASSED), dead, startup(rehearsal(*records))], WITH_CACHE)
    assert roots(told) == [Cause.NEIGHBOUR_UNREACHABLE]
    assert root_of(told, Cause.CACHE_UNREACHABLE) is Cause.NEIGHBOUR_UNREACHABLE
    assert root_of(told, Cause.SERVICE_UNAVAILABLE) is Cause.NEIGHBOUR_UNREACHABLE
    assert told.verdict is Verdict.DEGRADED


def test_one_root_may_explain_an_optional_phase_and_the_one_that_ends_the_start_up() -> None:
    optional = failing(PhaseKind.CACHE, Failure.REFUSED, endpoint=CACHE, required=False)
    required = failing(PhaseKind.SERVICES, Failure.REFUSED, endpoint=f"http://{CACHE}/ping")
    dead = route("r1", "cache", CACHE, Failure.REFUSED)
    told = diagnose([*dialled(PASSED), dead, startup(rehearsal(optional, required))], WITH_CACHE)
    assert roots(told) == [Cause.NEIGHBOUR_UNREACHABLE]
    assert len(told.findings) == 3


def test_a_start_up_that_the_second_rehearsal_refutes_is_degraded() -> None:
    again = startup(confirmation=True)
    told = diagnosis(*dialled(PASSED), startup(timed_out_at_connect()), again)
    assert {f.severity for f in told.findings} == {Severity.WARNING}
    assert told.verdict is Verdict.DEGRADED
    assert the(told, Cause.STARTUP_FAILED).summary.endswith("rehearsed again after the pause it would start")
    assert "; not confirmed: " in the(told, Cause.STARTUP_DATABASE_FAILED).summary
    assert "would not start" not in told.headline
    assert told.chain != ()


def test_a_start_up_that_the_second_rehearsal_repeats_stays_down() -> None:
    first, again = timed_out_at_connect(), startup(timed_out_at_connect(), confirmation=True)
    told = diagnosis(startup(first), again)
    assert told.verdict is Verdict.DOWN
    assert the(told, Cause.STARTUP_FAILED).evidence == (again.id,)
    other_way = diagnosis(startup(), again)
    assert other_way.verdict is Verdict.DOWN


def test_what_the_probe_lacked_at_first_alone_leaves_nothing_open() -> None:
    record = failing(PhaseKind.DEPENDENCIES, Failure.FORBIDDEN, "admin_api")
    told = diagnosis(startup(record), startup(confirmation=True))
    assert {f.severity for f in told.findings} == {Severity.INFO}
    assert told.verdict is Verdict.HEALTHY


@pytest.mark.parametrize("second", ["crashed", "overloaded", "cut off"])
def test_a_second_rehearsal_that_tells_nothing_overturns_nothing(second: str) -> None:
    again = {
        "crashed": startup(confirmation=True, outcome=Outcome.CRASHED),
        "overloaded": startup(rehearsal(overloaded=True), confirmation=True),
        "cut off": startup(confirmation=True, outcome=Outcome.SKIPPED, skip_reason=SkipReason.DEADLINE),
    }[second]
    told = diagnosis(startup(timed_out_at_connect()), again)
    assert told.verdict is Verdict.DOWN
    assert the(told, Cause.STARTUP_FAILED).severity is Severity.CRITICAL


def test_an_overloaded_rehearsal_concludes_nothing_else() -> None:
    slow = rehearsal(timed_out_at_connect(), overloaded=True, lag_s=2.5)
    for outcome in (Outcome.FAILED, Outcome.CRASHED):
        told = diagnosis(*dialled(PASSED), startup(slow, outcome=outcome))
        assert causes(told) == [Cause.PROBE_OVERLOADED]
        assert "did not get to run for 2.5 s" in told.headline
        assert (told.verdict, told.chain) == (Verdict.INCONCLUSIVE, ())


def test_a_crash_of_the_rehearsal_never_speaks_of_the_database() -> None:
    error = ErrorFacts(type="RuntimeError", message="Traceback\nRuntimeError: ended with -9: it said nothing")
    crashed = replace(startup(), outcome=Outcome.CRASHED, result=None, error=error)
    told = diagnosis(*dialled(PASSED), crashed)
    (finding,) = told.findings
    assert (finding.cause, finding.layer) == (Cause.REHEARSAL_CRASHED, Layer.PROBE)
    assert finding.summary == (
        "staging-db: the start-up's rehearsal itself went wrong "
        '("RuntimeError: ended with -9: it said nothing")'
    )
    assert told.verdict is Verdict.INCONCLUSIVE


def test_a_crash_says_in_which_phase_it_was() -> None:
    crashed = phase(PhaseKind.CACHE, PhaseOutcome.CRASHED, error=ErrorFacts(type="x", message="KeyError: 1"))
    told = diagnosis(startup(crashed, outcome=Outcome.CRASHED))
    assert told.headline == (
        'staging-db: the start-up\'s rehearsal itself went wrong in phase_4_cache ("KeyError: 1")'
    )
    optional = startup(replace(crashed, required=False, error=None))
    assert diagnosis(optional).headline.endswith("went wrong in phase_4_cache")
    assert diagnosis(optional).verdict is Verdict.INCONCLUSIVE


def test_a_rehearsal_that_ended_without_telling_how_is_the_probes_fault() -> None:
    untold = rehearsal(phase(PhaseKind.FINALIZE, PhaseOutcome.SKIPPED))
    for observation in (
        startup(untold),
        replace(startup(), result=None, outcome=Outcome.FAILED, failure=Failure.TIMEOUT),
    ):
        told = diagnosis(observation)
        assert causes(told) == [Cause.REHEARSAL_CRASHED]
        assert told.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("outcome", [Outcome.CRASHED, Outcome.FAILED])
def test_neither_a_crash_nor_an_overload_overturns_what_the_dialler_proved(outcome: Outcome) -> None:
    observation = startup(rehearsal(overloaded=outcome is Outcome.FAILED), outcome=outcome)
    told = diagnosis(*dialled(SILENT, SILENT), observation)
    assert told.verdict is Verdict.DOWN
    assert told.headline.startswith("staging-db: 10.20.1.3:3307 does not answer")


@pytest.mark.parametrize("reason", [SkipReason.DEADLINE, SkipReason.INTERRUPTED])
def test_a_start_up_that_was_cut_off_is_said_once_and_leaves_the_answer_open(reason: SkipReason) -> None:
    partial = rehearsal(phase(PhaseKind.DATABASE, PhaseOutcome.SKIPPED))
    cut_off = startup(partial, outcome=Outcome.SKIPPED, skip_reason=reason)
    told = diagnosis(*dialled(PASSED), cut_off)
    assert causes(told) == [Cause.NOT_MEASURED]
    assert told.findings[0].summary == f"staging-db: startup over connector was not measured ({reason})"
    assert told.verdict is Verdict.INCONCLUSIVE


def test_a_slow_start_up_names_the_phase_that_took_most_of_it() -> None:
    slow = rehearsal(phase(PhaseKind.FINALIZE, seconds=45.0))
    told = diagnosis(startup(slow))
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.STARTUP_SLOW, Severity.INFO)
    assert finding.summary == (
        "staging-db: the application would start, in 51 s (threshold 30 s); phase_7_finalize took most, "
        "45 s, 450% of its budget"
    )
    assert told.verdict is Verdict.HEALTHY


def test_a_start_up_beyond_what_is_tolerated_is_degraded() -> None:
    asked = replace(ASKED, thresholds=Thresholds(startup_s=1.0, startup_tolerated_s=5.0))
    told = diagnose([startup()], asked)
    assert (told.findings[0].cause, told.findings[0].severity) == (Cause.STARTUP_SLOW, Severity.WARNING)
    assert "(threshold 5 s)" in told.findings[0].summary
    assert told.verdict is Verdict.DEGRADED


def test_a_failed_start_up_is_not_called_slow_as_well() -> None:
    assert Cause.STARTUP_SLOW not in causes(alone(timed_out_at_connect()))


def test_a_start_up_that_two_rounds_of_the_dialler_explain_has_one_root() -> None:
    again = dialled(SILENT, SILENT, confirmation=True)
    told = diagnosis(
        *dialled(SILENT, SILENT),
        *again,
        startup(timed_out_at_connect()),
        startup(timed_out_at_connect(), confirmation=True),
    )
    assert roots(told) == [Cause.NETWORK_SILENT]
    assert len(told.findings) == 2


def test_a_root_that_another_target_shares_explains_the_start_up_as_well() -> None:
    first = replace(ASKED.targets[0], name="a", instance="p:r:a")
    asked = replace(ASKED, targets=(first, *ASKED.targets))
    met = (Stage.ADMIN_API, Failure.RATE_LIMITED)
    told = diagnose(
        [*dialled(met, met, of="a"), *dialled(met, met), startup(timed_out_at_connect())],
        asked,
    )
    assert roots(told) == [Cause.ADMIN_API_RATE_LIMITED]
    assert [f.consequence_of for f in told.findings] == [None, "F1", "F1"]
    assert dict(told.targets)["staging-db"] is Verdict.DOWN
    assert told.headline.endswith("; the application would not start")


def test_a_step_without_a_budget_of_its_own_is_held_against_the_phases() -> None:
    without = failing(PhaseKind.DATABASE, Failure.TIMEOUT, steps=(step("connect", finished=False),))
    told = alone(without)
    assert "(budget 90 s, at connect)" in the(told, Cause.STARTUP_FAILED).summary
    bare = alone(failing(PhaseKind.CACHE, Failure.TIMEOUT))
    assert "phase_4_cache timed out after 100 ms (budget 20 s), " in the(bare, Cause.STARTUP_FAILED).summary


def test_a_later_step_says_when_it_began() -> None:
    steps = (step("connect"), replace(step("schema_check", 25.0, budget_s=25.0), finished=False))
    began_at_s = steps[0].span.ended_ns
    late = replace(steps[1], span=replace(steps[1].span, started_ns=2 * 10**9 + began_at_s - 10**9))
    record = failing(PhaseKind.DATABASE, Failure.TIMEOUT, seconds=25.5, steps=(steps[0], late))
    ended = replace(record, span=replace(late.span, started_ns=10**9))
    assert "(budget 25 s, at schema_check from 1.01 s on), " in (
        the(alone(ended), Cause.STARTUP_FAILED).summary
    )
    assert "at schema_check), " in the(alone(replace(ended, steps=(late,))), Cause.STARTUP_FAILED).summary


def test_an_address_is_not_said_twice() -> None:
    url = "http://auth/health"
    told = alone(failing(PhaseKind.SERVICES, Failure.UNHEALTHY, url, endpoint=url))
    assert "(phase_5_services unhealthy after 100 ms)" in the(told, Cause.SERVICE_UNAVAILABLE).summary


def test_the_check_is_judged_without_any_other() -> None:
    told = diagnosis(startup(timed_out_at_connect()))
    assert dict(told.targets) == {"staging-db": Verdict.DOWN}
    assert {o for f in told.findings for o in f.evidence} == {"startup/staging-db/1"}
    assert all(f.target == "staging-db" for f in told.findings)
