from dataclasses import replace
from typing import Any

import pytest

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.diagnose import Diagnosis, diagnose
from probe.diagnosis.rooms import Room, advised, peak_others, rooms
from probe.model.application import Application
from probe.model.cause import Cause
from probe.model.ramp import Ramp
from probe.model.target import Thresholds
from probe.model.words import Blame, Check, Failure, Outcome, Path, Severity, SkipReason, Stage, Verdict
from tests.diagnosis.makers import (
    APPLICATION,
    ASKED,
    causes,
    headroom,
    left_out,
    limits,
    pool,
    ramp,
    ramp_step,
    root_of,
    roots,
    the,
)
from tests.factories import PASSED, attempts, configuration, target

CROWD = (("backend", 15),)


def diagnosis(result: Ramp, application: Application = APPLICATION, **more: Any) -> Diagnosis:
    asked = replace(ASKED, application=application, **more)
    return diagnose([*attempts(Path.CONNECTOR, PASSED), pool(result)], asked)


def crowded(others: int, **more: Any) -> Ramp:
    return ramp(before=headroom(others), crowd=(("backend", others),), **more)


def test_a_pool_that_fits_is_no_finding() -> None:
    told = diagnosis(ramp())
    assert (told.findings, told.verdict) == ((), Verdict.HEALTHY)


def test_a_pool_beyond_the_servers_limit_is_told_with_its_arithmetic() -> None:
    told = diagnosis(ramp(), Application(pool_size=10, max_overflow=15, max_instances=1))
    (finding,) = told.findings
    assert finding.cause is Cause.POOL_EXCEEDS_SERVER_LIMIT
    assert finding.summary == (
        "staging-db: pool_size 10 + max_overflow 15 = 25 connections of one instance, but max_connections 25 "
        "- 3 reserved = 22; from what was seen, at most 15 connections an instance: "
        "(22 - 3 of others) x 0.8 / 1 instance"
    )
    assert told.verdict is Verdict.HEALTHY


def test_a_pool_that_fits_exactly_fits() -> None:
    exact = Application(pool_size=10, max_overflow=12, max_instances=1)
    assert Cause.POOL_EXCEEDS_SERVER_LIMIT not in causes(diagnosis(ramp(), exact))
    one_more = replace(exact, max_overflow=13)
    assert Cause.POOL_EXCEEDS_SERVER_LIMIT in causes(diagnosis(ramp(), one_more))


def test_the_fleet_is_held_against_the_server_as_well() -> None:
    told = diagnosis(ramp(), replace(APPLICATION, max_instances=3))
    (finding,) = told.findings
    assert finding.cause is Cause.FLEET_EXCEEDS_SERVER_LIMIT
    assert finding.summary.startswith(
        "staging-db: max_instances 3 x 10 = 30 connections, but max_connections 25 - 3 reserved = 22; "
        "from what was seen, at most 5 connections an instance"
    )
    assert diagnosis(ramp(), replace(APPLICATION, max_instances=2)).findings == ()


def test_slots_that_are_reserved_from_16_on_count_as_well() -> None:
    assert rooms(limits(reserved=2), headroom(), "netra")[0].said == "max_connections 25 - 5 reserved = 20"


def test_the_databases_own_limit_is_named_where_it_is_what_binds() -> None:
    told = diagnosis(ramp(limits=limits(database_limit=6)))
    (finding,) = told.findings
    assert finding.cause is Cause.POOL_EXCEEDS_SERVER_LIMIT
    assert (
        "= 10 connections of one instance, but the database's own CONNECTION LIMIT is 6; " in finding.summary
    )
    assert diagnosis(ramp(limits=limits(database_limit=12))).findings == ()


def test_what_was_measured_explains_what_was_configured() -> None:
    staging = Application()
    asked = replace(ASKED, application=staging)
    told = diagnose([configuration(), pool(ramp())], asked)
    assert root_of(told, Cause.POOL_EXCEEDS_LIMIT) is Cause.POOL_EXCEEDS_SERVER_LIMIT
    assert root_of(told, Cause.FLEET_EXCEEDS_LIMIT) is Cause.FLEET_EXCEEDS_SERVER_LIMIT
    assert told.verdict is Verdict.HEALTHY
    alone = diagnose([configuration()], asked)
    assert {Cause.POOL_EXCEEDS_LIMIT, Cause.FLEET_EXCEEDS_LIMIT} <= set(roots(alone))


