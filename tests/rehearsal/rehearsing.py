"""Rehearsals for tests: in this process where one phase is looked at, in a child where the whole is."""

import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from probe.checks import startup
from probe.checks.concurrently import Nobody, observe
from probe.checks.series import Series
from probe.dial.clock import Deadline
from probe.model.application import Application, Phase, PhaseKind, Startup
from probe.model.observation import Observation
from probe.model.rehearsal import PhaseRecord, Rehearsal
from probe.model.target import Target, Timeouts
from probe.model.words import Path
from probe.rehearsal.account import Account
from probe.rehearsal.act import Act
from probe.rehearsal.kit import assemble
from probe.rehearsal.messages import Reporter, decode
from probe.rehearsal.phases import PHASES
from probe.rehearsal.request import StartupRequest
from probe.sandbox.environment import Environment
from probe.settings import load

PASSWORD = "correct-horse-battery"
CACHE_PASSWORD = "staple-of-the-cache"
LONG_S = 30.0
START_DELAY_S = 5.0
"""These tests share their machine: a child is late there without being broken."""


def request(**values: Any) -> StartupRequest:
    """A start-up over the private_ip path to nobody, of whose seven phases nothing is configured."""
    defaults: dict[str, Any] = {
        "target": Target(
            name="db", instance="p:r:i", private_ip="127.0.0.1", port=9, tls="disable", user="probe"
        ),
        "path": Path.PRIVATE_IP,
        "application": Application(environment="test"),
        "startup": Startup(),
        "timeouts": Timeouts(),
        "password": PASSWORD,
        "cache_password": None,
        "sqladmin_endpoint": "http://127.0.0.1:9",
        "metadata_expected": False,
        "run_id": "run",
    }
    return StartupRequest(**(defaults | values))


def sandbox_request(environment: Environment, **values: Any) -> StartupRequest:
    """The start-up that the sandbox's settings file describes."""
    settings = load(str(environment.settings_path), environment.environ)
    found: dict[str, Any] = {
        "target": settings.application_target,
        "path": settings.application_path,
        "application": settings.application,
        "startup": settings.startup,
        "timeouts": settings.timeouts,
        "password": environment.password,
        "cache_password": settings.cache_password.reveal() if settings.cache_password else None,
        "sqladmin_endpoint": settings.sqladmin.endpoint,
        "metadata_expected": settings.cloud_run.metadata_expected,
    }
    return request(**(found | values))


def patient(asked: StartupRequest) -> StartupRequest:
    """The same with budgets that a loaded machine keeps."""
    generous = tuple(replace(phase, budget_s=LONG_S) for phase in asked.phases)
    application = replace(asked.application, initialization_timeout_s=LONG_S, table_setup_timeout_s=LONG_S)
    timeouts = replace(asked.timeouts, admin_api_s=LONG_S)
    return replace(
        asked, startup=replace(asked.startup, phases=generous), application=application, timeouts=timeouts
    )


def phase(kind: PhaseKind, budget_s: float = LONG_S, *, required: bool = True) -> Phase:
    return Phase(name=str(kind), does=kind, budget_s=budget_s, required=required)


class Silent(Reporter):
    """A reporter that does not beat: this process goes on."""

    def start_beating(self) -> None:
        pass


def told(asked: StartupRequest, tell: Callable[[Reporter], object]) -> Rehearsal:
    """What the parent makes of what the child's side reports, in this process."""
    with tempfile.TemporaryFile() as file:
        spawned_ns = time.monotonic_ns()
        tell(Silent(file.fileno()))
        file.seek(0)
        account = Account(asked.phases, origin_ns=spawned_ns, spawned_ns=spawned_ns, start_delay_s=LONG_S)
        for line in file:
            account.hear(decode(line))
    return account.rehearsal(time.monotonic_ns())


def alone(kind: PhaseKind, asked: StartupRequest, budget_s: float = LONG_S) -> PhaseRecord:
    """One phase by itself, in this process."""
    only = phase(kind, budget_s)
    asked = replace(asked, startup=replace(asked.startup, phases=(only,)))
    kit = assemble(asked)
    (record,) = told(asked, lambda reporter: Act(kit, only, reporter).play(PHASES[kind])).phases
    return record


def series(asked: StartupRequest, **values: Any) -> Series:
    (one,) = startup.series(asked, **({"start_delay_s": START_DELAY_S} | values))
    return one


def in_child(
    asked: StartupRequest,
    *,
    interrupted: threading.Event | None = None,
    deadline_s: float = 60.0,
    **values: Any,
) -> Observation:
    """The whole rehearsal, as a run makes it."""
    (observation,) = observe(
        [series(asked, **values)],
        origin_ns=time.monotonic_ns(),
        deadline=Deadline.after(deadline_s),
        interrupted=interrupted or threading.Event(),
        watcher=Nobody(),
    )
    return observation


def rehearsal(observation: Observation) -> Rehearsal:
    assert isinstance(observation.result, Rehearsal), observation
    return observation.result


def record(found: Rehearsal, kind: PhaseKind) -> PhaseRecord:
    return next(phase for phase in found.phases if phase.kind is kind)


def children() -> list[int]:
    """The processes that this one has started and not yet reaped: rehearsals among them."""
    names = os.listdir("/proc")  # noqa: PTH208 - names are what is wanted
    return [int(name) for name in names if name.isdigit() and _is_rehearsal(name)]


def _is_rehearsal(name: str) -> bool:
    try:
        with open(f"/proc/{name}/stat", encoding="utf-8") as stat:  # noqa: PTH123
            parent = int(stat.read().rpartition(")")[2].split()[1])
        with open(f"/proc/{name}/cmdline", "rb") as command:  # noqa: PTH123
            return parent == os.getpid() and b"probe.rehearsal" in command.read()
    except OSError:
        return False
