from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.endpoints import endpoints_in
from probe.diagnosis.evidence import group
from probe.diagnosis.seen import MAX_SUMMARY, Seen, finding
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.words import Check, Failure, Layer, Outcome, Path, Severity, Stage
from tests.factories import PASSED, attempts, question


def seen(*observations: Observation) -> Seen:
    return Seen(question=question(), groups=group(observations), endpoints=endpoints_in(observations))


def test_a_finding_says_what_the_catalogue_says_of_its_cause() -> None:
    entry = CATALOGUE[Cause.LOGIN_SILENT]
    made = finding(Cause.LOGIN_SILENT, "db", "db: hangs", ["a", "b", "a"])
    assert (made.category, made.layer, made.severity) == (entry.category, entry.layer, entry.severity)
    assert (made.action, made.escalate, made.evidence) == (entry.action, entry.escalate, ("a", "b"))


def test_what_the_run_saw_overrides_layer_and_severity() -> None:
    made = finding(
        Cause.LOGIN_SILENT,
        "db",
        "",
        (),
        layer=Layer.SERVER_PROXY,
        severity=Severity.WARNING,
        path=Path.SOCKET,
    )
    assert (made.layer, made.severity, made.path) == (Layer.SERVER_PROXY, Severity.WARNING, Path.SOCKET)


def test_a_summary_is_one_bounded_line() -> None:
    made = finding(Cause.LOGIN_SILENT, "db", "a\x00\r\nb " + "x" * 2 * MAX_SUMMARY, ())
    assert made.summary.startswith("a b xxx")
    assert made.summary.isprintable()
    assert len(made.summary) == MAX_SUMMARY


def test_a_target_is_judged_by_its_connections_and_by_routes_where_those_gave_no_answer() -> None:
    connections = [
        *attempts(Path.CONNECTOR, PASSED),
        *attempts(Path.PRIVATE_IP, Outcome.CRASHED),
    ]
    routes = [o for path in Path for o in attempts(path, PASSED, check=Check.ROUTE)]
    judged = seen(*connections, *routes).judged("staging-db")
    assert [(g.check, g.path) for g in judged] == [
        (Check.CLOUDSQL, Path.CONNECTOR),
        (Check.CLOUDSQL, Path.PRIVATE_IP),
        (Check.ROUTE, Path.PRIVATE_IP),
        (Check.ROUTE, Path.SOCKET),
    ]


def test_a_group_has_the_cause_that_its_path_has() -> None:
    failing = seen(*attempts(Path.CONNECTOR, (Stage.LOGIN, Failure.TIMEOUT)))
    found = failing.cause(failing.groups[0])
    assert found is not None
    assert found.cause is Cause.LOGIN_SILENT
