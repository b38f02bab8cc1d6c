import pytest

from probe.cli import EXIT_CODES
from probe.diagnosis.diagnose import diagnose
from probe.model.observation import Observation
from probe.model.target import Thresholds
from probe.model.words import Check, Failure, Outcome, Path, SkipReason, Stage, Verdict
from tests.factories import PASSED, End, attempts, question, target

REFUSED = (Stage.TCP, Failure.REFUSED)
PROBES_OWN = [
    (Stage.ADMIN_API, Failure.FORBIDDEN),
    (Stage.ADMIN_API, Failure.UNAUTHENTICATED),
    (Stage.ADMIN_API, Failure.CREDENTIALS_MISSING),
    (Stage.ADMIN_API, Failure.METADATA_UNAVAILABLE),
    (Stage.ADMIN_API, Failure.TOKEN_REFUSED),
    (Stage.ADMIN_API, Failure.TOKEN_EXPIRED),
    (Stage.ADMIN_API, Failure.WRONG_REGION),
    (Stage.ADMIN_API, Failure.WRONG_ENGINE),
    (Stage.CERTIFICATE, Failure.FORBIDDEN),
    (Stage.LOGIN, Failure.ROLE_LIMIT),
]
BOTH = target("staging-db", Path.CONNECTOR, Path.PRIVATE_IP)


def verdict(*observations: Observation, **more: object) -> Verdict:
    return diagnose(observations, question(BOTH, **more)).verdict


def connector(*ends: End, confirmation: bool = False) -> list[Observation]:
    return attempts(Path.CONNECTOR, *ends, confirmation=confirmation)


def test_down_leaves_with_3_and_inconclusive_with_4() -> None:
    assert EXIT_CODES == {
        Verdict.HEALTHY: 0,
        Verdict.DEGRADED: 1,
        Verdict.DOWN: 3,
        Verdict.INCONCLUSIVE: 4,
    }


@pytest.mark.parametrize(
    ("passed", "failed", "expected"),
    [
        (5, 0, Verdict.HEALTHY),
        (19, 1, Verdict.HEALTHY),
        (9, 1, Verdict.DEGRADED),
        (4, 1, Verdict.DEGRADED),
        (5, 5, Verdict.DEGRADED),
        (4, 5, Verdict.DOWN),
        (0, 2, Verdict.DOWN),
    ],
)
def test_the_share_of_successes_on_the_primary_path_decides(
    passed: int, failed: int, expected: Verdict
) -> None:
    assert verdict(*connector(*[PASSED] * passed, *[REFUSED] * failed)) is expected


def test_the_shares_are_the_settings_own() -> None:
    half = connector(PASSED, REFUSED)
    assert verdict(*half, thresholds=Thresholds(success_ratio_down=0.6)) is Verdict.DOWN
    assert verdict(*half, thresholds=Thresholds(success_ratio_healthy=0.4)) is Verdict.HEALTHY
    whole = connector(PASSED)
    assert verdict(*whole, thresholds=Thresholds(success_ratio_healthy=1.0)) is Verdict.HEALTHY


def test_another_path_that_fails_is_degraded_only() -> None:
    assert verdict(*connector(PASSED), *attempts(Path.PRIVATE_IP, REFUSED, REFUSED)) is Verdict.DEGRADED


def test_a_down_that_the_confirmation_refutes_is_degraded() -> None:
    first = connector(REFUSED, REFUSED)
    assert verdict(*first, *connector(PASSED, PASSED, confirmation=True)) is Verdict.DEGRADED
    assert verdict(*first, *connector(PASSED, REFUSED, confirmation=True)) is Verdict.DEGRADED


def test_a_down_that_the_confirmation_repeats_stays_down() -> None:
    first = connector(REFUSED, REFUSED)
    assert verdict(*first, *connector(REFUSED, REFUSED, confirmation=True)) is Verdict.DOWN
    assert verdict(*first, *connector(REFUSED, REFUSED, PASSED, confirmation=True)) is Verdict.DOWN


@pytest.mark.parametrize("end", [SkipReason.DEADLINE, SkipReason.INTERRUPTED, Outcome.CRASHED])
def test_what_was_cut_off_never_overturns_a_down(end: End) -> None:
    first = connector(REFUSED, REFUSED)
    assert verdict(*first, *attempts(Path.PRIVATE_IP, end)) is Verdict.DOWN
    assert verdict(*first, *connector(end, confirmation=True)) is Verdict.DOWN


