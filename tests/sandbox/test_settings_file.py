import tomllib
from pathlib import Path

from probe.model.application import Application
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
)


def test_the_text_is_the_settings() -> None:
    written = settings(HEALTHY, ENDPOINTS, Pace())
    assert tomllib.loads(to_toml(written)) == written


def test_every_key_of_a_target_and_of_the_application_is_one_that_there_is() -> None:
    written = settings(HEALTHY, ENDPOINTS, Pace())
    assert set(written["targets"][0]) <= set(Target.__dataclass_fields__)
    assert set(written["application"]) <= set(Application.__dataclass_fields__)


def test_the_budgets_of_a_demonstration_are_all_shorter_than_the_defaults() -> None:
    for name in Timeouts.__dataclass_fields__:
        assert getattr(DEMO_TIMEOUTS, name) < getattr(Timeouts(), name)


def test_a_name_makes_it_private_service_connect() -> None:
    target = settings(Staging(dns_name="db.example.internal"), ENDPOINTS, Pace())["targets"][0]
    assert target["ip_type"] == "psc"
