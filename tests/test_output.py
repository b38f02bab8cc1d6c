"""The end of a run: metrics in time, whatever Cloud Monitoring does."""

import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from probe.model.words import Failure
from probe.output import DELIVERY_AFTER_SIGNAL_S, deliver
from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.monitoring import CloudMonitoring
from probe.settings import Monitoring, Settings, load
from tests.factories import healthy

MARGIN_S = 0.5


def settings_with(environment: Environment, **monitoring: object) -> Settings:
    settings = load(str(environment.settings_path), environment.environ)
    return replace(settings, monitoring=Monitoring(endpoint=environment.monitoring.address, **monitoring))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def settings() -> Settings:
    with sandbox(("server-down",)) as environment:
        return settings_with(environment, budget_s=20.0)


def to(stand_in: CloudMonitoring, settings: Settings) -> Settings:
    return replace(settings, monitoring=replace(settings.monitoring, endpoint=stand_in.address))


def test_a_delivery_takes_no_more_than_is_left_of_the_runs_deadline(settings: Settings) -> None:
    with CloudMonitoring(host="127.0.0.1", project="netra-staging", behaviour="silent") as silent:
        begun_s = time.monotonic()
        delivery = deliver(to(silent, settings), healthy(), 0.5, threading.Event())
    assert time.monotonic() - begun_s < 0.5 + MARGIN_S
    assert (delivery.failure, delivery.written) == (Failure.TIMEOUT, 0)


def test_a_signal_during_the_delivery_ends_it_in_time_and_nothing_is_lost(settings: Settings) -> None:
    interrupted = threading.Event()
    with CloudMonitoring(host="127.0.0.1", project="netra-staging", behaviour="silent") as silent:
        threading.Timer(0.2, interrupted.set).start()
        begun_s = time.monotonic()
        delivery = deliver(to(silent, settings), healthy(), 20.0, interrupted)
        took_s = time.monotonic() - begun_s
    assert took_s < 0.2 + DELIVERY_AFTER_SIGNAL_S + MARGIN_S
    assert delivery.dropped == len(delivery.undelivered) > 0


def test_a_run_whose_metrics_hang_tells_its_verdict_soon_after_sigterm() -> None:
    with sandbox(("monitoring-silent",)) as environment:
        text = environment.settings_path.read_text().replace("budget_s = 3.0", "budget_s = 20.0")
        environment.settings_path.write_text(text)
        command = [sys.executable, "-m", "probe", "run", "--format", "json", "--check", "configuration"]
        child = subprocess.Popen(
            [*command, "--config", str(environment.settings_path)],
            env=environment.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(2.0)
        child.send_signal(signal.SIGTERM)
        begun_s = time.monotonic()
        said, _ = child.communicate(timeout=30)
    assert time.monotonic() - begun_s < 9.0
    assert child.returncode == 128 + signal.SIGTERM
    assert json.loads(said)["verdict"] == "healthy"