def test_what_is_measured_of_another_instance_explains_no_configuration() -> None:
    asked = replace(
        ASKED, application=Application(), application_target="other", targets=(target("staging-db"),)
    )
    told = diagnose([configuration(), pool(ramp())], asked)
    assert root_of(told, Cause.POOL_EXCEEDS_LIMIT) is None


def test_a_pool_that_somebody_else_has_exhausted_is_one_root_with_who_holds_what() -> None:
    told = diagnosis(crowded(15))
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.CONNECTIONS_UNDER_PRESSURE, Severity.WARNING)
    assert finding.summary == (
        "staging-db: 15 of 22 usable connections are held by others (backend 15): 7 are free, "
        "the pool's 10 do not fit now"
    )
    assert told.verdict is Verdict.DEGRADED
    assert told.headline == finding.summary


def test_a_share_above_the_threshold_is_pressure_even_where_the_pool_fits() -> None:
    small = replace(APPLICATION, pool_size=2, max_overflow=1)
    (finding,) = diagnosis(crowded(18), small).findings
    assert finding.summary.endswith("(backend 18): 4 are free, 82% in use (threshold 80%)")
    assert diagnosis(crowded(17), small).findings == ()
    thresholds = Thresholds(connections_ratio=0.9)
    assert diagnosis(crowded(18), small, thresholds=thresholds).findings == ()


def test_both_reasons_are_one_finding() -> None:
    (finding,) = diagnosis(crowded(22)).findings
    assert finding.summary.endswith(": 0 are free, 100% in use (threshold 80%), the pool's 10 do not fit now")
    over = diagnosis(ramp(before=headroom(30)))
    assert "30 of 22 usable connections are held by others: 0 are free" in over.headline


def test_a_pool_that_others_leave_too_little_for_without_crowding_is_advice() -> None:
    pool_of_20 = replace(APPLICATION, pool_size=20, max_overflow=0)
    told = diagnosis(crowded(5), pool_of_20)
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.POOL_DOES_NOT_FIT_NOW, Severity.INFO)
    assert finding.summary == (
        "staging-db: 5 of 22 usable connections are held by others (backend 5): 17 are free, the pool's 20 "
        "do not fit now, from what was seen, at most 13 connections an instance: (22 - 5 of others) x 0.8 "
        "/ 1 instance"
    )
    assert told.verdict is Verdict.HEALTHY


def test_a_pool_that_never_fits_is_no_news_about_now() -> None:
    never = replace(APPLICATION, pool_size=30)
    assert causes(diagnosis(crowded(12), never)) == [Cause.POOL_EXCEEDS_SERVER_LIMIT]
    assert Cause.CONNECTIONS_UNDER_PRESSURE in causes(diagnosis(crowded(20), never))


def test_a_database_that_is_nearly_full_is_pressure_on_its_own_limit() -> None:
    full = ramp(limits=limits(database_limit=12), before=headroom(9, database=10), crowd=(("", 9),))
    (finding,) = diagnosis(full).findings
    assert finding.summary == (
        "staging-db: 9 of 12 connections that the database's CONNECTION LIMIT allows are held by others "
        "(unnamed 9): 3 are free, the pool's 10 do not fit now"
    )


@pytest.mark.parametrize(
    ("database", "ours", "taken"),
    [("postgres", 1, 9), ("netra", 1, 10), ("netra", 3, 8), ("postgres", 12, 0)],
)
def test_the_probes_own_connections_are_no_others_wherever_the_control_connection_is(
    database: str, ours: int, taken: int
) -> None:
    limited, before = limits(database_limit=20), headroom(9, ours=ours, database=10)
    assert rooms(limited, before, database)[1].taken == taken


