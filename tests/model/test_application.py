import pytest

from probe.model.application import PHASES, Application, PhaseKind, capacity_aware_timeout_s


@pytest.mark.parametrize(
    ("base_s", "environment", "expected_s"),
    [(30.0, "staging", 56.0), (30.0, "production", 56.0), (30.0, "development", 30.0), (30.0, "test", 30.0)],
)
def test_a_capacity_aware_timeout_adds_20_s_and_a_fifth_on_cloud_sql_alone(
    base_s: float, environment: str, expected_s: float
) -> None:
    assert capacity_aware_timeout_s(base_s, environment) == pytest.approx(expected_s)


def test_the_timeout_towards_the_connector_is_capacity_aware_unless_it_is_given() -> None:
    assert Application(connection_timeout_s=35.0).connector_wait_s == pytest.approx(62.0)
    assert Application(connector_timeout_s=40.0).connector_wait_s == pytest.approx(40.0)
    assert Application(environment="test").connector_wait_s == pytest.approx(35.0)


def test_the_wait_for_a_pooled_connection_is_the_tuned_one_on_cloud_sql() -> None:
    assert Application().pool_wait_s == pytest.approx(90.0)
    assert Application(environment="development").pool_wait_s == pytest.approx(45.0)


def test_the_seven_phases_have_the_budgets_of_the_application() -> None:
    assert [phase.budget_s for phase in PHASES] == [1.0, 40.0, 90.0, 20.0, 30.0, 15.0, 10.0]
    assert [phase.does for phase in PHASES] == list(PhaseKind)
    assert all(phase.required for phase in PHASES)
