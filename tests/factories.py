"""Small makers of reports, so that a test says only what matters to it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from probe.diagnosis.question import Question
from probe.model.application import PHASES, Application, PhaseKind
from probe.model.cause import Cause
from probe.model.facts import (
    AdminApiFacts,
    CertificateFacts,
    EgressFacts,
    ErrorFacts,
    LoginFacts,
    ProxyFacts,
    QueryFacts,
    StageFacts,
    TcpFacts,
    TlsFacts,
)
from probe.model.observation import Delivery, Observation, StageRecord
from probe.model.ramp import (
    Acquisition,
    AcquisitionOutcome,
    Canary,
    Headroom,
    Limits,
    Ramp,
    RampStep,
    Saturation,
    StopReason,
)
from probe.model.rehearsal import PhaseOutcome, PhaseRecord, Rehearsal, Step
from probe.model.report import ChainLink, Finding, Link, LinkState, Report, RunIdentity
from probe.model.span import Span
from probe.model.target import Neighbour, Target, Thresholds
from probe.model.words import (
    Category,
    Check,
    Failure,
    Layer,
    Outcome,
    Path,
    Severity,
    SkipReason,
    Stage,
    Verdict,
)

FACTS: dict[Stage, StageFacts] = {
    Stage.ADMIN_API: AdminApiFacts(
        endpoint="https://sqladmin.googleapis.com",
        token_s=0.031,
        http_status=200,
        region="us-central1",
        database_version="POSTGRES_15",
        address_types=("PRIVATE",),
    ),
    Stage.CERTIFICATE: CertificateFacts(http_status=200, expires_at="2026-11-21T03:00:00Z"),
    Stage.TCP: TcpFacts(address="10.20.1.3:3307", rtt_s=0.0011, retransmissions=0),
    Stage.TLS: TlsFacts(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384"),
    Stage.PROXY: ProxyFacts(answer="N"),
    Stage.LOGIN: LoginFacts(user="probe", database="netra", server_version="15.8", backend_pid=4711),
    Stage.QUERY: QueryFacts(statement="SELECT 1"),
}
SECONDS = {
    Stage.ADMIN_API: 0.212,
    Stage.CERTIFICATE: 0.168,
    Stage.TCP: 0.0013,
    Stage.TLS: 0.0049,
    Stage.PROXY: 0.0012,
    Stage.LOGIN: 0.0084,
    Stage.QUERY: 0.0011,
}


def stage(
    name: Stage, started_s: float, seconds: float, failure: Failure | None = None, **more: Any
) -> StageRecord:
    outcome = Outcome.PASSED if failure is None else Outcome.FAILED
    more = {"facts": FACTS.get(name), "outcome": outcome} | more
    return StageRecord(stage=name, failure=failure, span=span(started_s, seconds), **more)


def span(started_s: float, seconds: float) -> Span:
    return Span(started_ns=round(started_s * 1e9), ended_ns=round((started_s + seconds) * 1e9))


def skipped(name: Stage, reason: SkipReason = SkipReason.EARLIER_STAGE_FAILED) -> StageRecord:
    return StageRecord(stage=name, outcome=Outcome.SKIPPED, skip_reason=reason)


def connection(
    number: int,
    *,
    started_s: float = 0.0,
    failing: Stage | None = None,
    failure: Failure = Failure.TIMEOUT,
    failing_s: float = 30.0,
    error: ErrorFacts | None = None,
    **more: Any,
) -> Observation:
    """An attempt of ``cloudsql`` over the connector path, whole or broken off at ``failing``."""
    stages, at_s, broken = [], started_s, False
    for name in Stage:
        if broken:
            stages.append(skipped(name))
        elif name is Stage.DNS:
            stages.append(skipped(name, SkipReason.LITERAL_ADDRESS))
        elif name is failing:
            broken = True
            stages.append(stage(name, at_s, failing_s, failure, budget_s=30.0, error=error))
            at_s += failing_s
        else:
            stages.append(stage(name, at_s, SECONDS[name]))
            at_s += SECONDS[name]
    fixed: dict[str, Any] = {
        "id": f"o{number}",
        "check": Check.CLOUDSQL,
        "target": "staging-db",
        "path": Path.CONNECTOR,
        "attempt": number,
        "outcome": Outcome.FAILED if broken else Outcome.PASSED,
        "failure": failure if broken else None,
        "span": span(started_s, at_s - started_s),
        "endpoint": "10.20.1.3:3307",
        "stages": tuple(stages),
        "error": None if broken else error,
    }
    return Observation(**fixed | more)


def route(
    identifier: str, target: str, endpoint: str, failure: Failure | None = None, **more: Any
) -> Observation:
    """An attempt of ``route`` at an endpoint."""
    seconds = 0.0012 if failure is None else 30.0
    facts = TcpFacts(address=endpoint, rtt_s=0.0009 if failure is None else None, retransmissions=0)
    fixed: dict[str, Any] = {
        "id": identifier,
        "check": Check.ROUTE,
        "target": target,
        "outcome": Outcome.PASSED if failure is None else Outcome.FAILED,
        "failure": failure,
        "span": span(0.0, seconds),
        "endpoint": endpoint,
        "stages": (stage(Stage.TCP, 0.0, seconds, failure, facts=facts, budget_s=30.0),),
    }
    return Observation(**fixed | more)


def configuration() -> Observation:
    return Observation(
        id="configuration",
        check=Check.CONFIGURATION,
        target="application",
        outcome=Outcome.PASSED,
        span=span(0.0, 0.0001),
        result=Application(),
    )


def finding(identifier: str = "f1", **more: Any) -> Finding:
    fixed: dict[str, Any] = {
        "id": identifier,
        "cause": Cause.ENDPOINT_SILENT,
        "category": Category.DATABASE_TIMEOUT,
        "layer": Layer.ENDPOINT,
        "severity": Severity.CRITICAL,
        "target": "staging-db",
        "path": Path.CONNECTOR,
        "summary": "10.20.1.3:3307 answered no SYN for 30 s, while cache answered in 0.9 ms.",
        "action": "Check the instance's private address and its firewall rules.",
        "escalate": True,
        "evidence": ("o1", "o2"),
    }
    return Finding(**fixed | more)


def report(
    observations: Iterable[Observation] = (),
    findings: Iterable[Finding] = (),
    verdict: Verdict = Verdict.HEALTHY,
    **more: Any,
) -> Report:
    identity = RunIdentity(
        id="20261121T020638-ab12",
        started_at="2026-11-21T02:06:38Z",
        profile="scheduled",
        checks=tuple(check.value for check in Check),
        project="netra-staging",
        region="us-central1",
        version="0.1.0",
    )
    fixed: dict[str, Any] = {
        "identity": identity,
        "duration_s": 8.4172,
        "verdict": verdict,
        "targets": (("staging-db", verdict),),
        "headline": f"staging-db is {verdict}.",
        "findings": tuple(findings),
        "observations": tuple(observations),
        "delivery": Delivery(written=124),
    }
    return Report(**fixed | more)


def healthy() -> Report:
    """Two connections, a route to each endpoint, the configuration."""
    return report(
        [
            configuration(),
            route("r1", "staging-db", "10.20.1.3:3307"),
            route("r2", "cache", "10.20.1.4:6379"),
            connection(1),
            connection(2, started_s=2.0),
        ],
        headline="staging-db is healthy: 2 of 2 connections in 0.40 s on average.",
    )


def blackhole() -> Report:
    """The endpoint is silent, its neighbour answers."""
    return report(
        [
            route("r1", "staging-db", "10.20.1.3:3307", Failure.TIMEOUT),
            route("r2", "cache", "10.20.1.4:6379"),
            connection(1, failing=Stage.TCP, error=ErrorFacts(type="TimeoutError", message="timed out")),
            connection(2, started_s=31.0, failing=Stage.TCP),
            connection(3, started_s=62.0, confirmation=True, failing=Stage.TCP),
            Observation(
                id="o4",
                check=Check.CLOUDSQL,
                target="staging-db",
                path=Path.SOCKET,
                outcome=Outcome.SKIPPED,
                skip_reason=SkipReason.REPEATED_FAILURE,
                span=span(95.0, 0.0),
            ),
        ],
        [finding()],
        Verdict.DOWN,
        headline="staging-db is down: 10.20.1.3:3307 is silent, while its neighbour answers.",
    )


def several_findings() -> Report:
    """A cause with its consequence, and advice."""
    base = blackhole()
    consequence = finding("f2", path=Path.PRIVATE_IP, consequence_of="f1", summary="The same over 5432.")
    advice = finding(
        "f3",
        cause=Cause.POOL_EXCEEDS_LIMIT,
        category=Category.CONFIGURATION_ERROR,
        layer=Layer.CONFIGURATION,
        severity=Severity.WARNING,
        target="application",
        path=None,
        summary="pool_size 10 + max_overflow 15 = 25 connections, but the limit is 17.6.",
        action="Reduce the pool.",
        escalate=False,
        evidence=("configuration",),
    )
    delivery = Delivery(written=0, dropped=124, failure=Failure.TIMEOUT)
    return report(
        [configuration(), *base.observations],
        [advice, finding(), consequence],
        Verdict.DOWN,
        headline=base.headline,
        delivery=delivery,
        interrupted=True,
    )


STAGES: dict[Path | None, tuple[Stage, ...]] = {
    Path.CONNECTOR: tuple(name for name in Stage if name is not Stage.DNS),
    Path.PRIVATE_IP: (Stage.TCP, Stage.TLS, Stage.LOGIN, Stage.QUERY),
    Path.SOCKET: (Stage.TCP, Stage.LOGIN, Stage.QUERY),
    None: (Stage.TCP,),
}
ENDPOINTS: dict[Path | None, str] = {
    Path.CONNECTOR: "10.20.1.3:3307",
    Path.PRIVATE_IP: "10.20.1.3:5432",
    Path.SOCKET: "/cloudsql/p:r:i/.s.PGSQL.5432",
    None: "10.20.1.4:6379",
}
NEIGHBOURS = (Neighbour(name="cache", address="10.20.1.4:6379"),)
STARTED_AT = "2026-11-21T02:06:38.000+00:00"

End = tuple[Stage, Failure] | Outcome | SkipReason
"""How an attempt ended: at a stage, passed or crashed, or why it was skipped."""
PASSED = Outcome.PASSED


def target(name: str = "staging-db", *paths: Path, **more: Any) -> Target:
    return Target(**{"name": name, "instance": "p:r:i", "paths": paths or (Path.CONNECTOR,)} | more)


def question(*targets: Target, **more: Any) -> Question:
    fixed: dict[str, Any] = {
        "targets": targets or (target(),),
        "thresholds": Thresholds(),
        "connection_s": 35.0,
        "started_at": STARTED_AT,
    }
    return Question(**fixed | more)


def attempts(
    path: Path | None,
    *ends: End,
    of: str = "staging-db",
    check: Check = Check.CLOUDSQL,
    confirmation: bool = False,
    facts: Mapping[Stage, StageFacts] | None = None,
    error: ErrorFacts | None = None,
    seconds: float = 0.01,
    insists: bool = False,
    **more: Any,
) -> list[Observation]:
    """One attempt for each end, in order; every stage that was reached took ``seconds``.

    After a reset in the stage ``proxy`` the attempts do without that stage, as real ones do, unless the
    target ``insists`` on it.
    """
    names = STAGES[path] if check is Check.CLOUDSQL else (Stage.TCP,)
    left_out: tuple[StageRecord, ...] = ()
    again = "again/" if confirmation else ""
    observations = []
    for number, end in enumerate(ends, start=1):
        stages = _stages(names, end, facts or {}, error, seconds)
        fixed: dict[str, Any] = {
            "id": f"{check}/{of}/{path}/{again}{number}",
            "check": check,
            "target": of,
            "path": path,
            "attempt": number,
            "confirmation": confirmation,
            "outcome": _outcome(end),
            "failure": end[1] if isinstance(end, tuple) else None,
            "skip_reason": end if isinstance(end, SkipReason) else None,
            "span": span(0.0, seconds * len(stages)),
            "endpoint": ENDPOINTS[path],
            "stages": stages + left_out if stages else (),
            "error": error if end is Outcome.CRASHED else None,
        }
        observations.append(Observation(**fixed | more))
        if end == (Stage.PROXY, Failure.RESET) and not insists:
            names = tuple(name for name in names if name is not Stage.PROXY)
            left_out = (skipped(Stage.PROXY, SkipReason.SWITCHED_OFF),)
    return observations


def _outcome(end: End) -> Outcome:
    if isinstance(end, tuple):
        return Outcome.FAILED
    return end if isinstance(end, Outcome) else Outcome.SKIPPED


def _stages(
    names: tuple[Stage, ...],
    end: End,
    facts: Mapping[Stage, StageFacts],
    error: ErrorFacts | None,
    seconds: float,
) -> tuple[StageRecord, ...]:
    failing, failure = end if isinstance(end, tuple) else (None, None)
    if failing is None and end is not PASSED:
        return ()
    stages = []
    for name in names if failing is None or failing in names else (failing,):
        failed = failure if name is failing else None
        more: dict[str, Any] = {"facts": facts.get(name), "error": error if failed else None}
        stages.append(stage(name, 0.0, seconds, failed, **more))
        if failed:
            break
    return tuple(stages)


def egress(wait_s: float, *addresses: str, answered: bool = True) -> Observation:
    """The wait for the first outbound connection; the one address that answered, or all that did not."""
    facts = EgressFacts(address=", ".join(addresses), attempts=3, wait_s=wait_s if answered else None)
    failure = None if answered else Failure.TIMEOUT
    return Observation(
        id="egress/egress/1",
        check=Check.EGRESS,
        target="egress",
        outcome=Outcome.PASSED if answered else Outcome.FAILED,
        failure=failure,
        span=span(0.0, wait_s),
        stages=(stage(Stage.TCP, 0.0, wait_s, failure, facts=facts),),
    )


PHASE_SECONDS = {
    PhaseKind.INIT: 0.0012,
    PhaseKind.DEPENDENCIES: 0.41,
    PhaseKind.DATABASE: 0.72,
    PhaseKind.CACHE: 0.004,
    PhaseKind.SERVICES: 0.08,
    PhaseKind.WEBSOCKET: 0.05,
    PhaseKind.FINALIZE: 0.03,
}
DATABASE_STEPS = (("connect", 0.9, 75.0), ("first_query", 0.04, 75.0), ("schema_check", 0.06, 25.0))
"""Name, share of the phase's time, budget in seconds."""


