import tomllib
from dataclasses import replace
from pathlib import Path as File

from probe.diagnosis.configuration import (
    BrokenRule,
    broken_rules,
    gateway_rules,
)
from probe.model.application import Alternatives, Application
from probe.model.cause import Cause
from probe.model.target import Neighbour, Target

STAGING = File(__file__).parents[2] / "deploy" / "staging.toml"
USABLE = "(connection_limit 25 - 3 reserved) x 0.8 = 17.6"
SOUND = Application(
    pool_size=5,
    max_overflow=5,
    max_instances=2,
    connection_limit=100,
    pool_timeout_cloud_sql_s=45.0,
)


def broken(**figures: object) -> tuple[tuple[Cause, str], ...]:
    application = replace(SOUND, **figures)  # type: ignore[arg-type]
    return tuple((rule.cause, rule.sentence) for rule in broken_rules(application))


def test_sound_figures_break_no_rule() -> None:
    assert broken() == ()


def test_staging_breaks_exactly_the_rules_that_are_known_of_it() -> None:
    table = tomllib.loads(STAGING.read_text())["application"]
    alternatives = Alternatives(**table.pop("alternatives"))
    rules = broken_rules(Application(**table, alternatives=alternatives))
    assert [(rule.cause, rule.sentence) for rule in rules] == [
        (
            Cause.POOL_EXCEEDS_LIMIT,
            f"pool_size 10 + max_overflow 15 = 25 connections, but {USABLE}",
        ),
        (
            Cause.FLEET_EXCEEDS_LIMIT,
            f"max_instances 12 x 25 = 300, but {USABLE}",
        ),
        (
            Cause.USER_WAIT_LONG,
            "pool_timeout_cloud_sql_s 90 is above maximum_user_wait_s 60: a user would wait that long",
        ),
        (
            Cause.SOURCES_DISAGREE,
            "initialization_timeout_s is 75 here and 600 in another source: one of them is wrong",
        ),
        (
            Cause.SOURCES_DISAGREE,
            "connection_limit is 25 here and 100 in another source: one of them is wrong",
        ),
        (
            Cause.SOURCES_DISAGREE,
            "max_overflow is 15 here and at least 20 in another source: one of them is wrong",
        ),
    ]


def test_a_pool_that_just_fits_breaks_nothing_and_one_more_connection_does() -> None:
    fitting = {"connection_limit": 53, "reserved_connections": 3, "max_instances": 1, "pool_size": 35}
    assert broken(**fitting) == ()
    assert [cause for cause, _ in broken(**fitting | {"pool_size": 36})] == [
        Cause.POOL_EXCEEDS_LIMIT,
        Cause.FLEET_EXCEEDS_LIMIT,
    ]


def test_the_initialisation_budget_holds_a_connection_and_a_scaling_delay() -> None:
    assert broken(initialization_timeout_s=65.0) == ()
    assert broken(initialization_timeout_s=64.0) == (
        (
            Cause.INITIALIZATION_BUDGET_SHORT,
            "initialization_timeout_s 64 is below connection_timeout_s 35 + scaling_delay_s 30 = 65",
        ),
    )


def test_the_initialisation_budget_is_never_below_its_minimum() -> None:
    assert broken(initialization_timeout_s=34.0, scaling_delay_s=0.0, connection_timeout_s=30.0) == (
        (
            Cause.INITIALIZATION_BUDGET_SHORT,
            "initialization_timeout_s 34 is below minimum_initialization_timeout_s 35",
        ),
    )


def test_the_connection_timeout_is_never_below_its_minimum() -> None:
    assert broken(connection_timeout_s=25.0) == ()
    assert broken(connection_timeout_s=15.0) == (
        (
            Cause.CONNECTION_TIMEOUT_SHORT,
            "connection_timeout_s 15 is below minimum_connection_timeout_s 25",
        ),
    )


def test_the_timeout_towards_the_connector_is_above_the_one_towards_cloud_sql() -> None:
    assert broken(connector_timeout_s=36.0) == ()
    assert broken(connector_timeout_s=35.0) == (
        (
            Cause.CONNECTOR_TIMEOUT_SHORT,
            "connector_timeout_s 35 is not above connection_timeout_s 35; 62 would be capacity-aware",
        ),
    )
    assert broken(connector_timeout_s=35.0, environment="test") == (
        (Cause.CONNECTOR_TIMEOUT_SHORT, "connector_timeout_s 35 is not above connection_timeout_s 35"),
    )


def test_where_no_timeout_towards_the_connector_is_given_there_is_nothing_to_compare() -> None:
    assert broken(environment="test") == ()


def test_what_a_user_waits_for_is_bounded() -> None:
    sentence = "{} 61 is above maximum_user_wait_s 60: a user would wait that long"
    assert broken(pool_timeout_s=61.0, health_check_timeout_s=61.0) == (
        (Cause.USER_WAIT_LONG, sentence.format("pool_timeout_s")),
        (Cause.USER_WAIT_LONG, sentence.format("health_check_timeout_s")),
    )


def test_the_wait_that_is_tuned_for_cloud_sql_counts_only_there() -> None:
    assert broken(pool_timeout_cloud_sql_s=90.0, environment="development") == ()
    assert [cause for cause, _ in broken(pool_timeout_cloud_sql_s=90.0, environment="production")] == [
        Cause.USER_WAIT_LONG
    ]


def test_sources_that_agree_are_not_mentioned() -> None:
    agreeing = Alternatives(initialization_timeout_s=75.0, connection_limit=100, max_overflow=5)
    assert broken(alternatives=agreeing) == ()
    assert broken(alternatives=replace(agreeing, max_overflow=4)) == ()


def test_the_subnets_gateway_is_never_a_target() -> None:
    targets = [
        Target(name="db", instance="p:r:i", private_ip="10.8.0.1"),
        Target(name="other", instance="p:r:i"),
    ]
    neighbours = [
        Neighbour(name="cache", address="10.8.0.1:6379"),
        Neighbour(name="fine", address="10.8.0.11:1"),
    ]
    sentence = "{} is 10.8.0.1, the gateway of the connector's subnet: it answers no TCP"
    assert gateway_rules("10.8.0.1", targets, neighbours) == tuple(
        BrokenRule(cause=Cause.GATEWAY_AS_TARGET, sentence=sentence.format(name)) for name in ("db", "cache")
    )


def test_without_a_known_gateway_no_target_is_one() -> None:
    assert gateway_rules("", [Target(name="db", instance="p:r:i")], []) == ()
