"""What the probe costs, against a plain script that does the same: interleaved runs, medians and ratios.

``make bench`` prints it. The two run in turn on one sandbox, so that the machine's mood hits both. Then the
same for the pool: as many connections opened by the check's load and by a bare thread pool.
"""

import itertools
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from probe.dial.clock import Deadline
from probe.dial.parameters import LET_GO_S, Known, Purpose
from probe.model import words
from probe.model.target import Target
from probe.rehearsal.child import Child
from probe.rehearsal.load_request import LoadRequest
from probe.rehearsal.way import WayIn
from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.settings_file import Pace
from probe.sandbox.staging import DATABASE, INSTANCE_NAME, ROLE

HERE = Path(__file__).parent / "benchmarks"
RUNS = int(os.environ.get("BENCH_RUNS", "15"))
PYTHON = sys.executable


class Cost(NamedTuple):
    """One run of one command."""

    wall_s: float
    peak_mb: float
    first_byte_s: float


TARGETS = Cost(wall_s=0.9, peak_mb=0.9, first_byte_s=0.6)
"""The most that the probe may cost, as a share of the plain script."""


CONNECTIONS = (35, 55)
POOL_RUNS = int(os.environ.get("BENCH_POOL_RUNS", "7"))
POOL_TARGET = 1.3

numbers = itertools.count()
"""A task of its own for each run: Cloud Monitoring takes a series' points five seconds apart."""


def measure(command: Sequence[str], environ: Mapping[str, str]) -> tuple[float, float, str]:
    """Wall time in seconds, peak memory in MB, standard error."""
    environ = {**environ, "CLOUD_RUN_TASK_INDEX": str(next(numbers))}
    begun = time.monotonic()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {said}")
    return time.monotonic() - begun, usage.ru_maxrss / 1024, said


def cost(arguments: Sequence[str], environ: Mapping[str, str]) -> Cost:
    wall_s, peak_mb, _said = measure([PYTHON, *arguments], environ)
    module = arguments[1:] if arguments[0] == "-m" else arguments
    _wall, _peak, said = measure([PYTHON, str(HERE / "first_byte.py"), *module], environ)
    return Cost(wall_s, peak_mb, float(said.split("first-byte ")[1].split()[0]))


def over_the_connector_alone(settings_path: Path) -> Path:
    """The sandbox's settings with the one path that the plain script takes."""
    text = re.sub(r"^paths = .*$", 'paths = ["connector"]', settings_path.read_text(), flags=re.MULTILINE)
    alone = settings_path.with_name("connector.toml")
    alone.write_text(text)
    return alone


def environ_of(environment: Environment) -> dict[str, str]:
    return {
        **environment.environ,
        "BENCH_ADMIN_API": environment.admin_api.endpoint,
        "BENCH_MONITORING": environment.monitoring.address,
        "BENCH_INSTANCE": "netra-staging:us-central1:staging-shared-postgres",
    }


def load_request(environment: Environment, count: int) -> LoadRequest:
    """As the check would ask it: the application's pool over PostgreSQL's own port, with TLS."""
    target = Target(
        name="staging-db",
        instance=INSTANCE_NAME,
        private_ip=environment.host,
        port=environment.private_front.listener.port,
        database=DATABASE,
        user=ROLE,
    )
    way = WayIn(
        target=target,
        path=words.Path.PRIVATE_IP,
        run_id="bench",
        purpose=Purpose(statement_s=5.0, idle_s=LET_GO_S),
        password=environment.password,
        host=environment.host,
        connector_wait_s=30.0,
        sqladmin_endpoint=environment.admin_api.endpoint,
    )
    return LoadRequest(
        way=way,
        known=Known.ALL,
        pools=1,
        pool_size=count,
        max_overflow=0,
        wait_s=30.0,
        recycle_s=1800.0,
        pre_ping=True,
        first_query=False,
        metadata_expected=False,
    )