def phase(
    kind: PhaseKind,
    started_s: float = 0.0,
    seconds: float | None = None,
    outcome: PhaseOutcome = PhaseOutcome.COMPLETED,
    **more: Any,
) -> PhaseRecord:
    """A phase of the contract; one that was blocked or skipped has no span."""
    setting = next(item for item in PHASES if item.does is kind)
    begun = outcome not in (PhaseOutcome.BLOCKED, PhaseOutcome.SKIPPED)
    took_s = PHASE_SECONDS[kind] if seconds is None else seconds
    fixed: dict[str, Any] = {
        "name": setting.name,
        "kind": kind,
        "outcome": outcome,
        "budget_s": setting.budget_s,
        "span": span(started_s, took_s) if begun else None,
    }
    return PhaseRecord(**fixed | more)


def database_steps(started_s: float, seconds: float, failure: Failure | None = None) -> tuple[Step, ...]:
    """All three of phase 3, or the connect alone where that failed."""
    if failure is not None:
        connect = span(started_s, seconds)
        return (Step(name="connect", span=connect, budget_s=75.0, failure=failure),)
    steps, at_s = [], started_s
    for name, share, budget_s in DATABASE_STEPS:
        steps.append(Step(name=name, span=span(at_s, share * seconds), budget_s=budget_s))
        at_s += share * seconds
    return tuple(steps)


