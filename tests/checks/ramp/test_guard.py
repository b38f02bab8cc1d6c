from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from probe.checks.ramp.guard import MOST_STRANGERS, Guard, Seen, strangers
from probe.model.ramp import Headroom, Limits, StopReason

count = st.integers(min_value=0, max_value=1000)
limit = st.none() | st.integers(min_value=0, max_value=1000)
limits = st.builds(
    Limits,
    server_version=st.just("16"),
    max_connections=count,
    superuser_reserved=st.integers(min_value=0, max_value=10),
    reserved=st.integers(min_value=0, max_value=10),
    role_limit=limit,
    database_limit=limit,
)
seen = st.builds(
    Seen, others=count, role=count, database=count, logins_per_s=st.floats(min_value=0, max_value=1e6)
)
STAGING = Limits(server_version="16", max_connections=25, superuser_reserved=3)
headrooms = st.builds(Headroom, others=count, ours=count, role=count, database=count)


def guard(of: Limits = STAGING, *, keep_free: int = 5, own_role: bool = False, elsewhere: int = 1) -> Guard:
    return Guard(limits=of, keep_free=keep_free, own_role=own_role, elsewhere=elsewhere)


guards = st.builds(
    Guard,
    limits=limits,
    keep_free=st.integers(min_value=0, max_value=50),
    own_role=st.booleans(),
    elsewhere=st.integers(min_value=0, max_value=1),
)


@given(guards, seen)
def test_what_is_allowed_leaves_every_limit_its_room(of: Guard, what: Seen) -> None:
    ours, reason = of.allowed(what)
    assert ours >= 0
    if ours == 0:
        return
    reserve = of.keep_free + 1 + strangers(what.logins_per_s)  # a canary and those that pass
    slots = of.limits.usable - what.others - ours
    assert slots >= reserve
    if of.limits.role_limit is not None:
        assert of.limits.role_limit - what.role - ours >= (1 if of.own_role else reserve)
    if of.limits.database_limit is not None:
        assert of.limits.database_limit - what.database - (ours - of.elsewhere) >= reserve
    assert of.allowed(replace(what, others=what.others + 1))[0] <= ours
    assert reason is not StopReason.KEEP_FREE or slots == reserve


@given(guards, seen)
def test_whoever_holds_what_is_allowed_has_nothing_to_let_go(of: Guard, what: Seen) -> None:
    ours, _reason = of.allowed(what)
    if ours > of.elsewhere:
        in_database = ours - of.elsewhere
        now = Headroom(
            others=what.others, ours=ours, role=what.role + ours, database=what.database + in_database
        )
        assert of.spare(now, known=ours)[0] >= 0


@given(guards, headrooms, count)
def test_no_bound_has_less_to_spare_than_is_said(of: Guard, now: Headroom, known: int) -> None:
    spare, reason = of.spare(now, known=known)
    unseen = max(known - now.ours, 0)
    left = {
        StopReason.KEEP_FREE: of.free(now, known=known) - of.keep_free,
        StopReason.ROLE_LIMIT: (of.limits.role_limit or 0) - now.role - unseen,
        StopReason.DATABASE_LIMIT: (of.limits.database_limit or 0) - now.database - unseen - of.keep_free,
    }
    left[StopReason.ROLE_LIMIT] -= 0 if of.own_role else of.keep_free
    given_limits = {StopReason.KEEP_FREE}
    given_limits |= set() if of.limits.role_limit is None else {StopReason.ROLE_LIMIT}
    given_limits |= set() if of.limits.database_limit is None else {StopReason.DATABASE_LIMIT}
    assert spare == left[reason] == min(left[name] for name in given_limits)


@given(seen, count, count, count, count)
def test_the_most_that_others_had_is_never_forgotten(
    what: Seen, others: int, ours: int, role: int, database: int
) -> None:
    headroom = Headroom(others=others, ours=ours, role=role, database=database)
    now = what.and_now(headroom, ours_in_database=ours, logins_per_s=0)
    assert now.others == max(what.others, others)
    assert now.role >= what.role
    assert now.database >= what.database
    assert now.logins_per_s == what.logins_per_s


def test_an_empty_server_of_25_slots_allows_15_of_ours() -> None:
    assert guard().allowed(Seen()) == (15, StopReason.KEEP_FREE)


def test_only_a_role_that_is_called_ours_may_be_filled_but_for_the_canary() -> None:
    """An application that is scaled to zero has no session, and needs its role all the same."""
    four = replace(STAGING, role_limit=4)
    assert guard(four, own_role=True).allowed(Seen()) == (3, StopReason.ROLE_LIMIT)
    assert guard(four, own_role=True).allowed(Seen(role=1)) == (2, StopReason.ROLE_LIMIT)
    assert guard(four).allowed(Seen()) == (0, StopReason.ROLE_LIMIT)
    assert guard(replace(STAGING, role_limit=10)).allowed(Seen()) == (3, StopReason.ROLE_LIMIT)


def test_a_databases_limit_is_the_applications_as_well() -> None:
    small = replace(STAGING, database_limit=10)
    assert guard(small).allowed(Seen()) == (4, StopReason.DATABASE_LIMIT)
    assert guard(small, elsewhere=0).allowed(Seen()) == (3, StopReason.DATABASE_LIMIT)


def test_many_logins_in_a_second_are_left_more_room() -> None:
    assert [strangers(rate) for rate in (0, 10, 11, 35, 1e9)] == [1, 1, 2, 4, MOST_STRANGERS]


def test_what_we_know_of_counts_before_the_server_shows_it() -> None:
    headroom = Headroom(others=4, ours=2, role=2, database=1)
    assert guard().free(headroom, known=5) == 22 - 4 - 5
    assert guard().free(headroom, known=1) == 22 - 4 - 2


def test_whoever_shares_the_role_or_the_database_is_missed_where_slots_are_many() -> None:
    large = Limits(server_version="16", max_connections=200, superuser_reserved=3)
    used_up = Headroom(others=12, ours=9, role=20, database=20)
    assert guard(large).spare(used_up, known=9) == (171, StopReason.KEEP_FREE)
    role, database = replace(large, role_limit=20), replace(large, database_limit=20)
    assert guard(role).spare(used_up, known=9) == (-5, StopReason.ROLE_LIMIT)
    assert guard(role, own_role=True).spare(used_up, known=9) == (0, StopReason.ROLE_LIMIT)
    assert guard(database).spare(used_up, known=10) == (-6, StopReason.DATABASE_LIMIT)
