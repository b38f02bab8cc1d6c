import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.dial.clock import Deadline, Trace
from probe.model.facts import DnsFacts, ErrorFacts
from probe.model.words import Failure, Outcome, SkipReason, Stage

FACTS = DnsFacts(name="x")
ERROR = ErrorFacts(type="T", message="m")
KINDS = st.sampled_from(["begin", "skip", "learn", "finish"])
STEPS = st.lists(st.tuples(KINDS, st.sampled_from(list(Stage))), max_size=12)
ENDS = st.sampled_from(["fail", "crash", "finish"])


def played(steps: list[tuple[str, Stage]], end: str, *, origin_ns: int, budget_s: float) -> Trace:
    trace = Trace(origin_ns=origin_ns, budget_s=budget_s)
    for step, stage in steps:
        match step:
            case "begin":
                trace.begin(stage, 0.5)
            case "skip":
                trace.skip(stage, SkipReason.SWITCHED_OFF)
            case "learn":
                trace.learn(FACTS)
            case _:
                trace.finish()
    match end:
        case "fail":
            trace.fail(Failure.TIMEOUT, ERROR)
        case "crash":
            trace.crash(ERROR)
        case _:
            trace.finish()
    return trace


@given(steps=STEPS, end=ENDS)
def test_the_stages_tile_the_attempt_exactly(steps: list[tuple[str, Stage]], end: str) -> None:
    origin_ns = time.monotonic_ns() - 1000
    trace = played(steps, end, origin_ns=origin_ns, budget_s=10)
    spans = [record.span for record in trace.records() if record.span]
    edge = trace.started_ns - origin_ns
    for span in spans:
        assert span.started_ns == edge
        edge = span.ended_ns
        assert span.ended_ns >= span.started_ns
    whole = trace.span()
    if trace.records():
        assert (whole.started_ns, whole.ended_ns) == (trace.started_ns - origin_ns, edge)
        assert sum(span.duration_s for span in spans) == pytest.approx(whole.duration_s, abs=1e-9)


def test_an_attempt_without_stages_lasts_until_it_is_asked() -> None:
    trace = Trace(origin_ns=0, budget_s=10)
    time.sleep(0.02)
    first = trace.span().duration_s
    assert 0.02 <= first <= trace.span().duration_s


@given(steps=STEPS, end=ENDS)
def test_a_skipped_stage_has_no_span_and_a_measured_one_has(steps: list[tuple[str, Stage]], end: str) -> None:
    for record in played(steps, end, origin_ns=0, budget_s=10).records():
        assert (record.span is None) == (record.outcome is Outcome.SKIPPED)


@given(steps=STEPS, end=ENDS, budget_s=st.floats(0, 1))
def test_no_stage_is_allowed_more_than_the_connection_has_left(
    steps: list[tuple[str, Stage]], end: str, budget_s: float
) -> None:
    trace = played(steps, end, origin_ns=0, budget_s=budget_s)
    for record in trace.records():
        if record.span and record.budget_s is not None:
            used_s = (record.span.started_ns - trace.started_ns) / 1e9
            assert 0 <= record.budget_s <= min(0.5, max(0.0, budget_s - used_s)) + 1e-6


def test_the_deadline_of_a_stage_is_also_the_connections() -> None:
    trace = Trace(origin_ns=0, budget_s=0.2)
    assert trace.begin(Stage.TCP, 30).left_s() <= 0.2
    assert trace.begin(Stage.TLS, 0.1).left_s() <= 0.1


def test_a_stage_begun_again_goes_on_with_the_deadline_it_has() -> None:
    trace = Trace(origin_ns=0, budget_s=10)
    first = trace.begin(Stage.ADMIN_API, 1)
    assert trace.begin(Stage.ADMIN_API, 5) is first
    trace.finish()
    (record,) = trace.records()
    assert record.budget_s == 1


def test_a_used_up_connection_leaves_the_next_stage_nothing() -> None:
    trace = Trace(origin_ns=0, budget_s=0)
    with pytest.raises(TimeoutError):
        trace.begin(Stage.TCP, 1).left_s()


def test_a_deadline_counts_down_and_then_raises() -> None:
    assert 0.9 < Deadline.after(1).left_s() <= 1
    with pytest.raises(TimeoutError, match="used up"):
        Deadline.after(-0.001).left_s()


def test_the_open_stage_is_told_to_whoever_asks_with_the_time_it_had_so_far() -> None:
    trace = Trace(origin_ns=0, budget_s=10)
    trace.begin(Stage.DNS, 1)
    trace.begin(Stage.TCP, 1)
    trace.learn(FACTS)
    time.sleep(0.01)
    passed, under_way = trace.records()
    assert (passed.stage, passed.outcome) == (Stage.DNS, Outcome.PASSED)
    assert (under_way.stage, under_way.outcome, under_way.facts) == (Stage.TCP, Outcome.SKIPPED, FACTS)
    assert under_way.span
    assert under_way.span.duration_s >= 0.01
    assert trace.span().ended_ns >= under_way.span.ended_ns


def test_what_is_told_to_another_thread_is_whole_at_every_instant() -> None:
    trace, told = Trace(origin_ns=0, budget_s=60), []
    done = threading.Event()

    def listen() -> None:
        while not done.is_set():
            told.append(trace.records())

    listener = threading.Thread(target=listen)
    listener.start()
    for _ in range(50):
        time.sleep(0.0002)
        for stage in Stage:
            trace.begin(stage, 1)
        if trace.records()[-1].stage is not Stage.QUERY:
            break
        trace = Trace(origin_ns=0, budget_s=60)
    done.set()
    listener.join()
    order = list(Stage)
    for records in told:
        assert [record.stage for record in records] == order[: len(records)]


def test_whoever_watches_hears_of_each_stage_once() -> None:
    heard: list[Stage] = []
    trace = Trace(origin_ns=0, budget_s=1, begun=heard.append)
    for stage in (Stage.TCP, Stage.TCP, Stage.TLS):
        trace.begin(stage, 1)
    assert heard == [Stage.TCP, Stage.TLS]


def test_what_is_learned_between_stages_is_nobodys() -> None:
    trace = Trace(origin_ns=0, budget_s=1)
    trace.learn(FACTS)
    assert trace.records() == ()