def rehearsal(
    failing: PhaseKind | None = None,
    failure: Failure = Failure.TIMEOUT,
    failing_s: float = 75.0,
    error: ErrorFacts | None = None,
    absent: Iterable[PhaseKind] = (),
    **more: Any,
) -> Rehearsal:
    """A start-up, whole or broken off in the phase ``failing``; those ``absent`` are not configured."""
    phases: list[PhaseRecord] = []
    at_s, broken = 0.9, False
    outcome = PhaseOutcome.TIMED_OUT if failure is Failure.TIMEOUT else PhaseOutcome.FAILED
    for kind in PhaseKind:
        seconds = failing_s if kind is failing else PHASE_SECONDS[kind]
        if kind in absent:
            reason = SkipReason.NOT_CONFIGURED
            phases.append(phase(kind, outcome=PhaseOutcome.SKIPPED, skip_reason=reason))
            continue
        if broken:
            phases.append(phase(kind, outcome=PhaseOutcome.BLOCKED))
            continue
        broken = kind is failing
        steps: tuple[Step, ...] = ()
        if kind is PhaseKind.DATABASE:
            steps = database_steps(at_s, seconds, failure if broken else None)
        failed: dict[str, Any] = {"outcome": outcome, "failure": failure, "error": error}
        failed |= {"endpoint": "10.20.1.3:3307"}
        phases.append(phase(kind, at_s, seconds, steps=steps, **failed if broken else {}))
        at_s += seconds
    fixed: dict[str, Any] = {"phases": tuple(phases), "child_start_s": 0.812, "lag_s": 0.004}
    return Rehearsal(**fixed | more)


