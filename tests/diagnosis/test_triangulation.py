from itertools import product

import pytest

from probe.diagnosis.endpoints import endpoints_in
from probe.diagnosis.evidence import group
from probe.diagnosis.path_causes import path_cause
from probe.diagnosis.triangulation import Explanation, explain
from probe.model.cause import Cause
from probe.model.words import Failure, Layer, Path, Stage
from tests.factories import STARTED_AT, attempts

End = tuple[Stage, Failure]

REFUSED = (Stage.TCP, Failure.REFUSED)
SILENT = (Stage.TCP, Failure.TIMEOUT)
TLS_SILENT = (Stage.TLS, Failure.TIMEOUT)
CLOSED_IN_PROXY = (Stage.PROXY, Failure.CLOSED)
SILENT_IN_PROXY = (Stage.PROXY, Failure.TIMEOUT)
CLOSED_IN_LOGIN = (Stage.LOGIN, Failure.CLOSED)
SILENT_IN_LOGIN = (Stage.LOGIN, Failure.TIMEOUT)
WRONG_PASSWORD = (Stage.LOGIN, Failure.PASSWORD_REJECTED)
FORBIDDEN = (Stage.ADMIN_API, Failure.FORBIDDEN)
NO_SOCKET = (Stage.TCP, Failure.SOCKET_MISSING)


def explained(
    connector: End | None = None,
    private_ip: End | None = None,
    socket: End | None = None,
    *,
    passing: tuple[Path, ...] = (),
    primary: Path = Path.CONNECTOR,
    public_address: bool | None = None,
) -> tuple[Explanation, ...]:
    ends = {Path.CONNECTOR: connector, Path.PRIVATE_IP: private_ip, Path.SOCKET: socket}
    observations = [o for path, end in ends.items() if end for o in attempts(path, end)]
    endpoints = endpoints_in(observations)
    failing = [path_cause(g, endpoints, STARTED_AT) for g in group(observations)]
    return explain(
        [item for item in failing if item], passing=passing, primary=primary, public_address=public_address
    )


def causes(explanations: tuple[Explanation, ...]) -> dict[Cause, list[Path | None]]:
    return {e.cause: [item.evidence.path for item in e.paths] for e in explanations}


def test_the_same_cause_on_several_paths_is_one_explanation_the_primary_path_first() -> None:
    both = explained(WRONG_PASSWORD, WRONG_PASSWORD, primary=Path.PRIVATE_IP)
    assert causes(both) == {Cause.PASSWORD_REJECTED: [Path.PRIVATE_IP, Path.CONNECTOR]}


def test_different_causes_stay_apart_the_primary_paths_first() -> None:
    apart = explained(WRONG_PASSWORD, TLS_SILENT, primary=Path.PRIVATE_IP)
    assert list(causes(apart)) == [Cause.TLS_SILENT, Cause.PASSWORD_REJECTED]


@pytest.mark.parametrize("socket", [None, CLOSED_IN_LOGIN, NO_SOCKET])
def test_nobody_behind_the_proxy_and_postgresqls_own_port_refusing_is_the_database_down(
    socket: End | None,
) -> None:
    (only,) = explained(CLOSED_IN_PROXY, REFUSED, socket)
    assert (only.cause, len(only.paths)) == (Cause.DATABASE_DOWN, 3 if socket else 2)


def test_the_built_in_proxy_shows_a_database_that_is_down_as_well() -> None:
    (only,) = explained(None, REFUSED, CLOSED_IN_LOGIN, primary=Path.PRIVATE_IP)
    assert only.cause is Cause.DATABASE_DOWN


def test_a_path_that_ends_before_the_instance_leaves_open_whether_the_database_is_down() -> None:
    assert causes(explained(FORBIDDEN, REFUSED, CLOSED_IN_LOGIN)) == {
        Cause.ADMIN_API_FORBIDDEN: [Path.CONNECTOR],
        Cause.DATABASE_DOWN: [Path.PRIVATE_IP, Path.SOCKET],
    }


@pytest.mark.parametrize(
    ("connector", "private_ip", "socket"),
    [
        (REFUSED, None, CLOSED_IN_LOGIN),  # 3307 is not PostgreSQL's own port
        (CLOSED_IN_PROXY, None, NO_SOCKET),  # nothing of PostgreSQL's own was seen
        (CLOSED_IN_PROXY, REFUSED, WRONG_PASSWORD),  # PostgreSQL answers on the third path
        (REFUSED, REFUSED, NO_SOCKET),  # no proxy shook hands
    ],
)
def test_less_than_that_is_not_called_the_database_down(
    connector: End, private_ip: End | None, socket: End
) -> None:
    assert Cause.DATABASE_DOWN not in causes(explained(connector, private_ip, socket))


def test_a_database_is_not_down_while_a_path_works() -> None:
    apart = explained(CLOSED_IN_PROXY, REFUSED, passing=(Path.SOCKET,))
    assert list(causes(apart)) == [Cause.SERVER_PROXY_CLOSED, Cause.ENDPOINT_REFUSED]


@pytest.mark.parametrize("socket", [None, SILENT_IN_LOGIN])
def test_silent_after_tcp_on_every_path_is_a_database_that_hangs(socket: End | None) -> None:
    (only,) = explained(SILENT_IN_PROXY, TLS_SILENT, socket)
    assert (only.cause, len(only.paths)) == (Cause.DATABASE_SILENT, 3 if socket else 2)


