import errno
import itertools
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from probe.checks.series import MAX_CRASH_TEXT, Dial, Sampling, Series, Skipped, concede
from probe.dial.clock import Trace
from probe.dial.failures import stage_failure
from probe.dial.parameters import Known
from probe.dial.paths import FULL, Concessions
from probe.dial.redaction import Redaction
from probe.model.facts import DnsFacts, ErrorFacts
from probe.model.observation import Observation
from probe.model.ramp import Ramp, Saturation
from probe.model.words import Check, Failure, Outcome, Path, SkipReason, Stage

STAGES = (Stage.DNS, Stage.TCP, Stage.TLS)
F, P = Outcome.FAILED, Outcome.PASSED
Heard = list[tuple[Check, str, Path | None, int, Stage]]


def sampling(dial: Dial, heard: Heard | None = None, **values: Any) -> Sampling:
    defaults: dict[str, Any] = {
        "check": Check.CLOUDSQL,
        "target": "db",
        "path": Path.CONNECTOR,
        "budget_s": 1.0,
    }
    options = defaults | {"attempts": 3, "stages": STAGES} | values
    series = Series(dial=dial, **options)

    def listen(check: Check, target: str, path: Path | None, attempt: int, stage: Stage) -> None:
        if heard is not None:
            heard.append((check, target, path, attempt, stage))

    return Sampling(series, origin_ns=time.monotonic_ns(), stage_started=listen)


def observed(dial: Dial, **values: Any) -> list[Observation]:
    return list(sampling(dial, **values).observe())


def passing(trace: Trace, _concessions: Concessions) -> None:
    trace.begin(Stage.TCP, 1)


def failing(stage: Stage, failure: Failure) -> Callable[[Trace], None]:
    def fail(trace: Trace) -> None:
        trace.begin(stage, 1)
        raise stage_failure(failure, "said so")

    return fail


REFUSED = failing(Stage.TCP, Failure.REFUSED)
SILENT = failing(Stage.TLS, Failure.TIMEOUT)


def well(trace: Trace) -> None:
    trace.begin(Stage.TCP, 1)


def each(*acts: Callable[[Trace], None]) -> Dial:
    """One after the other, the last again and again."""
    left = itertools.chain(acts, itertools.repeat(acts[-1]))

    def dial(trace: Trace, _concessions: Concessions) -> None:
        next(left)(trace)

    return dial


def outcomes(observations: Iterable[Observation]) -> list[Outcome | SkipReason]:
    return [observation.skip_reason or observation.outcome for observation in observations]


# Attempts


def test_each_attempt_is_an_observation_with_a_name_of_its_own() -> None:
    observations = observed(passing)
    assert outcomes(observations) == [P, P, P]
    assert [observation.id for observation in observations] == [
        f"cloudsql/db/connector/{number}" for number in (1, 2, 3)
    ]
    again = observed(passing, confirmation=True, path=None, attempts=1)
    assert [(one.id, one.confirmation) for one in again] == [("cloudsql/db/again/1", True)]


def test_attempts_start_as_planned_and_say_how_late_they_were() -> None:
    observations = observed(passing, interval_s=0.1)
    starts = [observation.span.started_s for observation in observations]
    assert starts == pytest.approx([0, 0.1, 0.2], abs=0.04)
    assert all(0 <= observation.start_delay_s < 0.04 for observation in observations)


def test_after_an_attempt_that_took_too_long_the_next_is_now() -> None:
    def slow(trace: Trace, _concessions: Concessions) -> None:
        trace.begin(Stage.TCP, 1)
        time.sleep(0.06)

    observations = observed(slow, interval_s=0.02)
    starts = [observation.span.started_s for observation in observations]
    assert starts == pytest.approx([0, 0.06, 0.12], abs=0.04)
    assert all(observation.start_delay_s < 0.04 for observation in observations)


def test_the_first_attempt_waits_for_nothing_and_the_last_is_waited_after_by_nobody() -> None:
    begun = time.monotonic()
    observed(passing, attempts=1, interval_s=5)
    assert time.monotonic() - begun < 1


def test_stages_that_were_not_reached_are_said_in_order() -> None:
    (observation,) = observed(each(REFUSED), attempts=1, stages=(Stage.TCP, Stage.TLS, Stage.LOGIN))
    assert [(stage.stage, stage.skip_reason or stage.outcome) for stage in observation.stages] == [
        (Stage.TCP, F),
        (Stage.TLS, SkipReason.EARLIER_STAGE_FAILED),
        (Stage.LOGIN, SkipReason.EARLIER_STAGE_FAILED),
    ]
    assert [stage.span for stage in observation.stages[1:]] == [None, None]


def test_the_measured_stages_tile_the_observation() -> None:
    def three(trace: Trace, _concessions: Concessions) -> None:
        for stage in STAGES:
            trace.begin(stage, 1)
            time.sleep(0.01)

    for observation in observed(three):
        total_s = sum(stage.span.duration_s for stage in observation.stages if stage.span)
        assert total_s == pytest.approx(observation.span.duration_s, rel=1e-6)


