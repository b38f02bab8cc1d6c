"""From settings to series: what is checked, how often, with which budgets."""

from dataclasses import replace

import pytest

from probe.model.application import Application
from probe.model.secret import Secret
from probe.model.target import Neighbour, Target
from probe.model.words import Check, Path
from probe.plan import confirmation, plan
from probe.settings import Egress, Monitoring, Profile, Settings

TARGET = Target(
    name="db",
    instance="p:r:i",
    paths=(Path.CONNECTOR, Path.PRIVATE_IP, Path.SOCKET),
    private_ip="127.0.0.9",
    user="u",
    password_env="X",
    samples=2,
)
SETTINGS = Settings(
    project="p",
    region="r",
    targets=(TARGET,),
    neighbours=(Neighbour(name="cache", address="127.0.0.8:6379"),),
    passwords={"db": Secret("hunter2")},
)


def keys(settings: Settings = SETTINGS, *, only: tuple[Check, ...] = ()) -> list[tuple[str, str, str | None]]:
    made = plan(settings, profile="scheduled", only=only)
    everything = made.opening + made.main + made.rehearsal + made.load
    return [(s.check, s.target, s.path) for s in everything]


def test_the_scheduled_profile_makes_each_check_of_each_path_and_neighbour() -> None:
    assert keys() == [
        ("egress", "egress", None),
        ("configuration", "application", None),
        ("route", "db", "connector"),
        ("route", "db", "private_ip"),
        ("route", "cache", None),
        ("cloudsql", "db", "connector"),
        ("cloudsql", "db", "private_ip"),
        ("cloudsql", "db", "socket"),
        ("startup", "db", "connector"),
        ("pool", "db", "connector"),
    ]


def test_the_load_profile_adds_raw_capacity_and_a_herd() -> None:
    made = plan(SETTINGS, profile="load")
    assert [s.check for s in made.load] == [Check.POOL, Check.CAPACITY, Check.HERD]


def test_the_application_goes_its_own_way_to_its_own_target() -> None:
    other = replace(TARGET, name="other", paths=(Path.SOCKET, Path.PRIVATE_IP))
    application = Application(target="other", path=Path.PRIVATE_IP)
    settings = replace(SETTINGS, targets=(TARGET, other), application=application)
    made = plan(settings, profile="scheduled")
    ways = [(s.target, s.path) for s in made.rehearsal + made.load]
    assert ways == [("other", Path.PRIVATE_IP)] * 2
    assert (made.question.application_target, made.question.application_path) == ("other", Path.PRIVATE_IP)


def test_time_for_the_rehearsal_and_the_ramps_is_kept_back_as_far_as_there_is_any() -> None:
    assert plan(SETTINGS, profile="scheduled").kept_back_s == pytest.approx(206.0 + 60.0)
    assert plan(SETTINGS, profile="scheduled", only=(Check.ROUTE,)).kept_back_s == 0.0
    short = plan(replace(SETTINGS, deadline_s=100.0), profile="scheduled")
    assert short.kept_back_s == pytest.approx(0.6 * short.measuring_s)


def test_named_checks_restrict_the_profile() -> None:
    assert keys(only=(Check.CONFIGURATION,)) == [("configuration", "application", None)]


def test_route_makes_no_more_attempts_than_the_target_has_samples() -> None:
    made = plan(SETTINGS, profile="scheduled")
    assert {s.attempts for s in made.main if s.check is Check.ROUTE} == {2}


def test_egress_waits_for_the_endpoints_whose_addresses_are_known_and_for_none_where_there_is_none() -> None:
    named = replace(TARGET, private_ip="db.internal")
    nothing_known = replace(SETTINGS, targets=(named,), neighbours=())
    assert ("egress", "egress", None) not in keys(nothing_known)
    chosen = replace(nothing_known, egress=Egress(address="127.0.0.7:1"))
    assert ("egress", "egress", None) in keys(chosen)


def test_time_for_the_metrics_is_kept_back_from_the_deadline() -> None:
    made = plan(
        replace(SETTINGS, deadline_s=100.0, monitoring=Monitoring(budget_s=20.0)), profile="scheduled"
    )
    assert made.measuring_s == pytest.approx(80.0)
    short = plan(
        replace(SETTINGS, deadline_s=10.0, monitoring=Monitoring(budget_s=20.0)), profile="scheduled"
    )
    assert short.measuring_s == pytest.approx(7.5)
    none = plan(replace(SETTINGS, monitoring=Monitoring(enabled=False)), profile="scheduled")
    assert none.measuring_s == SETTINGS.deadline_s


def test_a_profile_has_its_own_deadline() -> None:
    quick = Profile(checks=(Check.CONFIGURATION,), deadline_s=8.0)
    settings = replace(SETTINGS, profiles={"quick": quick}, monitoring=Monitoring(enabled=False))
    assert plan(settings, profile="quick").measuring_s == pytest.approx(8.0)


def test_a_confirmation_repeats_the_series_of_the_named_targets_and_of_the_neighbours() -> None:
    other = replace(TARGET, name="other")
    settings = replace(SETTINGS, targets=(TARGET, other), passwords={})
    made = plan(settings, profile="scheduled")
    again = confirmation(made.main + made.rehearsal, ("db",))
    assert {s.target for s in again} == {"db", "cache"}
    assert all(s.confirmation for s in again)
    assert [s.check for s in again].count(Check.STARTUP) == 1
    assert len(again) == 7


def test_nothing_that_holds_a_password_shows_it() -> None:
    made = plan(SETTINGS, profile="scheduled")
    assert "hunter2" not in repr(made)
