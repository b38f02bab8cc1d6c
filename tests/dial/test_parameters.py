import pytest

from probe.dial.parameters import Known, Purpose, refused, start_parameters

PURPOSE = Purpose(statement_s=2.5, idle_s=4.0)
NEEDS_14 = {"idle_session_timeout", "client_connection_check_interval"}
OF_TCP = {"tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"}


def test_each_connection_gets_the_limits_of_what_it_is_for() -> None:
    parameters = start_parameters(PURPOSE, local=True)
    assert parameters["statement_timeout"] == "2500"
    assert parameters["idle_session_timeout"] == "4000"


def test_a_limit_is_never_rounded_to_none_at_all() -> None:
    assert start_parameters(Purpose(statement_s=0.0001), local=True)["statement_timeout"] == "1"


def test_keep_alives_are_asked_for_where_postgresql_sees_the_client_itself() -> None:
    remote, local = start_parameters(PURPOSE, local=False), start_parameters(PURPOSE, local=True)
    assert set(remote) - set(local) == OF_TCP


def test_a_server_before_14_gets_what_every_version_knows() -> None:
    old = set(start_parameters(PURPOSE, local=False, known=Known.OLD))
    assert set(start_parameters(PURPOSE, local=False)) - old == NEEDS_14 | {"tcp_user_timeout"}


@pytest.mark.parametrize("local", [True, False])
def test_a_pooler_gets_none(local: bool) -> None:
    assert start_parameters(PURPOSE, local=local, known=Known.NONE) == {}


@pytest.mark.parametrize(
    ("known", "sqlstate", "next_known"),
    [
        (Known.ALL, "42704", Known.OLD),
        (Known.OLD, "42704", Known.NONE),
        (Known.ALL, "08P01", Known.NONE),
        (Known.ALL, None, Known.NONE),
    ],
)
def test_what_is_refused_decides_what_is_tried_next(
    known: Known, sqlstate: str | None, next_known: Known
) -> None:
    assert refused(known, sqlstate) is next_known
