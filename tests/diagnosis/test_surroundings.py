from probe.diagnosis.diagnose import Diagnosis, diagnose
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.report import Finding
from probe.model.target import Neighbour
from probe.model.words import Check, Failure, Outcome, Path, Severity, Stage, Verdict
from tests.factories import PASSED, attempts, egress, question, route

CACHE, ANALYTICS = "10.20.1.4:6379", "10.20.1.5:9000"
NEIGHBOURS = (Neighbour(name="cache", address=CACHE), Neighbour(name="analytics", address=ANALYTICS))
SILENT = (Stage.TCP, Failure.TIMEOUT)
FORBIDDEN = (Stage.ADMIN_API, Failure.FORBIDDEN)
ADMIN_API_SILENT = (Stage.ADMIN_API, Failure.TIMEOUT)


def diagnosis(*observations: Observation) -> Diagnosis:
    return diagnose(observations, question(neighbours=NEIGHBOURS))


def found(*observations: Observation) -> list[tuple[Cause, str, Severity]]:
    return [(f.cause, f.target, f.severity) for f in diagnosis(*observations).findings]


def only(*observations: Observation) -> Finding:
    (finding,) = diagnosis(*observations).findings
    return finding


def cache(failure: Failure | None = None, identifier: str = "r1") -> Observation:
    return route(identifier, "cache", CACHE, failure)


def analytics(failure: Failure | None = None) -> Observation:
    return route("r9", "analytics", ANALYTICS, failure)


def test_a_neighbour_that_fails_while_others_answer_is_a_finding_of_its_own() -> None:
    for failure in (Failure.TIMEOUT, Failure.REFUSED, Failure.UNREACHABLE):
        finding = only(*attempts(Path.CONNECTOR, PASSED), cache(failure), analytics())
        assert (finding.cause, finding.severity) == (Cause.NEIGHBOUR_UNREACHABLE, Severity.WARNING)
        assert finding.evidence == ("r1",)
        assert finding.summary.startswith(f"cache: the neighbour {CACHE} cannot be reached (tcp: ")
        assert "silent as well" not in finding.summary


def test_a_neighbour_that_fails_makes_the_run_degraded_and_no_target() -> None:
    degraded = diagnosis(*attempts(Path.CONNECTOR, PASSED), cache(Failure.REFUSED))
    assert degraded.verdict is Verdict.DEGRADED
    assert dict(degraded.targets) == {"staging-db": Verdict.HEALTHY}


def test_a_neighbour_that_fails_at_times_is_said_to() -> None:
    flapping = [cache(Failure.TIMEOUT), cache(identifier="r2")]
    assert only(*attempts(Path.CONNECTOR, PASSED), *flapping).summary.startswith("cache: at times ")


def test_a_neighbour_whose_name_does_not_resolve_is_named_by_its_address() -> None:
    missing = (Stage.DNS, Failure.NAME_NOT_FOUND)
    unresolved = attempts(None, missing, of="cache", check=Check.ROUTE, endpoint=None)
    assert f"the neighbour {CACHE} cannot be reached (dns: " in only(*unresolved).summary


def test_silent_neighbours_of_a_silent_target_only_prove_that_the_way_is_silent() -> None:
    silent = [*attempts(Path.CONNECTOR, SILENT), cache(Failure.TIMEOUT), analytics(Failure.TIMEOUT)]
    assert found(*silent) == [(Cause.CONNECTOR_OR_ROUTE_SILENT, "staging-db", Severity.CRITICAL)]


def test_what_rejects_everything_and_says_so_at_times_only_is_one_cause() -> None:
    unreachable = (Stage.TCP, Failure.UNREACHABLE)
    rejected = attempts(Path.CONNECTOR, SILENT, unreachable)
    for neighbours in ((Failure.TIMEOUT, Failure.UNREACHABLE), (Failure.TIMEOUT, Failure.TIMEOUT)):
        told = diagnosis(*rejected, cache(neighbours[0]), analytics(neighbours[1]))
        assert [(f.cause, f.target, f.consequence_of) for f in told.findings] == [
            (Cause.ROUTE_MISSING, "staging-db", None),
            (Cause.ROUTE_MISSING, "cache", "F1"),
            (Cause.ROUTE_MISSING, "analytics", "F1"),
        ]


def test_a_silent_neighbour_of_an_unreachable_target_is_its_own_fault_while_another_answers() -> None:
    told = found(
        *attempts(Path.CONNECTOR, (Stage.TCP, Failure.UNREACHABLE)), cache(Failure.TIMEOUT), analytics()
    )
    assert [(cause, name) for cause, name, _ in told] == [
        (Cause.ROUTE_MISSING, "staging-db"),
        (Cause.NEIGHBOUR_UNREACHABLE, "cache"),
    ]


