from hypothesis import given
from hypothesis import strategies as st

from probe.checks.ramp.guard import MOST_STRANGERS, Seen, allowed, free, strangers
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


@given(limits, seen, st.integers(min_value=0, max_value=50), st.integers(min_value=0, max_value=1))
def test_what_is_allowed_leaves_every_limit_its_room(
    of: Limits, what: Seen, keep_free: int, elsewhere: int
) -> None:
    ours, reason = allowed(of, what, keep_free=keep_free, elsewhere=elsewhere)
    assert ours >= 0
    if ours == 0:
        return
    a_canary_and_a_stranger = 1 + strangers(what.logins_per_s)
    assert of.usable - what.others - ours >= keep_free + a_canary_and_a_stranger
    if of.role_limit is not None:
        assert of.role_limit - what.role - ours >= 1
        if what.role:
            assert of.role_limit - what.role - ours >= keep_free + a_canary_and_a_stranger
    if of.database_limit is not None:
        in_database = ours - elsewhere
        assert of.database_limit - what.database - in_database >= keep_free + a_canary_and_a_stranger
    one_more = Seen(others=what.others + 1, role=what.role, database=what.database)
    assert allowed(of, one_more, keep_free=keep_free, elsewhere=elsewhere)[0] <= max(
        ours, allowed(of, Seen(others=what.others), keep_free=keep_free, elsewhere=elsewhere)[0]
    )
    if reason is StopReason.KEEP_FREE:
        assert of.usable - what.others - ours == keep_free + a_canary_and_a_stranger


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
    assert allowed(STAGING, Seen(), keep_free=5, elsewhere=1) == (15, StopReason.KEEP_FREE)


def test_a_role_of_our_own_may_be_filled_but_for_the_canary() -> None:
    own = Limits(server_version="16", max_connections=25, superuser_reserved=3, role_limit=4)
    assert allowed(own, Seen(), keep_free=5, elsewhere=1) == (3, StopReason.ROLE_LIMIT)
    assert allowed(own, Seen(role=1), keep_free=5, elsewhere=1) == (0, StopReason.ROLE_LIMIT)


def test_a_databases_limit_is_the_applications_as_well() -> None:
    small = Limits(server_version="16", max_connections=25, superuser_reserved=3, database_limit=10)
    assert allowed(small, Seen(), keep_free=5, elsewhere=1) == (4, StopReason.DATABASE_LIMIT)
    assert allowed(small, Seen(), keep_free=5, elsewhere=0) == (3, StopReason.DATABASE_LIMIT)


def test_many_logins_in_a_second_are_left_more_room() -> None:
    assert [strangers(rate) for rate in (0, 10, 11, 35, 1e9)] == [1, 1, 2, 4, MOST_STRANGERS]


def test_what_we_know_of_counts_before_the_server_shows_it() -> None:
    headroom = Headroom(others=4, ours=2, role=2, database=1)
    assert free(STAGING, headroom, known=5) == 22 - 4 - 5
    assert free(STAGING, headroom, known=1) == 22 - 4 - 2
