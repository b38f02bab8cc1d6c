from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.diagnose import Diagnosis, diagnose
from probe.diagnosis.seen import MAX_SUMMARY
from probe.model.cause import Cause
from probe.model.facts import CertificateFacts, ErrorFacts, StageFacts
from probe.model.observation import Observation
from probe.model.report import Link
from probe.model.words import Blame, Check, Failure, Outcome, Path, Severity, SkipReason, Stage, Verdict
from tests.diagnosis.strategies import ramps, startups
from tests.factories import (
    NEIGHBOURS,
    PASSED,
    STAGES,
    End,
    attempts,
    configuration,
    egress,
    question,
    route,
    target,
)

SILENT = (Stage.TCP, Failure.TIMEOUT)
REFUSED = (Stage.TCP, Failure.REFUSED)
WRONG_PASSWORD = (Stage.LOGIN, Failure.PASSWORD_REJECTED)
CACHE = "10.20.1.4:6379"
THREE = question(
    *(
        target(name, *Path, instance=f"p:r:{'one' if name == 'a' else 'two'}", primary_path=Path.CONNECTOR)
        for name in "abc"
    ),
    neighbours=NEIGHBOURS,
    connector_name="staging-connector",
    application_target="b",
    cache_address="10.20.1.4:6379",
)


def roots(diagnosis: Diagnosis) -> list[Cause]:
    return [f.cause for f in diagnosis.findings if f.consequence_of is None]


def all_three(*ends: End, path: Path = Path.CONNECTOR) -> list[Observation]:
    return [
        o
        for number, name in enumerate("abc")
        for o in attempts(path, *ends, of=name, endpoint=f"10.20.2.{number}:3307")
    ]


def test_nothing_seen_is_nothing_wrong() -> None:
    empty = diagnose((), question())
    assert (empty.verdict, empty.findings) == (Verdict.HEALTHY, ())
    assert empty.headline == "nothing that was checked is out of order"


def test_a_healthy_run_says_how_fast_each_path_is() -> None:
    observations = [*attempts(Path.CONNECTOR, PASSED, PASSED), *attempts(Path.SOCKET, PASSED)]
    told = diagnose(observations, question(target("staging-db", Path.CONNECTOR, Path.SOCKET)))
    assert told.headline == "staging-db answers: connector 70 ms, socket 30 ms (mean connection time)"


def test_every_check_alone_gives_an_answer() -> None:
    assert diagnose([configuration()], question()).verdict is Verdict.HEALTHY
    assert diagnose([egress(0.001, CACHE)], question()).verdict is Verdict.HEALTHY
    assert diagnose([route("r1", "cache", CACHE)], question(neighbours=NEIGHBOURS)).findings == ()


def test_three_targets_behind_a_silent_connector_are_one_cause_with_consequences() -> None:
    told = diagnose([*all_three(SILENT), route("r1", "cache", CACHE, Failure.TIMEOUT)], THREE)
    assert roots(told) == [Cause.CONNECTOR_OR_ROUTE_SILENT]
    assert [f.consequence_of for f in told.findings] == [None, "F1", "F1"]
    assert {verdict for _, verdict in told.targets} == {Verdict.DOWN}


def test_one_silent_target_of_three_is_that_endpoint() -> None:
    silent = attempts(Path.CONNECTOR, SILENT, of="a", endpoint="10.20.2.0:3307")
    told = diagnose([*silent, *(o for o in all_three(PASSED) if o.target != "a")], THREE)
    assert roots(told) == [Cause.ENDPOINT_SILENT]
    assert dict(told.targets)["b"] is Verdict.HEALTHY


def test_a_connector_that_comes_back_during_the_run_is_not_blamed_on_the_endpoint() -> None:
    observations = [*all_three(SILENT, SILENT), route("r1", "cache", CACHE, Failure.TIMEOUT)]
    again = [
        o
        for name, number in zip("abc", range(3), strict=True)
        for o in attempts(
            Path.CONNECTOR, PASSED, of=name, confirmation=True, endpoint=f"10.20.2.{number}:3307"
        )
    ]
    told = diagnose([*observations, *again], THREE)
    assert roots(told) == [Cause.CONNECTOR_OR_ROUTE_SILENT]
    assert told.verdict is Verdict.DEGRADED
    assert told.headline.startswith("a: at times no private endpoint answers")
    assert "not confirmed" in told.headline