def test_a_missing_socket_does_not_hide_that_the_database_hangs() -> None:
    assert causes(explained(SILENT_IN_PROXY, TLS_SILENT, NO_SOCKET)) == {
        Cause.DATABASE_SILENT: [Path.CONNECTOR, Path.PRIVATE_IP],
        Cause.BUILT_IN_SOCKET_MISSING: [Path.SOCKET],
    }


def test_the_server_proxys_own_silence_is_not_the_databases() -> None:
    assert Cause.DATABASE_SILENT not in causes(explained(TLS_SILENT, SILENT_IN_LOGIN))


def test_a_login_that_hangs_on_every_path_is_the_logins() -> None:
    (only,) = explained(SILENT_IN_LOGIN, SILENT_IN_LOGIN, SILENT_IN_LOGIN)
    assert only.cause is Cause.LOGIN_SILENT


def test_a_database_that_rejects_somebody_does_not_hang() -> None:
    assert Cause.DATABASE_SILENT not in causes(explained(SILENT_IN_PROXY, TLS_SILENT, WRONG_PASSWORD))


@pytest.mark.parametrize(
    "end", [SILENT_IN_PROXY, CLOSED_IN_LOGIN, SILENT_IN_LOGIN, (Stage.QUERY, Failure.TIMEOUT)]
)
def test_what_breaks_behind_the_proxy_while_another_path_works_is_the_proxys(end: End) -> None:
    (only,) = explained(end, passing=(Path.PRIVATE_IP,))
    assert (only.layer, only.narrowed) == (Layer.SERVER_PROXY, True)
    assert only.remark == "the private_ip path works, so PostgreSQL answers: the server proxy is at fault"


def test_a_cut_behind_the_proxy_leaves_the_client_certificate_in_question() -> None:
    (only,) = explained(CLOSED_IN_PROXY, passing=(Path.PRIVATE_IP, Path.SOCKET))
    assert only.remark == (
        "the private_ip and socket paths work, so PostgreSQL answers: the server proxy is at fault, "
        "or refused the client certificate without an alert"
    )


def test_a_rejection_by_postgresql_is_never_the_proxys() -> None:
    (only,) = explained(WRONG_PASSWORD, passing=(Path.PRIVATE_IP,))
    assert (only.layer, only.remark) == (None, "the private_ip path works")


def test_a_session_that_postgresql_itself_ended_is_never_the_proxys() -> None:
    (only,) = explained((Stage.QUERY, Failure.TERMINATED), passing=(Path.PRIVATE_IP,))
    assert (only.cause, only.layer, only.narrowed) == (Cause.QUERY_BROKEN_OFF, None, False)


def test_what_breaks_on_two_paths_is_not_the_server_proxys() -> None:
    (only,) = explained(SILENT_IN_LOGIN, SILENT_IN_LOGIN, passing=(Path.SOCKET,))
    assert (only.layer, only.remark) == (None, "the socket path works, so PostgreSQL answers")


def test_the_built_in_proxy_is_to_blame_only_where_its_path_crosses_the_connector() -> None:
    crossing, public, unknown = (
        explained(None, None, CLOSED_IN_LOGIN, passing=(Path.CONNECTOR,), public_address=known)[0]
        for known in (False, True, None)
    )
    assert (crossing.layer, public.layer, unknown.layer) == (Layer.BUILT_IN_PROXY, None, None)
    works = "the connector path works, so PostgreSQL answers"
    assert crossing.remark == f"{works}: the built-in proxy is at fault"
    assert public.remark == (
        f"{works}; this path leads over the instance's public address, not through the VPC connector"
    )
    assert unknown.remark == works


def test_a_working_socket_does_not_show_that_the_vpc_connector_works() -> None:
    known, unknown = (
        explained(SILENT, passing=(Path.SOCKET,), public_address=public)[0] for public in (True, None)
    )
    way = "over the instance's public address and not through the VPC connector"
    assert known.remark == f"the socket path works, which leads {way}"
    assert unknown.remark == f"the socket path works, which may lead {way}"


def test_postgresqls_own_tls_is_not_the_server_proxys() -> None:
    for end in ((Stage.TLS, Failure.SERVER_CERTIFICATE), TLS_SILENT):
        (alone,) = explained(None, end, primary=Path.PRIVATE_IP)
        (beside,) = explained(None, end, passing=(Path.CONNECTOR,))
        assert (alone.layer, beside.layer) == (Layer.DATABASE, Layer.DATABASE)


def test_every_failing_path_is_explained_exactly_once() -> None:
    ends = [None, REFUSED, SILENT, TLS_SILENT, CLOSED_IN_PROXY, SILENT_IN_LOGIN, CLOSED_IN_LOGIN, FORBIDDEN]
    for connector, private_ip, socket in product(ends, ends, [None, NO_SOCKET, *ends[5:7]]):
        explanations = explained(connector, private_ip, socket)
        paths = [path for found in causes(explanations).values() for path in found]
        assert sorted(map(str, paths)) == sorted(
            path
            for path, end in zip(
                ("connector", "private_ip", "socket"), (connector, private_ip, socket), strict=True
            )
            if end
        )
