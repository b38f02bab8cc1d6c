"""Where a run's answer goes: its metrics to Cloud Monitoring, its report to standard output."""

import contextlib
import datetime as dt
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from probe.checks.concurrently import POLL_S, Nobody, Watcher
from probe.model.facts import ErrorFacts
from probe.model.observation import Delivery
from probe.model.report import Report
from probe.model.words import Failure
from probe.settings import Settings
from probe.streams import give_up_stdout

if TYPE_CHECKING:
    from probe.sinks.points import Series

DELIVERY_AFTER_SIGNAL_S = 4.0
"""Cloud Run kills ten seconds after SIGTERM."""


def deliver(settings: Settings, report: Report, left_s: float, interrupted: threading.Event) -> Delivery:
    """Write the metrics of a finished report to Cloud Monitoring. Never raises.

    Ends within the sink's budget, ``left_s`` of the run's deadline, and a few seconds after a signal.
    """
    from probe.sinks.points import plain, series

    if not settings.monitoring.enabled:
        return Delivery()
    points = series(report)
    ended = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    budget_s = min(settings.monitoring.budget_s, left_s)
    delivery = _until_signalled(lambda: _write(settings, report, points, budget_s), interrupted)
    if delivery is None:
        message = "given up after a signal"
        error = ErrorFacts(type="probe", message=message)
        delivery = Delivery(dropped=len(points), failure=Failure.TIMEOUT, error=error)
    return replace(delivery, undelivered=tuple(plain(points, ended))) if delivery.dropped else delivery


def _write(settings: Settings, report: Report, points: "list[Series]", budget_s: float) -> Delivery:
    from probe.sinks.cloud_monitoring import write

    return write(
        points,
        identity=report.identity,
        project=settings.project,
        location=settings.region,
        endpoint=settings.monitoring.endpoint,
        budget_s=budget_s,
    )


def _until_signalled(work: Callable[[], Delivery], interrupted: threading.Event) -> Delivery | None:
    """The work's result; None where a signal has come and it still goes on a few seconds later.

    It runs on a thread that is left behind then: gRPC cannot be interrupted from outside.
    """
    answer: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
    threading.Thread(target=lambda: answer.put(work()), daemon=True, name="delivery").start()
    signalled_at_s: float | None = None
    while signalled_at_s is None or time.monotonic() < signalled_at_s + DELIVERY_AFTER_SIGNAL_S:
        if interrupted.is_set() and signalled_at_s is None:
            signalled_at_s = time.monotonic()
        with contextlib.suppress(queue.Empty):
            return answer.get(timeout=POLL_S)
    return None


def watcher(form: str) -> AbstractContextManager[Watcher]:
    """Who shows a run while it goes on: a terminal that is read by a person, else nobody."""
    if form != "text" or not sys.stderr.isatty():
        return nullcontext(Nobody())
    from probe.sinks.progress import Progress

    return Progress(sys.stderr)


def tell(report: Report, form: str) -> None:
    """Write the report to standard output in this form; undelivered metrics go to the log, whole."""
    undelivered = report.delivery.undelivered
    try:
        if form == "json":
            from probe.sinks.document import render

            sys.stdout.write(render(report))
        elif form == "text":
            from probe.sinks import terminal

            terminal.write(report, sys.stdout)
        if form == "log" or (undelivered and not sys.stderr.isatty()):
            from probe.sinks import log

            log.write(report, sys.stdout if form == "log" else sys.stderr, undelivered)
        sys.stdout.flush()
    except OSError as error:  # the exit code still tells
        give_up_stdout(error)
