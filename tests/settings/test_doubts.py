import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from probe.model.target import Target, Timeouts
from probe.model.words import Check
from probe.settings import Monitoring, Profile, Settings, doubts, load, measuring_s
from probe.settings.schema import BUILT_IN_PROFILES

ROOT = Path(__file__).parents[2]
TARGET = Target(name="db", instance="p:r:i", user="u", password_env="X")
SETTINGS = Settings(project="p", region="r", targets=(TARGET,))


def test_the_defaults_and_the_staging_settings_raise_no_doubt() -> None:
    staging = ROOT / "deploy" / "staging.toml"
    assert tomllib.loads(staging.read_text())
    assert not list(doubts(SETTINGS))
    assert not list(doubts(load(str(staging), {}, secrets=False)))


def test_a_connect_that_outlasts_the_attempt_is_doubted_and_allowed() -> None:
    timeouts = Timeouts(connection_s=3.0)
    assert list(doubts(replace(SETTINGS, timeouts=timeouts))) == [
        "timeouts.tcp_s: 30 is above connection_s 3, where every attempt ends"
    ]


def test_a_deadline_that_cuts_an_attempt_off_or_leaves_no_confirmation_is_doubted_and_allowed() -> None:
    assert list(doubts(replace(SETTINGS, deadline_s=40.0))) == [
        "deadline_s: 40 leaves 30 s for measuring, less than one attempt may take: connection_s 35",
        "deadline_s: 40 leaves 30 s for measuring, no more than confirm_after_s 60: never confirmed",
        "deadline_s: 40 leaves 30 s for measuring, less than the phases of the start-up may take: 206 in all",
    ]


def test_a_profile_without_the_rehearsal_needs_no_time_for_it() -> None:
    quick = Profile(checks=(Check.ROUTE,), deadline_s=100.0)
    assert not list(doubts(replace(SETTINGS, profiles={"quick": quick})))
    load_too = Profile(checks=(Check.STARTUP,), deadline_s=100.0)
    assert list(doubts(replace(SETTINGS, profiles={"load": load_too}))) == [
        (
            "profiles.load.deadline_s: 100 leaves 80 s for measuring, "
            "less than the phases of the start-up may take: 206 in all"
        )
    ]


def test_a_doubt_about_a_profile_names_it() -> None:
    quick = Profile(checks=BUILT_IN_PROFILES["scheduled"].checks, deadline_s=30.0)
    settings = replace(SETTINGS, profiles={"quick": quick}, confirm_after_s=0.0)
    doubt, *_others = doubts(settings)
    assert doubt.startswith("profiles.quick.deadline_s: 30 leaves 22.5 s for measuring")


def test_time_for_the_metrics_is_kept_back_where_they_are_written() -> None:
    assert measuring_s(SETTINGS, 540.0) == pytest.approx(520.0)
    assert measuring_s(SETTINGS, 40.0) == pytest.approx(30.0)
    assert measuring_s(replace(SETTINGS, monitoring=Monitoring(enabled=False)), 40.0) == pytest.approx(40.0)
