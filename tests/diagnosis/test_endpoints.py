from probe.diagnosis.endpoints import compare, endpoints_in
from probe.diagnosis.evidence import group
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.words import Check, Failure, Path, SkipReason, Stage
from tests.factories import PASSED, attempts, egress, route

SILENT = (Stage.TCP, Failure.TIMEOUT)
CONNECTOR, PRIVATE = "10.20.1.3:3307", "10.20.1.3:5432"
CACHE, ANALYTICS = "10.20.1.4:6379", "10.20.1.5:9000"


def told(*observations: Observation) -> tuple[Cause, list[str]]:
    """What is told of the first one's group."""
    comparison = compare(group(observations)[0], endpoints_in(observations))
    return comparison.cause, [endpoint.address for endpoint in comparison.others]


def silent_connector() -> list[Observation]:
    return attempts(Path.CONNECTOR, SILENT, SILENT)


def silent_cache(name: str = "r1") -> Observation:
    return route(name, "cache", CACHE, Failure.TIMEOUT)


def test_all_endpoints_silent_means_the_connector_or_the_route() -> None:
    assert told(*silent_connector(), silent_cache()) == (Cause.CONNECTOR_OR_ROUTE_SILENT, [CACHE])


def test_one_silent_among_answering_ones_is_that_endpoint() -> None:
    assert told(*silent_connector(), route("r1", "cache", CACHE)) == (Cause.ENDPOINT_SILENT, [CACHE])


def test_one_answering_neighbour_among_silent_ones_shows_that_the_way_is_open() -> None:
    answering = route("r2", "analytics", ANALYTICS)
    assert told(*silent_connector(), silent_cache(), answering) == (Cause.ENDPOINT_SILENT, [ANALYTICS])


def test_without_another_endpoint_neither_is_told() -> None:
    assert told(*silent_connector()) == (Cause.NETWORK_SILENT, [])


def test_the_instances_other_port_silent_as_well_tells_nothing_of_the_connector() -> None:
    both = [*silent_connector(), *attempts(Path.PRIVATE_IP, SILENT)]
    assert told(*both) == (Cause.NETWORK_SILENT, [])


def test_the_instances_other_port_answering_shows_that_the_way_is_open() -> None:
    both = [*silent_connector(), *attempts(Path.PRIVATE_IP, PASSED)]
    assert told(*both) == (Cause.ENDPOINT_SILENT, [PRIVATE])


def test_a_refusal_is_an_answer() -> None:
    for failure in (Failure.REFUSED, Failure.RESET):
        refusing = route("r1", "cache", CACHE, failure)
        assert told(*silent_connector(), refusing) == (Cause.ENDPOINT_SILENT, [CACHE])


def test_a_neighbour_without_a_route_to_it_is_neither_silent_nor_answering() -> None:
    unreachable = route("r1", "cache", CACHE, Failure.UNREACHABLE)
    assert told(*silent_connector(), unreachable) == (Cause.NETWORK_SILENT, [])


def test_a_neighbour_that_is_unreachable_at_times_does_not_show_that_the_way_is_open() -> None:
    flapping = [route("r1", "cache", CACHE), route("r2", "cache", CACHE, Failure.UNREACHABLE)]
    assert told(*silent_connector(), *flapping) == (Cause.NETWORK_SILENT, [])


def test_what_said_unreachable_is_kept_by_endpoint() -> None:
    (endpoint,) = endpoints_in([route("r1", "cache", CACHE, Failure.UNREACHABLE)])
    assert (endpoint.host, endpoint.unreachable) == ("10.20.1.4", ("r1",))
    assert (endpoint.answered, endpoint.silent) == ((), ())


def test_an_endpoint_does_not_answer_for_itself() -> None:
    assert told(*attempts(Path.CONNECTOR, SILENT, PASSED)) == (Cause.NETWORK_SILENT, [])


def test_one_endpoint_of_two_targets_is_one_endpoint() -> None:
    another = attempts(Path.CONNECTOR, SILENT, of="same-server")
    assert told(*silent_connector(), *another) == (Cause.NETWORK_SILENT, [])


def test_an_endpoint_that_answers_at_times_was_cut_off_as_well() -> None:
    flapping = [silent_cache("r1"), route("r2", "cache", CACHE)]
    assert told(*silent_connector(), *flapping) == (Cause.CONNECTOR_OR_ROUTE_SILENT, [CACHE])


def test_the_unix_socket_and_what_was_not_measured_are_no_endpoints() -> None:
    tcp_skipped = attempts(Path.PRIVATE_IP, SkipReason.DEADLINE, (Stage.DNS, Failure.TIMEOUT))
    others = [*attempts(Path.SOCKET, PASSED), *tcp_skipped, egress(0.001, CACHE)]
    assert endpoints_in(others) == ()


def test_an_endpoint_knows_its_owners_and_its_observations() -> None:
    connections = attempts(Path.CONNECTOR, SILENT, PASSED)
    routes = attempts(Path.CONNECTOR, PASSED, of="same-server", check=Check.ROUTE)
    (endpoint,) = endpoints_in([*connections, *routes])
    assert endpoint.address == CONNECTOR
    assert endpoint.owners == {"staging-db", "same-server"}
    assert endpoint.silent == (connections[0].id,)
    assert endpoint.answered == (connections[1].id, routes[0].id)
