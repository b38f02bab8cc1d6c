"""Settings -> what to check, in which order, with which budgets. Opens no socket."""

import datetime as dt
import ssl
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from probe import __version__
from probe.checks import cloudsql, configuration, egress, route
from probe.checks.concurrently import Nobody, Watcher
from probe.checks.series import Series
from probe.diagnosis.question import Question
from probe.dial import keys, paths, tls
from probe.dial.admin_api import AdminApi
from probe.dial.credentials import Identity
from probe.dial.dns import is_literal
from probe.dial.paths import Equipment
from probe.dial.redaction import Redaction
from probe.model import words
from probe.model.ramp import Saturation
from probe.model.report import RunIdentity
from probe.model.target import Target
from probe.model.words import Check
from probe.rehearsal.request import StartupRequest
from probe.settings import Settings, measuring_s, rehearsal_s

Equipped = Mapping[str, Equipment]
NOBODY = Nobody()
RAMPS = (Check.POOL, Check.CAPACITY, Check.HERD)
MOST_KEPT_BACK = 0.6
"""Of the measuring time: where it is too short for everything, the stages come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run: the opening series, then the main ones, all of each at once; then the rest, one by one."""

    identity: RunIdentity
    question: Question
    opening: tuple[Series, ...]
    main: tuple[Series, ...]
    rehearsal: tuple[Series, ...]
    load: tuple[Series, ...]
    """Ramps: only where nothing has gone wrong before."""
    deadline_s: float
    """The whole run."""
    measuring_s: float
    """All measuring: the run's deadline less what is kept back for delivering the metrics."""
    kept_back_s: float
    """Of it, for the rehearsal and the ramps: what comes before them ends earlier by so much."""
    confirm_after_s: float
    prepare: Callable[[], None]
    """What must be there before the first stopwatch starts."""

    @property
    def measures_anything(self) -> bool:
        """Whether there is a single series."""
        return bool(self.opening or self.main or self.rehearsal or self.load)


def plan(
    settings: Settings,
    *,
    profile: str,
    only: Sequence[Check] = (),
    saturation: Saturation = Saturation.GUARDED,
    watcher: Watcher = NOBODY,
) -> Plan:
    """The profile's checks, those of ``only`` where it names any. Raises KeyError for no such profile."""
    chosen = settings.profiles[profile]
    deadline_s = chosen.deadline_s or settings.deadline_s
    checks = tuple(check for check in chosen.checks if not only or check in only)
    identity = _identity(settings, profile, checks)
    key = keys.InBackground()
    redaction = Redaction()
    equipped = _equipment(settings, identity.id, key.get, redaction)
    opening, main = _series(settings, checks, equipped)
    main = tuple(replace(one, redaction=redaction) for one in main)
    request = _startup_request(settings, identity.id)
    rehearsal = _rehearsal(settings, request, watcher, redaction) if Check.STARTUP in checks else ()
    load = _load(settings, checks, request, equipped, saturation, watcher)
    load = tuple(replace(one, redaction=redaction) for one in load)
    dialling = (*(s for s in main if s.check is Check.CLOUDSQL), *load)
    needs_key = any(s.path is words.Path.CONNECTOR for s in dialling)
    needs_login = bool(dialling)
    measured_s = measuring_s(settings, deadline_s)

    def prepare() -> None:
        if needs_key:
            key.start()
        if main or load:
            paths.prepare(login=needs_login)
        if needs_key:
            key.get()

    return Plan(
        identity=identity,
        question=_question(settings, identity.started_at),
        opening=opening,
        main=main,
        rehearsal=rehearsal,
        load=load,
        deadline_s=deadline_s,
        measuring_s=measured_s,
        kept_back_s=min(_kept_back_s(settings, checks), MOST_KEPT_BACK * measured_s),
        confirm_after_s=settings.confirm_after_s,
        prepare=prepare,
    )


def confirmation(series: Sequence[Series], targets: Sequence[str]) -> tuple[Series, ...]:
    """The same series of these targets once more, as observations of their own; and of the neighbours.

    Without them nothing would tell whether it is still the endpoint alone that is silent.
    """
    return tuple(
        replace(one, confirmation=True)
        for one in series
        if one.target in targets or (one.check is Check.ROUTE and one.path is None)
    )


def _series(
    settings: Settings, checks: tuple[Check, ...], equipped: Equipped
) -> tuple[tuple[Series, ...], tuple[Series, ...]]:
    attempts, interval_s = settings.route.attempts, settings.route.interval_s
    samples = max(target.samples for target in settings.targets)
    opening: tuple[Series, ...] = ()
    main: tuple[Series, ...] = ()
    if Check.EGRESS in checks:
        opening += egress.series(_egress_addresses(settings), settings.egress.limit_s)
    if Check.CONFIGURATION in checks:
        opening += configuration.series(settings.application)
    if Check.ROUTE in checks:
        main += route.target_series(settings.targets, equipped, attempts=attempts, interval_s=interval_s)
        main += route.neighbour_series(
            settings.neighbours, settings.timeouts, attempts=min(attempts, samples), interval_s=interval_s
        )
    if Check.CLOUDSQL in checks:
        main += cloudsql.series(settings.targets, equipped)
    return opening, main


