"""A ramp against the sandbox's PostgreSQL, and what one may ask of the server meanwhile."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path as File
from typing import Any

from probe.checks import pool
from probe.checks.ramp.request import Request
from probe.checks.series import Sampling
from probe.dial import keys, tls
from probe.dial.admin_api import AdminApi
from probe.dial.credentials import Identity
from probe.dial.paths import Equipment
from probe.dial.redaction import Redaction
from probe.model.application import Application, Pool
from probe.model.observation import Observation
from probe.model.ramp import Ramp
from probe.model.target import Target, Timeouts
from probe.model.words import Check, Path
from probe.sandbox import staging
from probe.sandbox.environment import Environment

KEY = keys.generate()
PATIENT = Pool(hold_s=0.3, budget_s=60.0, slower_s=60.0, start_delay_s=20.0)
"""The machine is loaded: how late or slow the probe is says nothing here, unless a test wants it to."""
SETTLED_S = 12.0
"""The promise: whatever happens, every slot is free after so long."""
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'probe/%'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a sandbox is, for this process or another one."""

    host: str
    port: int
    socket_dir: str
    admin_endpoint: str
    password: str


def server(environment: Environment, **values: Any) -> Server:
    at: dict[str, Any] = {
        "host": environment.host,
        "port": environment.private_front.listener.port,
        "socket_dir": str(environment.socket_dir),
        "admin_endpoint": environment.admin_api.endpoint,
        "password": environment.password,
    }
    return Server(**at | values)


def request(environment: Environment, **values: Any) -> Request:
    return request_to(server(environment), **values)


def request_to(
    at: Server, *, run_id: str = "run", database: str = staging.DATABASE, password: str = "", **values: Any
) -> Request:
    target = Target(
        name="db",
        instance=staging.INSTANCE_NAME,
        private_ip=at.host,
        port=at.port,
        socket_dir=at.socket_dir,
        database=database,
        user=staging.ROLE,
    )
    identity = Identity(metadata_expected=False, redaction=Redaction())
    equipment = Equipment(
        timeouts=Timeouts(),
        admin_api=AdminApi(at.admin_endpoint, identity),
        key=lambda: KEY,
        run_id=run_id,
        password=password or at.password,
        private_context=tls.private_context(server_ca_pem=None),
    )
    defaults: dict[str, Any] = {
        "check": Check.POOL,
        "path": Path.PRIVATE_IP,
        "pool": PATIENT,
        "application": Application(),
    }
    return Request(
        target=target, equipment=equipment, sqladmin_endpoint=at.admin_endpoint, **defaults | values
    )


def ramped(asked: Request) -> tuple[Observation, Ramp]:
    """One whole ramp."""
    (observation,) = Sampling(pool.series(asked), origin_ns=time.monotonic_ns()).observe()
    assert isinstance(observation.result, Ramp), observation
    return observation, observation.result


class Ramping:
    """A ramp on a thread of its own, during which something happens."""

    def __init__(self, asked: Request, *, at_held: int) -> None:
        self.reached = threading.Event()
        """Set when it holds so many connections."""
        self.sampling = Sampling(
            pool.series(replace(asked, stepped=self._stepped)), origin_ns=time.monotonic_ns()
        )
        self.observations: list[Observation] = []
        self._at_held = at_held
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def await_reached(self) -> None:
        assert self.reached.wait(40), self.observations

    def end(self) -> tuple[Observation, Ramp]:
        self._thread.join(60)
        (observation,) = self.observations
        assert isinstance(observation.result, Ramp), observation
        return observation, observation.result

    def _stepped(self, _check: Check, _target: str, held: int, _free: int | None) -> None:
        if held >= self._at_held:
            self.reached.set()

    def _run(self) -> None:
        self.observations += self.sampling.observe()


def sessions_of_ours(environment: Environment) -> int:
    assert environment.postgres is not None
    return int(environment.postgres.execute(OURS)[0][0])


def await_none_of_ours(environment: Environment, within_s: float = SETTLED_S) -> float:
    """How long it took the server to be rid of our sessions."""
    begun = time.monotonic()
    while left := sessions_of_ours(environment):
        assert time.monotonic() - begun < within_s, f"{left} sessions are left after {within_s} s"
        time.sleep(0.02)
    return time.monotonic() - begun


@contextmanager
def altered(environment: Environment, begin: str, undo: str) -> Iterator[None]:
    assert environment.postgres is not None
    environment.postgres.execute(begin)
    try:
        yield
    finally:
        environment.postgres.execute(undo)


def load_pid() -> int:
    """The process id of the one load that this process has started."""
    found = [pid for pid in _children() if b"load" in _command_line(pid)]
    assert len(found) == 1, found
    return found[0]


def _children() -> set[int]:
    tasks = File(f"/proc/{os.getpid()}/task")
    return {int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()}


def _command_line(pid: int) -> list[bytes]:
    return File(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def once(act: Callable[[], object]) -> Callable[..., None]:
    """For ``stepped``: acts at the first step."""
    acted: list[bool] = []

    def stepped(*_state: object) -> None:
        if not acted:
            acted.append(True)
            act()

    return stepped
