import pytest

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.diagnose import Diagnosis, diagnose
from probe.diagnosis.own_findings import delivery_findings
from probe.model.cause import Cause
from probe.model.facts import ErrorFacts
from probe.model.observation import Delivery, Observation
from probe.model.target import Neighbour
from probe.model.words import Blame, Failure, Layer, Outcome, Path, Severity, SkipReason, Stage, Verdict
from tests.factories import PASSED, attempts, configuration, question

REFUSED = (Stage.TCP, Failure.REFUSED)


def diagnosis(*observations: Observation) -> Diagnosis:
    return diagnose(observations, question())


def crash(message: str) -> list[Observation]:
    return attempts(Path.CONNECTOR, Outcome.CRASHED, error=ErrorFacts(type="KeyError", message=message))


def test_configuration_warnings_are_told_and_never_decide() -> None:
    told = diagnosis(configuration(), *attempts(Path.CONNECTOR, PASSED))
    assert {f.layer for f in told.findings} == {Layer.CONFIGURATION}
    assert {CATALOGUE[f.cause].blame for f in told.findings} == {Blame.NOBODY}
    assert {f.evidence for f in told.findings} == {("configuration",)}
    assert told.verdict is Verdict.HEALTHY
    assert told.headline == "staging-db answers: connector 70 ms (mean connection time)"


def test_the_configuration_alone_is_judged_without_a_target() -> None:
    told = diagnosis(configuration())
    assert (told.verdict, told.targets) == (Verdict.HEALTHY, ())
    assert told.headline == "nothing that was checked is out of order"


def test_a_neighbour_that_is_the_subnets_gateway_is_told() -> None:
    gateway = Neighbour(name="gateway", address="10.8.0.1:5432")
    asked = question(neighbours=(gateway,), gateway="10.8.0.1")
    causes = [f.cause for f in diagnose([configuration()], asked).findings]
    assert Cause.GATEWAY_AS_TARGET in causes


def test_configuration_that_was_not_read_breaks_no_rule() -> None:
    bare = Observation(
        **{f: getattr(configuration(), f) for f in ("id", "check", "target", "outcome", "span")}
    )
    assert diagnosis(bare).findings == ()


def test_a_crash_is_inconclusive_and_quotes_its_last_line() -> None:
    told = diagnosis(*crash("Traceback\n  File ...\nKeyError: 'region'\n"))
    (finding,) = told.findings
    assert (finding.cause, finding.severity) == (Cause.PROBE_CRASHED, Severity.WARNING)
    assert finding.summary == "staging-db: the probe's cloudsql check crashed (\"KeyError: 'region'\")"
    assert told.verdict is Verdict.INCONCLUSIVE
    assert told.headline == finding.summary


@pytest.mark.parametrize("message", ["", " \n\t"])
def test_a_crash_without_words_is_told_without_any(message: str) -> None:
    for observations in (crash(message), attempts(Path.CONNECTOR, Outcome.CRASHED)):
        (finding,) = diagnosis(*observations).findings
        assert finding.summary == "staging-db: the probe's cloudsql check crashed"


def test_a_crash_never_makes_a_target_down_nor_hides_that_it_is() -> None:
    assert diagnosis(*crash("x"), *attempts(Path.PRIVATE_IP, PASSED)).verdict is Verdict.INCONCLUSIVE
    beside = attempts(Path.CONNECTOR, REFUSED, REFUSED, Outcome.CRASHED)
    assert diagnosis(*beside).verdict is Verdict.DOWN


@pytest.mark.parametrize("reason", [SkipReason.DEADLINE, SkipReason.INTERRUPTED])
def test_what_was_cut_off_was_not_measured(reason: SkipReason) -> None:
    told = diagnosis(*attempts(Path.CONNECTOR, reason, reason))
    (finding,) = told.findings
    assert (finding.cause, len(finding.evidence)) == (Cause.NOT_MEASURED, 2)
    assert finding.summary == f"staging-db: cloudsql over connector was not measured ({reason})"
    assert told.verdict is Verdict.INCONCLUSIVE


def test_an_answer_that_tells_nothing_was_no_measurement() -> None:
    (finding,) = diagnosis(*attempts(None, Outcome.FAILED)).findings
    assert finding.summary == "staging-db: cloudsql was not measured (no answer that tells anything)"


def test_a_delivery_without_a_loss_is_no_finding() -> None:
    assert delivery_findings(Delivery(written=5)) == ()
    assert delivery_findings(Delivery()) == ()


@pytest.mark.parametrize(
    ("delivery", "cause"),
    [
        (Delivery(dropped=3, failure=Failure.TIMEOUT), Cause.METRICS_SILENT),
        (Delivery(dropped=3, failure=Failure.FORBIDDEN), Cause.METRICS_REFUSED),
        (Delivery(dropped=3, failure=Failure.UNAUTHENTICATED), Cause.METRICS_REFUSED),
        (Delivery(dropped=3, failure=Failure.HTTP_BAD_REQUEST), Cause.METRICS_REFUSED),
        (Delivery(dropped=3, failure=Failure.NOT_FOUND), Cause.METRICS_REFUSED),
        (Delivery(dropped=3, failure=Failure.REFUSED), Cause.METRICS_UNAVAILABLE),
        (Delivery(failure=Failure.CREDENTIALS_MISSING), Cause.METRICS_UNAVAILABLE),
        (Delivery(dropped=3), Cause.METRICS_REFUSED),
        (Delivery(written=2, dropped=3), Cause.METRICS_PARTLY_REFUSED),
        (Delivery(written=200, dropped=3, failure=Failure.TIMEOUT), Cause.METRICS_SILENT),
    ],
)
def test_every_loss_of_metrics_has_a_cause_that_is_nobodys(delivery: Delivery, cause: Cause) -> None:
    (finding,) = delivery_findings(delivery)
    assert (finding.id, finding.cause, finding.target) == ("M1", cause, "monitoring")
    assert (CATALOGUE[cause].blame, finding.severity) == (Blame.NOBODY, Severity.WARNING)


def test_a_loss_of_metrics_is_told_with_its_numbers_and_the_services_first_words() -> None:
    error = ErrorFacts(type="PermissionDenied", message="no")
    both = Delivery(written=2, dropped=3, error=error, reasons=("too old", "too new"))
    assert delivery_findings(both)[0].summary == 'monitoring: 3 of 5 points not stored: "too old"'
    silent = Delivery(dropped=3, failure=Failure.FORBIDDEN, error=error)
    assert delivery_findings(silent)[0].summary == 'monitoring: 3 of 3 points not stored: "no"'
    bare = Delivery(dropped=3, failure=Failure.TIMEOUT)
    assert delivery_findings(bare)[0].summary == "monitoring: 3 of 3 points not stored"
