from itertools import product

import pytest

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.sentences import WHAT
from probe.diagnosis.stages import BY_STAGE, OTHERWISE, UNIX_SOCKET, cause_of
from probe.model.cause import Cause
from probe.model.words import Failure, Layer, Path, Severity, Stage

EVERY_END = list(product(Path, Stage, Failure))
DECIDED_BY_OTHER_PATHS = {
    Cause.CONNECTOR_OR_ROUTE_SILENT,
    Cause.ENDPOINT_SILENT,
    Cause.NEIGHBOUR_UNREACHABLE,
    Cause.DATABASE_DOWN,
    Cause.DATABASE_SILENT,
}
OF_A_PHASE = {Failure.SECRET_MISSING, Failure.TABLE_MISSING, Failure.UNHEALTHY}
"""Of a rehearsed start-up: no stage of the dialler ends so."""
OF_A_PATH = {cause_of(*end) for end in EVERY_END} | DECIDED_BY_OTHER_PATHS


def test_every_failure_of_every_stage_on_every_path_has_a_cause() -> None:
    assert all(isinstance(cause_of(path, stage, failure), Cause) for path, stage, failure in EVERY_END)
    assert set(BY_STAGE) == set(OTHERWISE) == set(Stage)


def test_a_cause_that_a_path_can_have_has_a_sentence_and_no_other_has_one() -> None:
    assert set(WHAT) == OF_A_PATH


def test_a_failing_path_is_critical_by_itself() -> None:
    causes = OF_A_PATH - {Cause.NEIGHBOUR_UNREACHABLE}
    assert {CATALOGUE[cause].severity for cause in causes} == {Severity.CRITICAL}


def test_every_failure_is_named_by_a_stage_or_is_the_servers_own_error() -> None:
    named = {failure for table in (*BY_STAGE.values(), UNIX_SOCKET) for failure in table}
    by_its_stage = {Failure.AUTHENTICATION_UNSUPPORTED, Failure.SQL_ERROR}
    assert set(Failure) - named - OF_A_PHASE <= by_its_stage
    assert not named & OF_A_PHASE


def test_a_failure_without_a_word_for_it_is_its_stages_own() -> None:
    assert {stage: cause_of(None, stage, None) for stage in Stage} == OTHERWISE


@pytest.mark.parametrize(
    ("stage", "cause"),
    [
        (Stage.ADMIN_API, Cause.ADMIN_API_SILENT),
        (Stage.CERTIFICATE, Cause.ADMIN_API_SILENT),
        (Stage.DNS, Cause.NAME_SERVER_SILENT),
        (Stage.TCP, Cause.NETWORK_SILENT),
        (Stage.TLS, Cause.TLS_SILENT),
        (Stage.PROXY, Cause.SERVER_PROXY_SILENT),
        (Stage.LOGIN, Cause.LOGIN_SILENT),
        (Stage.QUERY, Cause.QUERY_SILENT),
    ],
)
def test_the_silences_are_told_apart_by_their_stage(stage: Stage, cause: Cause) -> None:
    assert cause_of(Path.CONNECTOR, stage, Failure.TIMEOUT) is cause


def test_a_reset_of_the_connect_has_the_cause_of_a_reset_in_the_next_stage() -> None:
    reset = Failure.RESET
    for path in (Path.CONNECTOR, Path.PRIVATE_IP):
        assert cause_of(path, Stage.TCP, reset) is cause_of(path, Stage.TLS, reset) is Cause.TLS_RESET
    plain = cause_of(Path.PRIVATE_IP, Stage.TCP, reset, tls=False)
    assert plain is cause_of(Path.PRIVATE_IP, Stage.LOGIN, reset) is Cause.LOGIN_BROKEN_OFF


def test_garbage_that_answers_the_query_is_no_error_of_the_server() -> None:
    for failure in (Failure.PROTOCOL, Failure.NOT_TLS):
        assert cause_of(Path.CONNECTOR, Stage.QUERY, failure) is Cause.QUERY_PROTOCOL


def test_a_unix_socket_is_cloud_runs_and_no_network_endpoint() -> None:
    causes = {cause_of(Path.SOCKET, Stage.TCP, failure) for failure in UNIX_SOCKET}
    assert {CATALOGUE[cause].layer for cause in causes} == {Layer.BUILT_IN_PROXY}
    assert cause_of(Path.PRIVATE_IP, Stage.TCP, Failure.REFUSED) is Cause.ENDPOINT_REFUSED
