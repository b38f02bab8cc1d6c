from dataclasses import replace

import pytest

from probe.diagnosis.diagnose import diagnose
from probe.model.application import Application, PhaseKind
from probe.model.facts import ErrorFacts, TcpFacts
from probe.model.observation import Observation
from probe.model.rehearsal import PhaseOutcome, PhaseRecord, Rehearsal
from probe.model.report import ChainLink, Link, LinkState
from probe.model.words import Failure, Path, SkipReason, Stage
from tests.diagnosis.makers import ASKED, failing, phase, rehearsal, startup, step, timed_out_at_connect
from tests.factories import PASSED, attempts, egress

CACHE = "10.20.1.4:6379"
LIMITED = replace(ASKED, application=Application(connection_timeout_s=35.0))


def chain(*observations: Observation) -> dict[Link, ChainLink]:
    return {link.link: link for link in diagnose(observations, LIMITED).chain}


def test_the_known_incident_is_told_link_by_link_in_order() -> None:
    silent = attempts(
        Path.CONNECTOR, (Stage.TCP, Failure.TIMEOUT), (Stage.TCP, Failure.TIMEOUT), seconds=15.0
    )
    told = diagnose([*silent, startup(timed_out_at_connect())], LIMITED)
    assert [link.link for link in told.chain] == list(Link)
    states = [LinkState.SEEN] * 5 + [LinkState.NOT_MEASURED]
    assert [link.state for link in told.chain] == states
    said = {link.link: link.said for link in told.chain}
    assert said[Link.CONNECTOR_PRESSURE] == told.findings[0].summary
    assert (
        said[Link.CONNECTION_DELAY] == "the connect of phase_3_database took at least 75 s, the limit is 35 s"
    )
    assert said[Link.PHASE_TIMED_OUT] == "phase_3_database timed out after 75 s"
    assert said[Link.STARTUP_BROKEN_OFF] == "phase_3_database ended the start-up; phases 4 to 7 blocked"
    assert said[Link.EXIT_CODE_3] == "the application would end with exit code 3"
    assert said[Link.USER_PATH_OFFLINE] == (
        "phase_6_websocket, phase_7_finalize not asked: phase_3_database had ended the start-up"
    )


def test_every_link_that_was_seen_names_its_observations() -> None:
    for link in chain(startup(timed_out_at_connect())).values():
        assert bool(link.evidence) is (link.state is LinkState.SEEN)
        assert link.said


@pytest.mark.parametrize(
    "result", [rehearsal(), rehearsal(timed_out_at_connect(), overloaded=True)], ids=["passed", "overloaded"]
)
def test_without_a_failed_rehearsal_that_is_believed_there_is_no_chain(result: Rehearsal) -> None:
    assert chain(startup(result)) == {}
    assert chain() == {}


def test_nothing_that_speaks_of_the_connector_leaves_its_pressure_unmeasured() -> None:
    link = chain(*attempts(Path.CONNECTOR, PASSED), startup(timed_out_at_connect()))[Link.CONNECTOR_PRESSURE]
    assert (link.state, link.evidence) == (LinkState.NOT_MEASURED, ())
    assert link.said == "the connector's own figures are not read in this version"


def test_packets_that_were_sent_again_are_pressure() -> None:
    facts = {Stage.TCP: TcpFacts(address="10.20.1.3:3307", retransmissions=2)}
    seen = attempts(Path.CONNECTOR, PASSED, PASSED, facts=facts)
    link = chain(*seen, startup(timed_out_at_connect()))[Link.CONNECTOR_PRESSURE]
    assert (link.state, link.said) == (LinkState.SEEN, "SYNs sent again: 4 in 2 attempts")
    assert link.evidence == tuple(o.id for o in seen)


def test_a_long_wait_for_the_first_connection_is_pressure() -> None:
    observations = [egress(45.0, CACHE), startup(timed_out_at_connect())]
    link = chain(*observations)[Link.CONNECTOR_PRESSURE]
    assert (link.state, link.evidence) == (LinkState.SEEN, ("egress/egress/1",))