def pool_cost_s(environment: Environment, count: int) -> float:
    """From the intended instant to the last connection; the child's own start is not in it."""
    never = threading.Event()
    with Child("load", load_request(environment, count)) as child:
        events = child.events(Deadline.after(60.0), never)
        next(event for event in events if event and event.kind == "ready")
        asked_ns = time.monotonic_ns()
        workers = list(range(count))
        child.send({"do": "open", "workers": workers, "step": 1, "intended_ns": asked_ns, "allowed": count})
        ended = (event for event in events if event and event.kind == "ended")
        acquired = list(itertools.islice(ended, count))
        if {event.fields["outcome"] for event in acquired} != {"acquired"}:
            raise SystemExit(f"the load failed: {acquired}")
        finished_ns: list[int] = [event.fields["finished_ns"] for event in acquired]
        return (max(finished_ns) - asked_ns) / 1e9


def bare_cost_s(environment: Environment, count: int) -> float:
    environ = {
        **environment.environ,
        "BENCH_HOST": environment.host,
        "BENCH_PORT": str(environment.private_front.listener.port),
    }
    command = [PYTHON, str(HERE / "bare_pool.py"), str(count)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
    return float(done.stdout)


def settled(environment: Environment) -> None:
    """Wait until the server has let go of the connections of the run before."""
    assert environment.postgres is not None
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'netra'"
    while environment.postgres.execute(count)[0][0]:
        time.sleep(0.05)


def pools() -> None:
    """The load of the pool check against a bare thread pool."""
    with sandbox((), pace=Pace(samples=1, confirm_after_s=0.0)) as environment:
        server = environment.postgres
        assert server is not None
        server.execute("ALTER SYSTEM SET max_connections = 100")
        server.stop()
        server.start()
        server.await_ready()
        print(f"\nConnections opened by a pool and by bare threads, {POOL_RUNS} interleaved pairs\n")
        print(f"{'':<14}{'probe':>10}{'plain':>10}{'ratio':>8}{'at most':>9}")
        for count in CONNECTIONS:
            pairs = []
            for _ in range(POOL_RUNS + 1):
                settled(environment)
                ours_s = pool_cost_s(environment, count)
                settled(environment)
                pairs.append((ours_s, bare_cost_s(environment, count)))
            row(f"{count} at once", pairs[1:], POOL_TARGET)  # the first pair warms up


def main() -> None:
    with sandbox((), pace=Pace(samples=1, confirm_after_s=0.0)) as environment:
        environ = environ_of(environment)
        settings = over_the_connector_alone(environment.settings_path)
        probe = ["-m", "probe", "run", "--check", "cloudsql", "--config", str(settings)]
        environ["PROBE_FORMAT"] = "log"
        plain = [str(HERE / "plain_script.py")]
        cost(probe, environ), cost(plain, environ)  # warm-up: bytecode and the page cache
        pairs = [(cost(probe, environ), cost(plain, environ)) for _ in range(RUNS)]
    report(pairs)


def report(pairs: Sequence[tuple[Cost, Cost]]) -> None:
    print(f"A healthy run over the connector path against a plain script, {len(pairs)} interleaved pairs\n")
    print(f"{'':<14}{'probe':>10}{'plain':>10}{'ratio':>8}{'at most':>9}")
    for name in Cost._fields:
        ours = [(getattr(probe, name), getattr(plain, name)) for probe, plain in pairs]
        row(name, ours, getattr(TARGETS, name))


def row(name: str, pairs: Sequence[tuple[float, float]], target: float) -> None:
    """Medians of both, and of the ratios within each pair."""
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    ours, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
    verdict = "" if ratio <= target else "  missed"
    print(f"{name:<14}{ours:>10.3f}{theirs:>10.3f}{ratio:>8.2f}{target:>9.2f}{verdict}")


if __name__ == "__main__":
    main()
    pools()
