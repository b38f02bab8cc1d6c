import pytest

from probe.diagnosis.evidence import PathEvidence, group, open_end
from probe.model.observation import Observation
from probe.model.words import Check, Failure, Outcome, Path, SkipReason, Stage
from tests.factories import PASSED, attempts, configuration

REFUSED = (Stage.TCP, Failure.REFUSED)
RESET_IN_PROXY = (Stage.PROXY, Failure.RESET)
RESET_IN_LOGIN = (Stage.LOGIN, Failure.RESET)
PARAMETER_REFUSED = (Stage.LOGIN, Failure.PARAMETER_REFUSED)
ALERT = (Stage.TLS, Failure.TLS_ALERT)
CRASHED = Outcome.CRASHED


def evidence(*observations: Observation) -> PathEvidence:
    (only,) = group(observations)
    return only


def numbers(observations: tuple[Observation, ...]) -> list[int]:
    return [observation.attempt for observation in observations]


def test_evidence_is_kept_by_check_target_and_path_in_the_order_of_the_attempts() -> None:
    connector, private = attempts(Path.CONNECTOR, PASSED, PASSED), attempts(Path.PRIVATE_IP, PASSED)
    routes = attempts(Path.CONNECTOR, PASSED, check=Check.ROUTE)
    groups = group([*reversed(connector), *private, *routes])
    assert [(g.check, g.path) for g in groups] == [
        (Check.CLOUDSQL, Path.CONNECTOR),
        (Check.CLOUDSQL, Path.PRIVATE_IP),
        (Check.ROUTE, Path.CONNECTOR),
    ]
    assert numbers(groups[0].observations) == [1, 2]


def test_only_an_answer_is_valid() -> None:
    seen = evidence(*attempts(Path.CONNECTOR, PASSED, REFUSED, CRASHED, SkipReason.DEADLINE))
    assert (numbers(seen.passed), numbers(seen.failed), seen.success_ratio) == ([1], [2], 0.5)


def test_without_a_valid_attempt_there_is_no_ratio() -> None:
    seen = evidence(*attempts(Path.CONNECTOR, CRASHED, SkipReason.INTERRUPTED))
    assert (seen.valid, seen.success_ratio, seen.last_round) == ((), None, ())


def test_a_failure_of_no_stage_tells_nothing() -> None:
    assert evidence(*attempts(Path.CONNECTOR, Outcome.FAILED)).valid == ()


def test_an_attempt_refused_for_its_form_counts_nowhere() -> None:
    for form in (RESET_IN_PROXY, PARAMETER_REFUSED):
        seen = evidence(*attempts(Path.CONNECTOR, form, PASSED, PASSED))
        assert (numbers(seen.conceded), numbers(seen.valid), seen.success_ratio) == ([1], [2, 3], 1.0)


def test_two_forms_are_conceded_once_each() -> None:
    seen = evidence(*attempts(Path.CONNECTOR, RESET_IN_PROXY, PARAMETER_REFUSED, PASSED))
    assert (numbers(seen.valid), seen.success_ratio) == ([3], 1.0)


def test_the_same_form_refused_again_is_a_failure() -> None:
    seen = evidence(*attempts(Path.CONNECTOR, PARAMETER_REFUSED, PARAMETER_REFUSED, PARAMETER_REFUSED))
    assert (numbers(seen.conceded), numbers(seen.failed)) == ([1], [2, 3])


def test_each_round_concedes_for_itself() -> None:
    first = attempts(Path.CONNECTOR, RESET_IN_PROXY, RESET_IN_LOGIN)
    again = attempts(Path.CONNECTOR, RESET_IN_PROXY, RESET_IN_LOGIN, confirmation=True)
    seen = evidence(*first, *again)
    assert (len(seen.conceded), len(seen.failed)) == (2, 2)


def test_a_refused_form_counts_nowhere_even_where_the_next_attempt_was_cut_off() -> None:
    seen = evidence(*attempts(Path.CONNECTOR, RESET_IN_PROXY, SkipReason.DEADLINE))
    assert (seen.valid, seen.success_ratio) == ((), None)


def test_a_refused_form_with_no_further_attempt_is_a_failure() -> None:
    seen = evidence(*attempts(Path.CONNECTOR, RESET_IN_PROXY))
    assert (seen.conceded, numbers(seen.failed)) == ((), [1])


def test_a_form_that_worked_before_was_not_refused() -> None:
    seen = evidence(*attempts(Path.CONNECTOR, PASSED, RESET_IN_PROXY, PASSED))
    assert (seen.conceded, numbers(seen.failed)) == ((), [2])