def startup(result: Rehearsal | None = None, **more: Any) -> Observation:
    """An observation of ``startup``: passed where the application would have started."""
    result = rehearsal() if result is None else result
    ended_by = result.ended_by
    fixed: dict[str, Any] = {
        "id": "startup/staging-db/connector/1",
        "check": Check.STARTUP,
        "target": "staging-db",
        "path": Path.CONNECTOR,
        "outcome": Outcome.PASSED if ended_by is None else Outcome.FAILED,
        "failure": ended_by and ended_by.failure,
        "span": span(0.0, 0.9 + result.total_s),
        "endpoint": "10.20.1.3:3307",
        "result": result,
    }
    return Observation(**fixed | more)


def acquisition(
    worker: int,
    outcome: AcquisitionOutcome = AcquisitionOutcome.ACQUIRED,
    *,
    wait_s: float = 0.012,
    late_s: float = 0.0,
    intended_s: float = 1.0,
    **more: Any,
) -> Acquisition:
    """A worker's wish that was uttered ``late_s`` after the intended instant."""
    started_s = intended_s + late_s
    fixed: dict[str, Any] = {
        "worker": worker,
        "step": 1,
        "intended_ns": round(intended_s * 1e9),
        "started_ns": round(started_s * 1e9),
        "finished_ns": round((intended_s + wait_s) * 1e9),
        "outcome": outcome,
    }
    return Acquisition(**fixed | more)


