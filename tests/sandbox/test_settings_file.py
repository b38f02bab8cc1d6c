import tomllib
from dataclasses import replace
from pathlib import Path

from probe.model.application import PHASES, Application, Cache, Phase, Pool, Startup
from probe.model.target import Target, Timeouts
from probe.sandbox.settings_file import DEMO_TIMEOUTS, Endpoints, Pace, settings, to_toml
from probe.sandbox.staging import HEALTHY, Staging

ENDPOINTS = Endpoints(
    admin_api="http://127.64.0.1:8080",
    monitoring="127.64.0.1:9000",
    private_host="127.64.0.1",
    private_port=5432,
    socket_dir=Path("/cloudsql"),
    neighbours={"cache": "127.64.0.1:6379", "analytics": "127.64.0.1:8123"},
    auth="127.64.0.1:8001",
    backend="127.64.0.1:8000",
    cache_ca=Path("/cache-ca.pem"),
)


def test_the_text_is_the_settings() -> None:
    written = settings(HEALTHY, ENDPOINTS, Pace())
    assert tomllib.loads(to_toml(written)) == written


def test_every_key_of_a_target_and_of_the_application_is_one_that_there_is() -> None:
    written = settings(HEALTHY, ENDPOINTS, Pace())
    assert set(written["targets"][0]) <= set(Target.__dataclass_fields__)
    assert set(written["application"]) <= set(Application.__dataclass_fields__)
    assert set(written["startup"]) <= set(Startup.__dataclass_fields__)
    assert set(written["startup"]["phases"][0]) == set(Phase.__dataclass_fields__)
    assert set(written["pool"]) <= set(Pool.__dataclass_fields__)


def test_every_key_of_a_cache_in_tls_is_one_that_there_is() -> None:
    cache = settings(Staging(cache_tls=True), ENDPOINTS, Pace())["startup"]["cache"]
    assert set(cache) <= set(Cache.__dataclass_fields__)
    assert (cache["tls"], cache["server_ca"]) == (True, "/cache-ca.pem")


def test_tables_nest_to_any_depth_and_an_empty_list_stays_one() -> None:
    tree = {"a": {"b": {"c": 1, "d": []}, "e": [{"f": "x", "g": {"h": [1, 2]}}, {"f": "y"}]}, "z": True}
    assert tomllib.loads(to_toml(tree)) == tree


def test_the_profile_is_restricted_where_that_is_asked_for() -> None:
    assert "profiles" not in settings(HEALTHY, ENDPOINTS, Pace())
    written = settings(HEALTHY, ENDPOINTS, Pace(checks=("cloudsql", "startup")))
    assert written["profiles"] == {"scheduled": {"checks": ["cloudsql", "startup"]}}


def test_the_phases_are_the_applications_with_budgets_of_a_demonstration() -> None:
    for phase, usual in zip(Pace().phases, PHASES, strict=True):
        assert (phase.name, phase.does, phase.required) == (usual.name, usual.does, usual.required)
        assert phase.budget_s <= usual.budget_s


def test_without_neighbours_there_is_no_cache_and_no_analytics() -> None:
    startup = settings(HEALTHY, replace(ENDPOINTS, neighbours={}), Pace())["startup"]
    assert (startup["cache"]["address"], startup["services"]) == ("", ["http://127.64.0.1:8001/health"])


def test_the_budgets_of_a_demonstration_are_all_shorter_than_the_defaults() -> None:
    for name in Timeouts.__dataclass_fields__:
        assert getattr(DEMO_TIMEOUTS, name) < getattr(Timeouts(), name)


def test_a_name_makes_it_private_service_connect() -> None:
    target = settings(Staging(dns_name="db.example.internal"), ENDPOINTS, Pace())["targets"][0]
    assert target["ip_type"] == "psc"