def test_packets_lost_at_times_on_one_path_are_not_called_silence() -> None:
    told = diagnose(
        [*attempts(Path.CONNECTOR, PASSED, SILENT, PASSED), route("r1", "cache", CACHE)],
        question(neighbours=NEIGHBOURS),
    )
    assert roots(told) == [Cause.ENDPOINT_SILENT]
    assert told.headline.startswith("staging-db: at times 10.20.1.3:3307 does not answer")
    assert "answering: 10.20.1.4:6379)" in told.headline


def test_two_paths_that_fail_differently_are_two_causes_the_primary_paths_first() -> None:
    observations = [*attempts(Path.CONNECTOR, WRONG_PASSWORD), *attempts(Path.PRIVATE_IP, SILENT)]
    told = diagnose(observations, question(target("staging-db", Path.CONNECTOR, Path.PRIVATE_IP)))
    assert roots(told) == [Cause.PASSWORD_REJECTED, Cause.ENDPOINT_SILENT]
    assert [f.severity for f in told.findings] == [Severity.CRITICAL, Severity.WARNING]
    assert "rejects the password" in told.headline


def test_a_refused_port_beside_a_working_connector_says_that_postgresql_runs() -> None:
    observations = [*attempts(Path.CONNECTOR, PASSED), *attempts(Path.PRIVATE_IP, REFUSED)]
    told = diagnose(observations, question(target("staging-db", Path.CONNECTOR, Path.PRIVATE_IP)))
    assert told.verdict is Verdict.DEGRADED
    assert told.headline.endswith("; the connector path works, so PostgreSQL answers)")


def test_the_headline_is_what_the_verdict_rests_on() -> None:
    slow = attempts(Path.PRIVATE_IP, PASSED, seconds=10.0)
    forbidden = attempts(Path.CONNECTOR, (Stage.ADMIN_API, Failure.WRONG_REGION))
    told = diagnose([configuration(), *slow, *forbidden], question(target("staging-db", *Path)))
    assert told.verdict is Verdict.INCONCLUSIVE
    assert "the settings name the wrong region" in told.headline


def test_an_open_end_says_so_and_what_was_seen_until_then() -> None:
    cut_off = "the run ended before everything was measured; "
    fine = diagnose(attempts(Path.CONNECTOR, PASSED, SkipReason.DEADLINE), question())
    assert fine.headline == cut_off + "what was measured is in order"
    failing = diagnose(attempts(Path.CONNECTOR, PASSED, REFUSED, SkipReason.DEADLINE), question())
    assert failing.verdict is Verdict.INCONCLUSIVE
    assert failing.headline.startswith(cut_off + "staging-db: at times 10.20.1.3:3307 refuses")


def test_findings_are_numbered_worst_first() -> None:
    told = diagnose(
        [configuration(), *attempts(Path.CONNECTOR, (Stage.PROXY, Failure.RESET), PASSED)], question()
    )
    assert [f.id for f in told.findings] == [f"F{n}" for n in range(1, len(told.findings) + 1)]
    order = [list(Severity).index(f.severity) for f in told.findings]
    assert order == sorted(order)


ENDS = st.one_of(
    st.just(PASSED),
    st.just(Outcome.CRASHED),
    st.sampled_from(SkipReason),
    st.tuples(st.sampled_from(Stage), st.sampled_from(Failure)),
    # What meets on several paths in one incident, often enough to meet here as well.
    st.sampled_from([SILENT, REFUSED, (Stage.PROXY, Failure.RESET), (Stage.LOGIN, Failure.CLOSED)]),
)
ERRORS = st.none() | st.builds(ErrorFacts, type=st.just("Error"), message=st.text(max_size=30))
CERTIFICATES: st.SearchStrategy[dict[Stage, StageFacts]] = st.sampled_from(
    [
        {},
        {Stage.CERTIFICATE: CertificateFacts(expires_at="2026-11-21T01:00:00Z")},
        {Stage.CERTIFICATE: CertificateFacts()},
    ]
)