def ramp(
    heights: Iterable[int] = (3, 6, 9, 12, 13),
    *,
    waiting: int = 22,
    connect_s: float = 0.011,
    **more: Any,
) -> Ramp:
    """A guarded ramp: 25 slots less 3 reserved, 3 of others and our own one leave 18; 5 of them stay free.

    ``heights`` are the connections held after each step, ``waiting`` the workers that got none in time.
    """
    steps, acquisitions, canaries, held = [], [], [], 0
    for number, height in enumerate(heights, start=1):
        at_s = 1.0 + number * 0.2
        steps.append(
            RampStep(
                number=number,
                at_ns=round(at_s * 1e9),
                held=height,
                free=18 - height,
                connect_median_s=connect_s,
            )
        )
        canaries.append(Canary(span=span(at_s - 0.05, 0.021), held=height))
        for worker in range(held, height):
            wish = acquisition(
                worker, wait_s=connect_s + 0.001, intended_s=at_s - 0.1, step=number, connect_s=connect_s
            )
            acquisitions.append(wish)
        held = height
    acquisitions += [
        acquisition(worker, AcquisitionOutcome.CUT_OFF, wait_s=1.5, intended_s=2.0)
        for worker in range(held, held + waiting)
    ]
    fixed: dict[str, Any] = {
        "saturation": Saturation.GUARDED,
        "wanted": 25,
        "workers": 35,
        "keep_free": 5,
        "limits": Limits(server_version="15.8", max_connections=25, superuser_reserved=3),
        "before": Headroom(others=3, ours=1, role=1, database=4),
        "allowed": 13,
        "steps": tuple(steps),
        "acquisitions": tuple(acquisitions),
        "canaries": tuple(canaries),
        "held": held,
        "stopped": StopReason.KEEP_FREE,
        "recovery_s": 0.012 if waiting else None,
        "released_s": 0.034,
        "left_behind": 0,
        "crowd": (("netra-backend", 2), ("psql", 1)),
        "cpu_s": 0.31,
        "lag_s": 0.002,
    }
    return Ramp(**fixed | more)