def test_whoever_watches_hears_of_each_stage_of_each_attempt() -> None:
    heard: Heard = []
    list(sampling(passing, heard, attempts=2).observe())
    assert heard == [(Check.CLOUDSQL, "db", Path.CONNECTOR, n, Stage.TCP) for n in (1, 2)]


# Failures


def test_two_identical_failures_end_the_series_and_the_rest_is_said() -> None:
    observations = observed(each(well, REFUSED), attempts=6)
    repeated = SkipReason.REPEATED_FAILURE
    assert outcomes(observations) == [P, F, F, repeated, repeated, repeated]
    assert [observation.attempt for observation in observations] == [1, 2, 3, 4, 5, 6]
    assert observations[3].stages == ()


@pytest.mark.parametrize(
    "acts",
    [
        (REFUSED, SILENT, REFUSED, SILENT),
        (REFUSED, failing(Stage.TCP, Failure.TIMEOUT), REFUSED, SILENT),
        (REFUSED, well, REFUSED, well),
    ],
)
def test_different_failures_do_not_end_the_series(acts: tuple[Callable[[Trace], None], ...]) -> None:
    assert SkipReason.REPEATED_FAILURE not in outcomes(observed(each(*acts), attempts=4))


def test_a_crash_is_the_probes_own_and_says_where() -> None:
    def crash(trace: Trace, _concessions: Concessions) -> None:
        trace.begin(Stage.TCP, 1)
        raise KeyError("a mistake of ours")

    first, *_rest = observations = observed(crash)
    assert outcomes(observations) == [Outcome.CRASHED] * 3
    assert first.failure is None
    assert first.failed_stage is None
    assert first.stages[0].outcome is Outcome.CRASHED
    assert first.error
    assert first.error.type == "KeyError"
    assert "Traceback" in first.error.message
    assert "a mistake of ours" in first.error.message


def test_a_crash_between_stages_is_kept_in_the_observation() -> None:
    def crash(_trace: Trace, _concessions: Concessions) -> None:
        raise RuntimeError("x" * 9999)

    (observation,) = observed(crash, attempts=1)
    assert observation.error
    assert len(observation.error.message) == MAX_CRASH_TEXT
    assert {stage.span for stage in observation.stages} == {None}


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL])
def test_want_of_the_probes_own_is_no_failure_of_the_target(number: int) -> None:
    def dial(trace: Trace, _concessions: Concessions) -> None:
        trace.begin(Stage.TCP, 1)
        raise OSError(number, "ours")

    assert outcomes(observed(dial, attempts=1)) == [Outcome.CRASHED]


def test_what_the_other_side_echoes_of_a_secret_is_nowhere_in_the_observation() -> None:
    redaction = Redaction()
    redaction.add("correct-horse")

    def echo(trace: Trace, _concessions: Concessions) -> None:
        trace.begin(Stage.DNS, 1)
        trace.learn(DnsFacts(name="correct-horse.example"))
        raise stage_failure(Failure.SQL_ERROR, "no such password: correct-horse")

    def crash(trace: Trace, _concessions: Concessions) -> None:
        trace.endpoint = "correct-horse"
        raise ValueError("correct-horse")

    for dial in (echo, crash):
        assert "correct-horse" not in str(observed(dial, redaction=redaction))


def test_a_password_that_is_also_a_name_leaves_the_names_readable() -> None:
    redaction = Redaction()
    redaction.add("db-one")
    (observation,) = observed(each(REFUSED), target="db-one", attempts=1, redaction=redaction)
    assert (observation.target, observation.id) == ("db-one", "cloudsql/db-one/connector/1")


# Concessions


def conceding(stage: Stage, failure: Failure, asked: list[Concessions]) -> Dial:
    """A server that refuses one form, and is content without it."""

    def dial(trace: Trace, concessions: Concessions) -> None:
        asked.append(concessions)
        trace.begin(stage, 1)
        if concessions == FULL:
            raise stage_failure(failure, "not in this form")

    return dial


@pytest.mark.parametrize(
    ("path", "stage", "failure", "conceded"),
    [
        (Path.SOCKET, Stage.LOGIN, Failure.PARAMETER_REFUSED, Concessions(parameters=Known.NONE)),
        (Path.CONNECTOR, Stage.PROXY, Failure.RESET, Concessions(ssl_request=False)),
        (Path.PRIVATE_IP, Stage.TLS, Failure.TLS_ALERT, Concessions(one_curve=False)),
    ],
)
def test_what_is_refused_for_its_form_is_left_out_from_then_on_in_one_more_attempt(
    path: Path, stage: Stage, failure: Failure, conceded: Concessions
) -> None:
    asked: list[Concessions] = []
    observations = observed(conceding(stage, failure, asked), path=path, attempts=2, interval_s=0.02)
    assert outcomes(observations) == [F, P, P]
    assert asked == [FULL, conceded, conceded]
    assert [observation.attempt for observation in observations] == [1, 2, 3]