def _startup_request(settings: Settings, run_id: str) -> StartupRequest:
    target = settings.application_target
    secret = settings.passwords.get(target.name)
    return StartupRequest(
        target=target,
        path=settings.application_path,
        application=settings.application,
        startup=settings.startup,
        timeouts=settings.timeouts,
        password=secret.reveal() if secret else None,
        cache_password=settings.cache_password.reveal() if settings.cache_password else None,
        sqladmin_endpoint=settings.sqladmin.endpoint,
        metadata_expected=settings.cloud_run.metadata_expected,
        run_id=run_id,
    )


def _rehearsal(
    settings: Settings, request: StartupRequest, watcher: Watcher, redaction: Redaction
) -> tuple[Series, ...]:
    from probe.checks import startup  # late: a run without it reaches the network sooner

    def started(phase: str) -> None:
        watcher.phase_started(request.target.name, phase)

    return startup.series(
        request, start_delay_s=settings.pool.start_delay_s, started=started, redaction=redaction
    )


def _load(
    settings: Settings,
    checks: tuple[Check, ...],
    request: StartupRequest,
    equipped: Equipped,
    saturation: Saturation,
    watcher: Watcher,
) -> tuple[Series, ...]:
    ramps = [check for check in RAMPS if check in checks]
    if not ramps:
        return ()
    from probe.checks import pool  # late: as above
    from probe.checks.ramp.request import Request

    return tuple(
        pool.series(
            Request(
                check=check,
                target=request.target,
                path=request.path,
                application=settings.application,
                pool=settings.pool,
                saturation=saturation,
                equipment=equipped[request.target.name],
                sqladmin_endpoint=request.sqladmin_endpoint,
                metadata_expected=request.metadata_expected,
                stepped=watcher.ramp_stepped,
            )
        )
        for check in ramps
    )


def _kept_back_s(settings: Settings, checks: tuple[Check, ...]) -> float:
    rehearsed_s = rehearsal_s(settings) if Check.STARTUP in checks else 0.0
    return rehearsed_s + settings.pool.budget_s * sum(check in RAMPS for check in checks)


def _egress_addresses(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Private endpoints that are known before anybody is asked."""
    if settings.egress.address:
        return (route.split_address(settings.egress.address),)
    addresses = [route.split_address(neighbour.address) for neighbour in settings.neighbours]
    addresses += [(t.private_ip, t.port) for t in settings.targets if t.private_ip]
    return tuple(address for address in addresses if is_literal(address[0]))


def _equipment(
    settings: Settings, run_id: str, key: Callable[[], keys.KeyPair], redaction: Redaction
) -> Equipped:
    identity = Identity(metadata_expected=settings.cloud_run.metadata_expected, redaction=redaction)
    passwords = {name: secret.reveal() for name, secret in settings.passwords.items()}
    for password in passwords.values():
        redaction.add(password)
    if settings.cache_password:
        redaction.add(settings.cache_password.reveal())
    admin_api = AdminApi(settings.sqladmin.endpoint, identity)
    return {
        target.name: Equipment(
            timeouts=settings.timeouts,
            admin_api=admin_api,
            key=key,
            run_id=run_id,
            password=passwords.get(target.name),
            private_context=_private_context(target, tls.CURVE),
            any_curve_context=_private_context(target, None),
        )
        for target in settings.targets
    }


def _private_context(target: Target, curve: str | None) -> ssl.SSLContext | None:
    if target.tls == "disable" or words.Path.PRIVATE_IP not in target.paths:
        return None
    verified = target.tls == "verify-ca"
    pem = Path(target.server_ca).read_text(encoding="ascii") if verified else None
    return tls.private_context(server_ca_pem=pem, curve=curve)


def _identity(settings: Settings, profile: str, checks: tuple[Check, ...]) -> RunIdentity:
    return RunIdentity(
        id=uuid.uuid4().hex[:12],
        started_at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        profile=profile,
        checks=checks,
        project=settings.project,
        region=settings.region,
        version=__version__,
        job=settings.cloud_run.job,
        task_id=settings.cloud_run.task_index,
        execution=settings.cloud_run.execution,
    )


def _question(settings: Settings, started_at: str) -> Question:
    return Question(
        targets=settings.targets,
        neighbours=settings.neighbours,
        thresholds=settings.thresholds,
        connection_s=settings.timeouts.connection_s,
        started_at=started_at,
        connector_name=settings.connector.name,
        gateway=settings.connector.gateway,
        application=settings.application,
        application_target=settings.application_target.name,
        application_path=settings.application_path,
        cache_address=settings.startup.cache.address,
        services=settings.startup.services,
    )