def pool(result: Ramp | None = None, check: Check = Check.POOL, **more: Any) -> Observation:
    """An observation of ``pool``, ``capacity`` or ``herd``."""
    fixed: dict[str, Any] = {
        "id": f"{check}/staging-db/connector/1",
        "check": check,
        "target": "staging-db",
        "path": Path.CONNECTOR,
        "outcome": Outcome.PASSED,
        "span": span(1.0, 3.4),
        "endpoint": "10.20.1.3:3307",
        "result": ramp() if result is None else result,
    }
    return Observation(**fixed | more)


CHAIN = (
    ChainLink(
        link=Link.CONNECTOR_PRESSURE,
        state=LinkState.NOT_MEASURED,
        said="nothing but the application's own figures tells how busy the connector is",
    ),
    ChainLink(
        link=Link.CONNECTION_DELAY,
        state=LinkState.SEEN,
        said="connecting took 75.0 s, above 35 s",
        evidence=("startup/staging-db/connector/1",),
    ),
    ChainLink(link=Link.PHASE_TIMED_OUT, state=LinkState.SEEN, said="phase_3_database stopped after 75.0 s"),
    ChainLink(link=Link.STARTUP_BROKEN_OFF, state=LinkState.SEEN, said="4 phases were never begun"),
    ChainLink(link=Link.EXIT_CODE_3, state=LinkState.SEEN, said="the application would exit with 3"),
    ChainLink(link=Link.USER_PATH_OFFLINE, state=LinkState.NOT_SEEN, said="the service answers: HTTP 200"),
)


def rehearsed() -> Report:
    """A start-up that succeeds, and a pool, a capacity and a herd that were filled."""
    ramps = [pool(check=check) for check in (Check.POOL, Check.CAPACITY, Check.HERD)]
    advice = (
        "staging-db: the pool's 25 connections would not fit now (21 of 22 usable connections are free)",
    )
    return report([configuration(), connection(1), startup(), *ramps], advice=advice)


def broken_off() -> Report:
    """A start-up whose phase 3 ran into its budget, with the chain that follows."""
    error = ErrorFacts(type="sqlalchemy.exc.TimeoutError", message="connection timed out")
    broken = rehearsal(PhaseKind.DATABASE, error=error, absent=(PhaseKind.CACHE, PhaseKind.WEBSOCKET))
    skipped_pool = pool(
        id="pool/staging-db/connector/1",
        outcome=Outcome.SKIPPED,
        skip_reason=SkipReason.EARLIER_STAGE_FAILED,
        span=span(80.0, 0.0),
        endpoint=None,
    )
    without = replace(skipped_pool, result=None)
    return report(
        [connection(1, failing=Stage.TCP), startup(broken), without],
        [finding()],
        Verdict.DOWN,
        headline="staging-db is down: the application would not start.",
        chain=CHAIN,
    )