def delay(*observations: Observation, record: PhaseRecord) -> ChainLink:
    return chain(*observations, startup(record))[Link.CONNECTION_DELAY]


def test_connections_that_are_fast_are_no_delay() -> None:
    link = delay(*attempts(Path.CONNECTOR, PASSED, PASSED), record=failing(PhaseKind.CACHE, Failure.REFUSED))
    assert (link.state, link.said) == (
        LinkState.NOT_SEEN,
        "the longest of 2 connections took 70 ms, below 35 s",
    )


def test_a_slow_connection_of_the_dialler_is_a_delay() -> None:
    slow = attempts(Path.PRIVATE_IP, PASSED, seconds=9.0)
    link = delay(*slow, record=failing(PhaseKind.CACHE, Failure.REFUSED))
    assert (link.state, link.evidence) == (LinkState.SEEN, (slow[0].id,))
    assert link.said == "a connection over private_ip took 36 s, the limit is 35 s"


def test_one_that_was_given_up_on_earlier_tells_neither_way() -> None:
    silent = attempts(Path.CONNECTOR, (Stage.TCP, Failure.TIMEOUT), seconds=10.0)
    link = delay(*silent, record=failing(PhaseKind.CACHE, Failure.REFUSED))
    assert link.state is LinkState.NOT_MEASURED
    assert link.said == "a connection over connector was given up on after 30 s, before 35 s"


def test_one_that_was_given_up_on_at_the_limit_would_have_taken_longer() -> None:
    record = timed_out_at_connect(35.0)
    assert delay(record=record).state is LinkState.SEEN
    finished = replace(record, steps=(step("connect", 35.0),))
    assert delay(record=finished).state is LinkState.NOT_SEEN


NEVER_CONNECTED = [
    (Stage.ADMIN_API, Failure.TIMEOUT),
    (Stage.CERTIFICATE, Failure.TIMEOUT),
    (Stage.DNS, Failure.TIMEOUT),
    (Stage.TCP, Failure.REFUSED),
    (Stage.LOGIN, Failure.PASSWORD_REJECTED),
]


def test_without_any_connection_the_delay_was_not_measured() -> None:
    link = delay(record=failing(PhaseKind.CACHE, Failure.REFUSED))
    unmeasured = (LinkState.NOT_MEASURED, "no connection came about, and none was waited for")
    assert (link.state, link.said) == unmeasured


@pytest.mark.parametrize("end", NEVER_CONNECTED)
def test_what_was_rejected_or_never_began_to_connect_is_no_delay(end: tuple[Stage, Failure]) -> None:
    dialled = attempts(Path.CONNECTOR, end, end, seconds=40.0)
    link = delay(*dialled, record=failing(PhaseKind.CACHE, Failure.REFUSED))
    assert link.state is LinkState.NOT_MEASURED
    through = attempts(Path.CONNECTOR, end, PASSED, seconds=1.0)
    said = delay(*through, record=failing(PhaseKind.CACHE, Failure.REFUSED)).said
    assert said == "the longest of 1 connection took 7 s, below 35 s"


def test_a_rehearsed_connect_that_was_refused_or_waited_for_the_admin_api_is_no_delay() -> None:
    refused = step("connect", 40.0, failure=Failure.REFUSED)
    link = delay(record=failing(PhaseKind.DATABASE, Failure.REFUSED, steps=(refused,)))
    assert link.state is LinkState.NOT_MEASURED
    google = ErrorFacts(type="aiohttp.client_exceptions.ConnectionTimeoutError", message="sqladmin")
    assert delay(record=timed_out_at_connect(error=google)).state is LinkState.NOT_MEASURED
    silent = attempts(Path.CONNECTOR, *[(Stage.ADMIN_API, Failure.TIMEOUT)] * 2)
    assert delay(*silent, record=timed_out_at_connect()).state is LinkState.NOT_MEASURED