def test_a_database_with_a_limit_is_counted_without_the_control_connection_that_is_in_it() -> None:
    full = ramp(limits=limits(database_limit=11), before=headroom(1, database=2))
    assert diagnosis(full, replace(APPLICATION, pool_size=5, max_overflow=5)).findings == ()
    netra = (target(database="netra"),)
    assert causes(diagnosis(full, targets=netra)) == [Cause.POOL_DOES_NOT_FIT_NOW]


def test_a_limit_of_nothing_is_used_up() -> None:
    assert Room(limit=0, taken=0, said="", unit="").share == 1.0
    closed = ramp(limits=limits(database_limit=0), before=headroom(0, database=1))
    assert Cause.POOL_EXCEEDS_SERVER_LIMIT in causes(diagnosis(closed))


def test_the_limit_of_the_probes_own_role_is_ours_and_no_advice_about_the_application() -> None:
    named = replace(ASKED, targets=(target(user="probe"),))
    told = diagnose([pool(ramp(limits=limits(role_limit=4)))], named)
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.ROLE_LIMIT_BELOW_POOL, Severity.INFO)
    assert finding.summary == (
        "staging-db: role probe has CONNECTION LIMIT 4: ours, not the server's; it bounds what this run "
        "could try of the pool's 10, not the application"
    )
    assert told.verdict is Verdict.HEALTHY
    assert "the role of the probe has" in diagnosis(ramp(limits=limits(role_limit=4))).findings[0].summary
    assert diagnosis(ramp(limits=limits(role_limit=10))).findings == ()


@pytest.mark.parametrize(
    "unread", [ramp(limits=None), ramp(before=None), ramp(limits=limits(role_limit=1), overloaded=True)]
)
def test_what_was_not_read_or_is_not_believed_says_nothing_about_room(unread: Ramp) -> None:
    told = diagnosis(unread, Application())
    assert not [c for c in causes(told) if CATALOGUE[c].blame is Blame.NOBODY]


def test_three_ramps_of_one_server_tell_its_limits_once() -> None:
    ramps = [pool(crowded(15), check) for check in (Check.POOL, Check.CAPACITY, Check.HERD)]
    told = diagnose([left_out(SkipReason.DEADLINE, Check.POOL, id="x"), *ramps], ASKED)
    assert the(told, Cause.CONNECTIONS_UNDER_PRESSURE).evidence == ("pool/staging-db/1",)


def test_a_ramp_that_was_cut_off_keeps_what_it_had_read() -> None:
    cut_off = pool(crowded(15), outcome=Outcome.SKIPPED, skip_reason=SkipReason.DEADLINE)
    told = diagnose([cut_off], ASKED)
    assert set(causes(told)) == {Cause.CONNECTIONS_UNDER_PRESSURE, Cause.NOT_MEASURED}


def test_slots_that_the_dialler_found_used_up_are_the_root() -> None:
    met = (Stage.LOGIN, Failure.ONLY_RESERVED_SLOTS)
    told = diagnose([*attempts(Path.CONNECTOR, PASSED, met), pool(crowded(19))], ASKED)
    assert roots(told) == [Cause.ONLY_RESERVED_SLOTS]
    assert root_of(told, Cause.CONNECTIONS_UNDER_PRESSURE) is Cause.ONLY_RESERVED_SLOTS


def test_the_advice_rests_on_the_most_that_others_had_at_once() -> None:
    seen = ramp(steps=(ramp_step(1, 3, 15), ramp_step(2, 6, None), ramp_step(3, 6, 8)))
    assert peak_others(seen) == 7
    twelve = replace(APPLICATION, max_instances=12)
    assert advised(seen, twelve, "netra") == (
        "from what was seen, at most 1 connection an instance: (22 - 7 of others) x 0.8 / 12 instances"
    )
    assert advised(ramp(before=headroom(40)), twelve, "netra").startswith(
        "from what was seen, at most 0 connections"
    )
    assert peak_others(ramp(before=None)) == 0
    assert {advised(unread, APPLICATION, "netra") for unread in (ramp(limits=None), ramp(before=None))} == {
        ""
    }