def test_silent_neighbours_alone_tell_that_the_way_is_silent() -> None:
    not_dialled = attempts(Path.CONNECTOR, FORBIDDEN)
    told = diagnosis(*not_dialled, cache(Failure.TIMEOUT), analytics(Failure.TIMEOUT))
    assert [(f.cause, f.target, f.consequence_of) for f in told.findings] == [
        (Cause.ADMIN_API_FORBIDDEN, "staging-db", None),
        (Cause.CONNECTOR_OR_ROUTE_SILENT, "cache", None),
        (Cause.CONNECTOR_OR_ROUTE_SILENT, "analytics", "F2"),
    ]
    assert told.findings[1].summary.endswith(f"; silent as well: {ANALYTICS})")


def test_a_silent_admin_api_behind_a_silent_way_is_a_consequence_of_it() -> None:
    everything = [
        *attempts(Path.CONNECTOR, ADMIN_API_SILENT),
        cache(Failure.TIMEOUT),
        analytics(Failure.TIMEOUT),
    ]
    told = diagnosis(*everything)
    assert [f.cause for f in told.findings if f.consequence_of is None] == [Cause.CONNECTOR_OR_ROUTE_SILENT]
    assert told.verdict is Verdict.DOWN
    assert told.headline.startswith("cache: no private endpoint answers")


def test_one_silent_neighbour_with_nothing_to_compare_does_not_claim_that_others_answer() -> None:
    told = found(*attempts(Path.CONNECTOR, FORBIDDEN), cache(Failure.TIMEOUT))
    assert told == [
        (Cause.ADMIN_API_FORBIDDEN, "staging-db", Severity.CRITICAL),
        (Cause.NETWORK_SILENT, "cache", Severity.WARNING),
    ]


def test_a_silent_name_server_is_one_cause_for_targets_and_neighbours() -> None:
    silent = (Stage.DNS, Failure.TIMEOUT)
    unresolved = attempts(None, silent, of="cache", check=Check.ROUTE)
    told = diagnosis(*attempts(Path.CONNECTOR, silent), *unresolved)
    assert [(f.cause, f.target, f.consequence_of) for f in told.findings] == [
        (Cause.NAME_SERVER_SILENT, "staging-db", None),
        (Cause.NAME_SERVER_SILENT, "cache", "F1"),
    ]


def test_a_way_out_that_is_open_at_once_is_no_finding() -> None:
    assert found(egress(10.0, CACHE)) == []


def test_a_long_wait_for_the_way_out_is_told_and_never_counts_as_the_databases() -> None:
    waiting = [egress(62.0, CACHE), *attempts(Path.CONNECTOR, PASSED), cache()]
    told = diagnosis(*waiting)
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.EGRESS_SLOW, Severity.WARNING)
    assert finding.summary == (
        "egress: the first outbound connection had to wait "
        f"({CACHE} after 62 s, threshold 10 s); later the way was open"
    )
    assert told.verdict is Verdict.HEALTHY


def test_a_wait_that_ended_only_when_the_checks_began_is_a_long_one() -> None:
    told = only(egress(60.0, CACHE, answered=False), cache())
    assert told.cause is Cause.EGRESS_SLOW
    assert "(none within 60 s, threshold 10 s)" in told.summary


def test_no_way_out_at_all_is_told_where_no_other_check_says_why() -> None:
    several = egress(60.0, CACHE, ANALYTICS, answered=False)
    alone = egress(60.0, CACHE, answered=False)
    assert found(several) == [(Cause.CONNECTOR_OR_ROUTE_SILENT, "egress", Severity.CRITICAL)]
    assert found(alone) == [(Cause.NETWORK_SILENT, "egress", Severity.CRITICAL)]
    assert f"within 60 s to any of {CACHE}, {ANALYTICS}" in only(several).summary
    assert only(alone).summary.endswith(f"within 60 s to {CACHE}")
    assert diagnosis(alone).verdict is Verdict.DEGRADED


def test_no_way_out_is_told_once_where_other_checks_met_the_same_silence() -> None:
    silent = [egress(60.0, CACHE, answered=False), *attempts(Path.CONNECTOR, SILENT), cache(Failure.TIMEOUT)]
    assert [cause for cause, *_ in found(*silent)] == [Cause.CONNECTOR_OR_ROUTE_SILENT]


def test_no_way_out_is_not_hidden_by_another_fault() -> None:
    told = found(egress(60.0, CACHE, answered=False), *attempts(Path.CONNECTOR, FORBIDDEN))
    assert [cause for cause, *_ in told] == [Cause.ADMIN_API_FORBIDDEN, Cause.NETWORK_SILENT]


def test_a_wait_for_the_way_out_that_learnt_nothing_tells_nothing() -> None:
    learnt_nothing = attempts(None, SILENT, of="egress", check=Check.EGRESS)
    assert found(*learnt_nothing) == []
    crashed = attempts(None, Outcome.CRASHED, of="egress", check=Check.EGRESS)
    assert [cause for cause, *_ in found(*crashed)] == [Cause.PROBE_CRASHED]
