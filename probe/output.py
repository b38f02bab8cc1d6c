"""Where a run's answer goes: its metrics to Cloud Monitoring, its report to standard output."""

import datetime as dt
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import click

from probe.checks.concurrently import Nobody, Watcher
from probe.model.observation import Delivery
from probe.model.report import Report
from probe.settings import Settings

DELIVERY_AFTER_SIGNAL_S = 4.0
"""Cloud Run kills ten seconds after SIGTERM."""


def deliver(settings: Settings, report: Report) -> Delivery:
    """Write the metrics of a finished report to Cloud Monitoring. Never raises."""
    from probe.sinks.points import plain, series

    if not settings.monitoring.enabled:
        return Delivery()
    from probe.sinks.cloud_monitoring import write

    budget_s = settings.monitoring.budget_s
    points = series(report)
    ended = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    delivery = write(
        points,
        identity=report.identity,
        project=settings.project,
        location=settings.region,
        endpoint=settings.monitoring.endpoint,
        budget_s=min(budget_s, DELIVERY_AFTER_SIGNAL_S) if report.interrupted else budget_s,
    )
    return replace(delivery, undelivered=tuple(plain(points, ended))) if delivery.dropped else delivery


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

            click.echo(render(report), nl=False)
        elif form == "text":
            from probe.sinks import terminal

            terminal.write(report, sys.stdout)
        if form == "log" or (undelivered and not sys.stderr.isatty()):
            from probe.sinks import log

            log.write(report, sys.stdout if form == "log" else sys.stderr, undelivered)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; the exit code still tells
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
