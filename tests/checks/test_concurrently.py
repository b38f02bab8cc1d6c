import threading
import time
from dataclasses import replace

from probe.checks.concurrently import POLL_S, Nobody, Watcher, observe
from probe.checks.series import Dial, Series
from probe.dial.clock import Deadline, Trace
from probe.dial.failures import stage_failure
from probe.dial.paths import Concessions
from probe.model.observation import Observation
from probe.model.words import Check, Failure, Outcome, SkipReason, Stage

LATE_S = 0.1


class Listener(Nobody):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, Stage]] = []
        self.finished: list[Observation] = []

    def stage_started(self, *where: object) -> None:
        _check, target, _path, _attempt, stage = where
        assert isinstance(stage, Stage)
        self.stages.append((str(target), stage))

    def attempt_finished(self, observation: Observation) -> None:
        self.finished.append(observation)


def series(dial: Dial, target: str = "db", attempts: int = 1) -> Series:
    return Series(check=Check.ROUTE, target=target, dial=dial, budget_s=5, attempts=attempts)


def run(
    *all_series: Series,
    deadline_s: float = 5,
    interrupted: threading.Event | None = None,
    watcher: Watcher | None = None,
) -> tuple[Observation, ...]:
    return observe(
        all_series,
        origin_ns=time.monotonic_ns(),
        deadline=Deadline.after(deadline_s),
        interrupted=interrupted or threading.Event(),
        watcher=watcher or Nobody(),
    )


def quick(trace: Trace, _concessions: Concessions) -> None:
    trace.begin(Stage.TCP, 1)


def taking(seconds: float) -> Dial:
    def dial(trace: Trace, _concessions: Concessions) -> None:
        trace.begin(Stage.TCP, 5)
        time.sleep(seconds)

    return dial


class Hanging:
    """A dial that heeds nothing until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __call__(self, trace: Trace, _concessions: Concessions) -> None:
        trace.begin(Stage.TCP, 5)
        self.released.wait(10)


def test_no_series_is_no_observation() -> None:
    assert run() == ()


def test_nobodys_observation_is_lost_or_doubled() -> None:
    watcher = Listener()
    observations = run(*[series(quick, f"t{n}", attempts=20) for n in range(10)], watcher=watcher)
    names = [f"route/t{n}/{attempt}" for n in range(10) for attempt in range(1, 21)]
    assert sorted(observation.id for observation in observations) == sorted(names)
    assert sorted(observation.id for observation in watcher.finished) == sorted(names)
    assert len(watcher.stages) == len(names)


def test_series_run_at_the_same_time() -> None:
    begun = time.monotonic()
    run(*[series(taking(0.2), f"t{n}") for n in range(8)])
    assert time.monotonic() - begun < 0.2 * 3


def test_what_is_under_way_at_the_deadline_is_cut_off_and_said() -> None:
    hanging, watcher = Hanging(), Listener()
    begun = time.monotonic()
    observations = run(
        series(quick, "fast"), series(hanging, "slow", attempts=3), deadline_s=0.2, watcher=watcher
    )
    taken_s = time.monotonic() - begun
    hanging.released.set()
    assert taken_s < 0.2 + POLL_S + LATE_S
    said = {one.id: one.skip_reason or one.outcome for one in observations}
    assert said == {
        "route/fast/1": Outcome.PASSED,
        "route/slow/1": SkipReason.DEADLINE,
        "route/slow/2": SkipReason.DEADLINE,
        "route/slow/3": SkipReason.DEADLINE,
    }
    assert sorted(one.id for one in watcher.finished) == sorted(said)
    under_way = next(one for one in observations if one.id == "route/slow/1")
    assert under_way.stages[0].span
    assert under_way.stages[0].span.duration_s >= 0.15


def test_a_signal_is_noticed_soon() -> None:
    hanging, interrupted = Hanging(), threading.Event()
    timer = threading.Timer(0.1, interrupted.set)
    timer.start()
    begun = time.monotonic()
    (observation,) = run(series(hanging), interrupted=interrupted)
    taken_s = time.monotonic() - begun
    hanging.released.set()
    timer.join()
    assert observation.skip_reason is SkipReason.INTERRUPTED
    assert taken_s < 0.1 + POLL_S + LATE_S


def test_a_thread_that_hangs_does_not_hold_the_end() -> None:
    hanging = Hanging()
    before = set(threading.enumerate())
    run(series(hanging), deadline_s=0.05)
    left = set(threading.enumerate()) - before
    assert left
    assert all(thread.daemon for thread in left)
    hanging.released.set()
    for thread in left:
        thread.join(2)


def test_after_the_deadline_nothing_is_begun() -> None:
    def never(_trace: Trace, _concessions: Concessions) -> None:
        raise AssertionError("begun")

    watcher = Listener()
    observations = run(series(never, attempts=2), deadline_s=-1, watcher=watcher)
    assert [one.skip_reason for one in observations] == [SkipReason.DEADLINE] * 2
    assert watcher.finished == list(observations)


def holding(released: threading.Event, *, heeds: bool) -> Dial:
    """Holds something until it is cut off, and takes a moment to let go of it; or never does."""

    def dial(trace: Trace, _concessions: Concessions) -> None:
        trace.stopped.wait(10)
        time.sleep(0.2 if heeds else 10)
        released.set()

    return dial


def test_what_holds_something_gets_the_time_to_let_go_of_it() -> None:
    released = threading.Event()
    run(replace(series(holding(released, heeds=True)), release_s=5.0), deadline_s=0.1)
    assert released.is_set()


def test_what_does_not_let_go_in_its_time_is_left_behind() -> None:
    released = threading.Event()
    begun = time.monotonic()
    run(replace(series(holding(released, heeds=False)), release_s=0.3), deadline_s=0.1)
    assert time.monotonic() - begun < 3
    assert not released.is_set()


def test_what_ended_before_a_deadline_that_has_passed_is_kept_as_it_ended() -> None:
    observations = run(series(quick, attempts=2), deadline_s=-1)
    assert len(observations) == 2
    for observation in observations:
        assert (observation.skip_reason or observation.outcome) in {Outcome.PASSED, SkipReason.DEADLINE}


def test_a_failure_stays_a_failure_among_others() -> None:
    def refused(trace: Trace, _concessions: Concessions) -> None:
        trace.begin(Stage.TCP, 1)
        raise stage_failure(Failure.REFUSED, "no")

    observations = run(series(refused, "a"), series(quick, "b"))
    assert {one.target: one.outcome for one in observations} == {"a": Outcome.FAILED, "b": Outcome.PASSED}


def test_many_runs_cut_off_at_any_instant_lose_and_double_nothing() -> None:
    for milliseconds in range(0, 20, 2):
        watcher = Listener()
        observations = run(
            *[series(taking(0.001), f"t{n}", attempts=10) for n in range(3)],
            deadline_s=milliseconds / 1000,
            watcher=watcher,
        )
        ids = [observation.id for observation in observations]
        assert len(ids) == len(set(ids)) == 30
        assert sorted(one.id for one in watcher.finished) == sorted(ids)