def test_both_concessions_may_be_made_and_each_once() -> None:
    def stubborn(trace: Trace, concessions: Concessions) -> None:
        trace.begin(Stage.PROXY, 1)
        if concessions.ssl_request:
            raise stage_failure(Failure.RESET, "no")
        trace.begin(Stage.LOGIN, 1)
        raise stage_failure(Failure.PARAMETER_REFUSED, "no")

    observations = observed(stubborn, attempts=2)
    repeated = SkipReason.REPEATED_FAILURE
    assert outcomes(observations) in ([F, F, F, F], [F, F, F, F, repeated])


@pytest.mark.parametrize(
    ("stage", "failure"),
    [
        (Stage.PROXY, Failure.TIMEOUT),
        (Stage.LOGIN, Failure.RESET),
        (Stage.TLS, Failure.RESET),
        (Stage.TLS, Failure.TLS_ALERT),
    ],
)
def test_nothing_else_is_conceded(stage: Stage, failure: Failure) -> None:
    (observation,) = observed(each(failing(stage, failure)), attempts=1)
    assert concede(observation, FULL) is FULL


def test_an_ssl_request_that_is_insisted_on_is_never_left_out() -> None:
    asked: list[Concessions] = []
    dial = conceding(Stage.PROXY, Failure.RESET, asked)
    assert outcomes(observed(dial, attempts=2, insists=True)) == [F, F]
    assert asked == [FULL, FULL]


# Cut off


def test_an_attempt_that_is_cut_off_keeps_what_it_had_measured() -> None:
    reached, released = threading.Event(), threading.Event()

    def hang(trace: Trace, _concessions: Concessions) -> None:
        trace.begin(Stage.DNS, 1)
        trace.begin(Stage.TCP, 1)
        reached.set()
        released.wait(5)

    one = sampling(hang)
    thread = threading.Thread(target=lambda: list(one.observe()))
    thread.start()
    assert reached.wait(2)
    under_way, *left = one.cut_off(SkipReason.DEADLINE)
    released.set()
    thread.join()
    deadline = SkipReason.DEADLINE
    assert outcomes([under_way, *left]) == [deadline, deadline, deadline]
    assert [(stage.stage, stage.outcome) for stage in under_way.stages] == [
        (Stage.DNS, P),
        (Stage.TCP, Outcome.SKIPPED),
        (Stage.TLS, Outcome.SKIPPED),
    ]
    assert under_way.stages[1].span
    assert under_way.stages[2].span is None


def test_a_series_that_is_cut_off_while_it_waits_ends_at_once() -> None:
    one = sampling(passing, interval_s=30)
    observations: list[Observation] = []
    first = threading.Event()

    def work() -> None:
        for observation in one.observe():
            observations.append(observation)
            first.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert first.wait(2)
    time.sleep(0.05)
    left = list(one.cut_off(SkipReason.INTERRUPTED))
    thread.join(2)
    assert not thread.is_alive()
    assert outcomes(observations) == [P]
    assert [(one.attempt, one.skip_reason) for one in left] == [
        (2, SkipReason.INTERRUPTED),
        (3, SkipReason.INTERRUPTED),
    ]


def test_a_dial_that_must_not_go_on_is_skipped_with_its_reason_and_what_it_found() -> None:
    result = Ramp(saturation=Saturation.GUARDED, wanted=10, workers=35, keep_free=5)

    def busy(trace: Trace, _concessions: Concessions) -> None:
        trace.result = result
        raise Skipped(SkipReason.BUSY, ErrorFacts(type="probe", message="another probe"))

    (observation,) = observed(busy, attempts=1)
    assert (observation.outcome, observation.skip_reason) == (Outcome.SKIPPED, SkipReason.BUSY)
    assert observation.error
    assert observation.error.message == "another probe"
    assert observation.result == result


def test_a_failure_outside_of_every_stage_is_said_with_the_observation() -> None:
    def refused(_trace: Trace, _concessions: Concessions) -> None:
        raise stage_failure(Failure.REFUSED, "by nobody's stage")

    observation = observed(refused)[0]
    assert (observation.outcome, observation.failure) == (Outcome.FAILED, Failure.REFUSED)
    assert observation.error
    assert observation.error.message == "by nobody's stage"


def test_what_was_found_until_the_cut_is_kept_and_the_dial_is_told() -> None:
    result = Ramp(saturation=Saturation.GUARDED, wanted=10, workers=35, keep_free=5, held=3)
    told, reached = threading.Event(), threading.Event()

    def ramps(trace: Trace, _concessions: Concessions) -> None:
        trace.result = result
        reached.set()
        if trace.stopped.wait(5):
            told.set()

    one = sampling(ramps)
    thread = threading.Thread(target=lambda: list(one.observe()))
    thread.start()
    assert reached.wait(2)
    under_way = next(one.cut_off(SkipReason.INTERRUPTED))
    thread.join(5)
    assert under_way.result == result
    assert told.is_set()


def test_what_is_left_out_says_so_for_each_attempt() -> None:
    blanks = list(sampling(passing).left_out(SkipReason.EARLIER_STAGE_FAILED))
    assert [one.skip_reason for one in blanks] == [SkipReason.EARLIER_STAGE_FAILED] * 3
