import pytest

from probe.diagnosis.consequences import linked
from probe.model.cause import Cause
from probe.model.report import Finding
from probe.model.words import Layer
from tests.factories import finding

INSTANCES = {"a": "p:r:one", "b": "p:r:two", "c": "p:r:two", "d": "p:r:two"}


def found(identifier: str, cause: Cause, target: str, layer: Layer) -> Finding:
    return finding(identifier, cause=cause, target=target, layer=layer)


def roots(*findings: Finding) -> list[str | None]:
    return [f.consequence_of for f in linked(findings, INSTANCES)]


@pytest.mark.parametrize(
    ("cause", "layer"),
    [
        (Cause.CONNECTOR_OR_ROUTE_SILENT, Layer.NETWORK),
        (Cause.METADATA_SERVER_UNAVAILABLE, Layer.CREDENTIALS),
        (Cause.NAME_SERVER_SILENT, Layer.DNS),
        (Cause.ADMIN_API_RATE_LIMITED, Layer.ADMIN_API),
    ],
)
def test_the_same_fault_of_something_shared_is_one_cause_with_consequences(
    cause: Cause, layer: Layer
) -> None:
    findings = [found(f"F{n}", cause, target, layer) for n, target in enumerate("abc", start=1)]
    assert roots(*findings) == [None, "F1", "F1"]


def test_the_same_fault_of_two_instances_is_two_causes() -> None:
    for cause, layer in (
        (Cause.ENDPOINT_REFUSED, Layer.ENDPOINT),
        (Cause.DATABASE_DOWN, Layer.DATABASE),
        (Cause.INSTANCE_NOT_FOUND, Layer.ADMIN_API),
    ):
        assert roots(found("F1", cause, "a", layer), found("F2", cause, "b", layer)) == [None, None]


def test_the_same_fault_of_one_instance_under_two_targets_is_one_cause() -> None:
    for cause, layer in (
        (Cause.ENDPOINT_REFUSED, Layer.ENDPOINT),
        (Cause.TLS_SILENT, Layer.SERVER_PROXY),
        (Cause.SLOTS_EXHAUSTED, Layer.DATABASE),
    ):
        findings = [found(f"F{n}", cause, target, layer) for n, target in enumerate("abcd", start=1)]
        assert roots(*findings) == [None, None, "F2", "F2"]


def test_what_concerns_one_role_or_database_is_a_cause_of_its_own() -> None:
    for cause in (Cause.PASSWORD_REJECTED, Cause.DATABASE_MISSING):
        findings = [found(f"F{n}", cause, target, Layer.DATABASE) for n, target in enumerate("bc", start=1)]
        assert roots(*findings) == [None, None]


def test_another_cause_and_another_path_of_the_same_target_are_no_consequence() -> None:
    silent = found("F1", Cause.CONNECTOR_OR_ROUTE_SILENT, "a", Layer.NETWORK)
    missing = found("F2", Cause.ROUTE_MISSING, "b", Layer.NETWORK)
    again = found("F3", Cause.CONNECTOR_OR_ROUTE_SILENT, "a", Layer.NETWORK)
    assert roots(silent, missing, again) == [None, None, None]


def test_two_neighbours_are_no_instance() -> None:
    findings = [
        found(f"F{n}", Cause.NEIGHBOUR_UNREACHABLE, name, Layer.NEIGHBOUR) for n, name in enumerate("xy")
    ]
    assert roots(*findings) == [None, None]


def test_a_silent_admin_api_is_a_consequence_where_no_private_endpoint_answers_either() -> None:
    admin_api = found("F1", Cause.ADMIN_API_SILENT, "a", Layer.ADMIN_API)
    silent = found("F2", Cause.CONNECTOR_OR_ROUTE_SILENT, "cache", Layer.NETWORK)
    assert roots(admin_api, silent) == ["F2", None]
    assert roots(admin_api) == [None]