@st.composite
def groups(draw: st.DrawFn, check: Check, of: str, path: Path | None) -> list[Observation]:
    """Some attempts of one check at one target over one path, confirmed or not."""
    common: dict[str, Any] = {"of": of, "check": check, "facts": draw(CERTIFICATES), "error": draw(ERRORS)}
    seconds = draw(st.sampled_from([0.001, 1.0, 9.0]))
    first = draw(st.lists(ENDS, max_size=4))
    again = draw(st.lists(ENDS, max_size=3)) if first else []
    address = draw(st.sampled_from(["10.20.1.3", "10.20.1.9"]))
    port = {Path.CONNECTOR: 3307, Path.PRIVATE_IP: 5432}.get(path, 6379) if path else 6379
    endpoint = draw(st.sampled_from([None, f"{address}:{port}"]))
    return [
        observation
        for ends, confirmation in ((first, False), (again, True))
        for observation in attempts(
            path, *ends, confirmation=confirmation, seconds=seconds, endpoint=endpoint, **common
        )
    ]


@st.composite
def runs(draw: st.DrawFn) -> list[Observation]:
    """Any combination of what the checks can see of three targets, a neighbour and the way out."""
    observations: list[Observation] = []
    for name in "abc":
        for path in draw(st.sets(st.sampled_from(Path))):
            observations += draw(groups(Check.CLOUDSQL, name, path))
            observations += draw(groups(Check.ROUTE, name, path)) if path is not Path.SOCKET else []
    observations += draw(groups(Check.ROUTE, "cache", None))
    observations += [*draw(startups("b")), *draw(ramps("b"))]
    answered = draw(st.booleans())
    addresses = [CACHE] if answered else draw(st.sampled_from([[CACHE], [CACHE, "10.20.1.5:9000"]]))
    waits = [egress(draw(st.sampled_from([0.01, 60.0])), *addresses, answered=answered)]
    observations += draw(st.sampled_from([[], waits, [configuration()], [*waits, configuration()]]))
    return draw(st.permutations(observations))


@given(runs())
@example([])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_combination_of_observations_has_one_sound_diagnosis(observations: list[Observation]) -> None:
    told = diagnose(observations, THREE)
    assert told == diagnose(list(observations), THREE)
    assert_findings_are_sound(told, {o.id for o in observations})
    assert_verdict_is_sound(told)
    assert told.headline
    assert told.headline.isprintable()
    assert [link.link for link in told.chain] in ([], list(Link))
    assert {o for link in told.chain for o in link.evidence} <= {o.id for o in observations}


def assert_findings_are_sound(told: Diagnosis, known: set[str]) -> None:
    """Each rests on observations there were; each consequence is one of a finding that is none itself."""
    by_id = {finding.id: finding for finding in told.findings}
    assert len(by_id) == len(told.findings)
    for finding in told.findings:
        assert finding.evidence
        assert set(finding.evidence) <= known
        assert finding.summary.isprintable()
        assert 0 < len(finding.summary) <= MAX_SUMMARY
        assert finding.layer
        if finding.consequence_of is not None:
            assert by_id[finding.consequence_of].consequence_of is None
            assert finding.consequence_of != finding.id


def assert_verdict_is_sound(told: Diagnosis) -> None:
    """A target is down for a critical cause of its own; healthy is a run in which nothing is wrong."""
    for name, verdict in told.targets:
        own = [f for f in told.findings if f.target == name and CATALOGUE[f.cause].blame is Blame.TARGET]
        critical = [f for f in own if f.severity is Severity.CRITICAL]
        assert bool(critical) == (verdict is Verdict.DOWN)
        if verdict is Verdict.DEGRADED:
            assert [f for f in own if f.severity is Severity.WARNING]
    if told.verdict is Verdict.HEALTHY:
        blames = {CATALOGUE[f.cause].blame for f in told.findings if f.severity is not Severity.INFO}
        assert blames <= {Blame.NOBODY}
    assert (told.verdict is Verdict.DOWN) == (Verdict.DOWN in dict(told.targets).values())


def test_every_path_has_stages_to_fail_in() -> None:
    assert set(STAGES) == {*Path, None}