@pytest.mark.parametrize(
    "record",
    [
        failing(PhaseKind.DEPENDENCIES, Failure.FORBIDDEN, "admin_api"),
        failing(PhaseKind.DEPENDENCIES, Failure.SECRET_MISSING, "secrets"),
        failing(PhaseKind.DATABASE, Failure.ROLE_LIMIT, "connect"),
    ],
)
def test_what_only_the_probe_lacks_is_no_link_of_any_chain(record: PhaseRecord) -> None:
    assert chain(startup(record)) == {}


@pytest.mark.parametrize(
    ("record", "state", "said"),
    [
        (
            failing(PhaseKind.DATABASE, Failure.PASSWORD_REJECTED, "connect"),
            LinkState.NOT_SEEN,
            "phase_3_database failed after 100 ms (password_rejected)",
        ),
        (
            failing(PhaseKind.CACHE, Failure.TIMEOUT),
            LinkState.NOT_SEEN,
            "phase_3_database completed after 100 ms",
        ),
        (
            failing(PhaseKind.DEPENDENCIES, Failure.TIMEOUT),
            LinkState.NOT_MEASURED,
            "phase_3_database was never begun",
        ),
    ],
)
def test_the_time_out_is_the_database_phases(record: PhaseRecord, state: LinkState, said: str) -> None:
    link = chain(startup(record))[Link.PHASE_TIMED_OUT]
    assert (link.state, link.said) == (state, said)


def test_a_start_up_without_a_database_phase_says_so() -> None:
    whole = rehearsal(failing(PhaseKind.CACHE, Failure.REFUSED))
    few = replace(whole, phases=tuple(p for p in whole.phases if p.kind in (PhaseKind.INIT, PhaseKind.CACHE)))
    links = chain(startup(few))
    assert links[Link.PHASE_TIMED_OUT].said == "a database phase was never begun"
    assert (
        links[Link.STARTUP_BROKEN_OFF].said == "phase_4_cache ended the start-up; nothing was left to begin"
    )
    assert links[Link.USER_PATH_OFFLINE].said.startswith("what users reach not asked: phase_4_cache")


@pytest.mark.parametrize("kind", [PhaseKind.WEBSOCKET, PhaseKind.FINALIZE])
def test_the_users_path_is_offline_where_its_phases_were_tried_and_failed(kind: PhaseKind) -> None:
    link = chain(startup(failing(kind, Failure.UNHEALTHY)))[Link.USER_PATH_OFFLINE]
    assert (link.state, link.said.split(" ", 1)[1]) == (LinkState.SEEN, "failed after 100 ms (unhealthy)")


def test_a_users_path_that_answers_before_the_start_up_ends_is_not_offline() -> None:
    whole = rehearsal(failing(PhaseKind.CACHE, Failure.REFUSED))
    early = replace(whole, phases=(phase(PhaseKind.WEBSOCKET), *whole.phases[:4]))
    link = chain(startup(early))[Link.USER_PATH_OFFLINE]
    assert (link.state, link.said) == (LinkState.NOT_SEEN, "phase_6_websocket completed after 100 ms")


def test_what_is_blocked_is_named_by_its_place() -> None:
    blocked, done = PhaseOutcome.BLOCKED, PhaseOutcome.COMPLETED
    whole = rehearsal(failing(PhaseKind.WEBSOCKET, Failure.UNHEALTHY))
    assert chain(startup(whole))[Link.STARTUP_BROKEN_OFF].said.endswith("; phase 7 blocked")
    two = rehearsal(failing(PhaseKind.SERVICES, Failure.UNHEALTHY))
    assert chain(startup(two))[Link.STARTUP_BROKEN_OFF].said.endswith("; phases 6 and 7 blocked")
    first = replace(whole.phases[5], name="phase_1_websocket")
    gaps = [phase(kind, end) for kind, end in zip(PhaseKind, (blocked, done, blocked), strict=False)]
    skipped = phase(PhaseKind.CACHE, PhaseOutcome.SKIPPED, skip_reason=SkipReason.NOT_CONFIGURED)
    odd = startup(Rehearsal(phases=(first, *gaps, skipped)))
    assert chain(odd)[Link.STARTUP_BROKEN_OFF].said.endswith("; phases 2 and 4 blocked")