@pytest.mark.parametrize("end", [SkipReason.DEADLINE, SkipReason.INTERRUPTED, Outcome.CRASHED])
def test_what_was_cut_off_otherwise_makes_the_answer_inconclusive(end: End) -> None:
    assert verdict(*connector(end)) is Verdict.INCONCLUSIVE
    assert verdict(*connector(PASSED, end)) is Verdict.INCONCLUSIVE
    assert verdict(*connector(PASSED), *attempts(Path.PRIVATE_IP, end)) is Verdict.INCONCLUSIVE
    assert verdict(*connector(PASSED, PASSED, REFUSED, end)) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("end", PROBES_OWN)
def test_what_the_probe_lacks_is_inconclusive_never_down(end: End) -> None:
    assert verdict(*connector(end, end)) is Verdict.INCONCLUSIVE
    assert verdict(*connector(PASSED, PASSED, PASSED, end)) is Verdict.INCONCLUSIVE


def test_a_path_that_the_probe_may_not_measure_leaves_the_answer_open() -> None:
    asked = question(target("staging-db", Path.PRIVATE_IP, Path.CONNECTOR))
    observations = [*attempts(Path.PRIVATE_IP, PASSED), *connector(PROBES_OWN[0])]
    assert diagnose(observations, asked).verdict is Verdict.INCONCLUSIVE


def test_what_the_probe_lacked_at_first_alone_leaves_nothing_open() -> None:
    first = [*connector(REFUSED), *attempts(Path.PRIVATE_IP, PROBES_OWN[0])]
    again = [
        *connector(PASSED, confirmation=True),
        *attempts(Path.PRIVATE_IP, PASSED, confirmation=True),
    ]
    assert verdict(*first) is Verdict.DOWN
    assert verdict(*first, *again) is Verdict.DEGRADED


def test_a_neighbour_that_was_not_measured_leaves_the_answer_open() -> None:
    unmeasured = attempts(None, Outcome.FAILED, of="cache", check=Check.ROUTE)
    assert verdict(*connector(PASSED), *unmeasured) is Verdict.INCONCLUSIVE


def test_what_the_probe_lacks_hides_no_failure_of_the_target() -> None:
    told = diagnose(connector(PROBES_OWN[0], REFUSED, PROBES_OWN[0]), question())
    assert told.verdict is Verdict.DOWN
    assert "refuses connections" in told.headline


def test_conceded_attempts_count_nowhere() -> None:
    assert verdict(*connector((Stage.PROXY, Failure.RESET), PASSED)) is Verdict.HEALTHY


def test_a_form_refused_and_then_cut_off_is_not_down() -> None:
    ends: list[End] = [(Stage.PROXY, Failure.RESET), SkipReason.DEADLINE]
    assert verdict(*connector(*ends)) is Verdict.INCONCLUSIVE


def test_routes_alone_decide_where_connections_were_not_asked_for() -> None:
    def routes(*ends: End) -> list[Observation]:
        return attempts(Path.CONNECTOR, *ends, check=Check.ROUTE)

    assert verdict(*routes(PASSED, PASSED)) is Verdict.HEALTHY
    assert verdict(*routes(PASSED, REFUSED)) is Verdict.DEGRADED
    assert verdict(*routes(REFUSED, REFUSED)) is Verdict.DOWN


def test_a_dead_route_is_down_even_where_the_connections_were_cut_off() -> None:
    routes = attempts(Path.CONNECTOR, REFUSED, REFUSED, check=Check.ROUTE)
    assert verdict(*connector(SkipReason.DEADLINE), *routes) is Verdict.DOWN


def test_a_live_route_does_not_make_up_for_connections_that_were_cut_off() -> None:
    routes = attempts(Path.CONNECTOR, PASSED, PASSED, check=Check.ROUTE)
    assert verdict(*connector(SkipReason.DEADLINE), *routes) is Verdict.INCONCLUSIVE


def test_the_run_is_as_bad_as_its_worst_target() -> None:
    asked = question(*(target(name, instance=f"p:r:{name}") for name in "abc"))
    observations = [
        *attempts(Path.CONNECTOR, PASSED, of="a"),
        *attempts(Path.CONNECTOR, REFUSED, of="b"),
        *attempts(Path.CONNECTOR, PROBES_OWN[0], of="c"),
    ]
    told = diagnose(observations, asked)
    assert dict(told.targets) == {
        "a": Verdict.HEALTHY,
        "b": Verdict.DOWN,
        "c": Verdict.INCONCLUSIVE,
    }
    assert told.verdict is Verdict.DOWN
    assert told.headline.startswith("b: ")


def test_a_target_that_was_not_asked_about_has_no_verdict() -> None:
    assert diagnose((), question()).targets == ()
    assert verdict() is Verdict.HEALTHY
