import threading
import time

import pytest

from probe.dial.bounded import MAX_CALLS, bounded
from probe.dial.clock import Deadline
from tests.dial.peers import BUDGET_S, bounded_by


def test_the_result_comes_back() -> None:
    assert bounded(lambda: 42, Deadline.after(1)) == 42


def test_the_calls_own_exception_comes_back() -> None:
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 / 0, Deadline.after(1))


def test_even_an_exit_inside_the_call_comes_back() -> None:
    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        bounded(leave, Deadline.after(1))


def test_a_call_that_hangs_is_left_behind_at_the_deadline_and_told() -> None:
    released, told = threading.Event(), threading.Event()
    with bounded_by(BUDGET_S), pytest.raises(TimeoutError, match="no answer within the budget"):
        bounded(released.wait, Deadline.after(BUDGET_S), abandon=told.set)
    assert told.is_set()
    released.set()


def test_a_call_that_hangs_does_not_keep_the_process() -> None:
    released = threading.Event()
    with pytest.raises(TimeoutError):
        bounded(released.wait, Deadline.after(0.01))
    assert all(t.daemon for t in threading.enumerate() if t.name == "bounded")
    released.set()


def test_a_used_up_budget_starts_no_call() -> None:
    called = threading.Event()
    with pytest.raises(TimeoutError):
        bounded(called.set, Deadline.after(-1))
    assert not called.is_set()


def test_calls_left_behind_are_bounded_in_number_and_too_many_are_our_own_fault() -> None:
    released = threading.Event()
    deadline = Deadline.after(0.05)
    callers = [threading.Thread(target=_ignore_timeout, args=(released, deadline)) for _ in range(MAX_CALLS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    with bounded_by(0.2), pytest.raises(RuntimeError, match="64 calls of the probe hang already"):
        bounded(lambda: 1, Deadline.after(0.2))
    released.set()
    assert bounded(lambda: 1, Deadline.after(2)) == 1


def _ignore_timeout(released: threading.Event, deadline: Deadline) -> None:
    # A slow machine may use the deadline up before its call begins: then with one of its own.
    while True:
        try:
            bounded(released.wait, deadline)
        except TimeoutError as error:
            if "within" in str(error):
                return
            deadline = Deadline.after(0.05)


def test_places_are_given_back() -> None:
    for _ in range(2 * MAX_CALLS):
        bounded(time.monotonic, Deadline.after(1))