def test_an_sslrequest_that_was_insisted_on_is_never_conceded() -> None:
    seen = evidence(*attempts(Path.CONNECTOR, RESET_IN_PROXY, RESET_IN_PROXY, insists=True))
    assert (seen.conceded, numbers(seen.failed)) == ((), [1, 2])


def test_an_sslrequest_is_conceded_where_a_later_attempt_left_it_out() -> None:
    seen = evidence(*attempts(Path.CONNECTOR, RESET_IN_PROXY, REFUSED, PASSED))
    assert (numbers(seen.conceded), numbers(seen.failed)) == ([1], [2])


def test_an_offer_of_one_curve_counts_nowhere_where_every_curve_went_further() -> None:
    for then in (PASSED, RESET_IN_LOGIN, SkipReason.DEADLINE):
        seen = evidence(*attempts(Path.PRIVATE_IP, ALERT, then))
        assert numbers(seen.conceded) == [1]


def test_each_round_offers_one_curve_first() -> None:
    first = attempts(Path.PRIVATE_IP, ALERT, PASSED)
    again = attempts(Path.PRIVATE_IP, ALERT, PASSED, confirmation=True)
    seen = evidence(*first, *again)
    assert (len(seen.conceded), seen.success_ratio) == (2, 1.0)


def test_an_alert_at_every_curve_as_well_is_a_failure() -> None:
    seen = evidence(*attempts(Path.PRIVATE_IP, ALERT, ALERT, ALERT))
    assert (seen.conceded, numbers(seen.failed)) == ((), [1, 2, 3])


def test_an_alert_at_an_offer_that_was_taken_before_is_a_failure() -> None:
    seen = evidence(*attempts(Path.PRIVATE_IP, PASSED, ALERT, PASSED))
    assert (seen.conceded, numbers(seen.failed)) == ((), [2])


def test_the_server_proxy_is_offered_every_curve_at_once() -> None:
    seen = evidence(*attempts(Path.CONNECTOR, ALERT, PASSED))
    assert (seen.conceded, numbers(seen.failed)) == ((), [1])


def test_the_confirmation_decides_where_there_is_one() -> None:
    first = attempts(Path.CONNECTOR, REFUSED, REFUSED)
    again = attempts(Path.CONNECTOR, PASSED, PASSED, confirmation=True)
    assert evidence(*first).success_ratio == 0.0
    assert evidence(*first, *again).success_ratio == 1.0


def test_a_confirmation_that_was_cut_off_decides_nothing() -> None:
    first = attempts(Path.CONNECTOR, REFUSED, REFUSED)
    again = attempts(Path.CONNECTOR, SkipReason.DEADLINE, confirmation=True)
    seen = evidence(*first, *again)
    assert (seen.success_ratio, seen.refuted(0.5)) == (0.0, False)


@pytest.mark.parametrize(
    ("first", "again", "refuted"),
    [
        ([REFUSED, REFUSED], [PASSED, PASSED], True),
        ([REFUSED, REFUSED], [PASSED, REFUSED], True),
        ([REFUSED, REFUSED, REFUSED], [PASSED, REFUSED, REFUSED], False),
        ([REFUSED, REFUSED], [REFUSED, REFUSED], False),
        ([PASSED, REFUSED], [PASSED, PASSED], False),
        ([REFUSED, REFUSED], [], False),
    ],
)
def test_a_first_round_is_refuted_by_a_confirmation_that_was_not_down(
    first: list[tuple[Stage, Failure] | Outcome],
    again: list[tuple[Stage, Failure] | Outcome],
    refuted: bool,
) -> None:
    observations = attempts(Path.CONNECTOR, *first) + attempts(Path.CONNECTOR, *again, confirmation=True)
    assert evidence(*observations).refuted(0.5) is refuted


def test_the_endpoint_is_the_one_dialled_last() -> None:
    first, second = attempts(Path.CONNECTOR, REFUSED, endpoint="10.0.0.1:3307")[0], configuration()
    assert evidence(first).endpoint == "10.0.0.1:3307"
    assert evidence(second).endpoint == ""


@pytest.mark.parametrize("end", [SkipReason.DEADLINE, SkipReason.INTERRUPTED, CRASHED])
def test_what_was_cut_off_or_crashed_leaves_the_end_open(end: SkipReason | Outcome) -> None:
    assert open_end(attempts(Path.CONNECTOR, PASSED, end))


def test_what_two_failures_left_out_does_not_leave_the_end_open() -> None:
    assert not open_end(attempts(Path.CONNECTOR, REFUSED, REFUSED, SkipReason.REPEATED_FAILURE))
