"""The application that uses a target: its figures, its start-up and its pool, as the settings name them."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from probe.model.words import Path


class PhaseKind(StrEnum):
    """What a phase of the application's start-up does."""

    INIT = "init"
    DEPENDENCIES = "dependencies"
    DATABASE = "database"
    CACHE = "cache"
    SERVICES = "services"
    WEBSOCKET = "websocket"
    FINALIZE = "finalize"


CLOUD_SQL_ENVIRONMENTS = frozenset({"staging", "production"})
CAPACITY_EXTRA_S = 20.0
CAPACITY_EXTRA_RATIO = 0.2


def _doc(text: str) -> dict[str, str]:
    return {"doc": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """What another source says of a value in ``[application]``; a difference is a warning that names both."""

    initialization_timeout_s: float | None = field(
        default=None, metadata=_doc("another source's initialisation budget")
    )
    connection_limit: int | None = field(
        default=None, metadata=_doc("another source's connection limit of the server")
    )
    max_overflow: int | None = field(
        default=None, metadata=_doc("another source's least overflow of the pool")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The application's own figures: what it is rehearsed with, and the arithmetic of ``configuration``."""

    environment: Literal["development", "test", "staging", "production"] = field(
        default="staging",
        metadata=_doc("staging and production run against Cloud SQL: capacity-aware timeouts apply"),
    )
    target: str = field(
        default="", metadata=_doc("name of the target that the application uses; empty: the first")
    )
    path: Path | None = field(
        default=None, metadata=_doc("the application's way to it; empty: the target's primary path")
    )
    initialization_timeout_s: float = field(default=75.0, metadata=_doc("database initialisation"))
    table_setup_timeout_s: float = field(default=25.0, metadata=_doc("schema check"))
    connection_timeout_s: float = field(default=35.0, metadata=_doc("one connection"))
    connector_timeout_s: float | None = field(
        default=None,
        metadata=_doc(
            "timeout towards the connector; empty: the capacity-aware one of `connection_timeout_s`"
        ),
    )
    pool_timeout_s: float = field(default=45.0, metadata=_doc("wait for a pooled connection, engine"))
    pool_timeout_cloud_sql_s: float = field(
        default=90.0, metadata=_doc("wait for a pooled connection, as tuned for Cloud SQL")
    )
    health_check_timeout_s: float = field(default=20.0, metadata=_doc("one health request"))
    pool_size: int = field(default=10, metadata=_doc("connections an instance keeps"))
    max_overflow: int = field(default=15, metadata=_doc("connections an instance may add"))
    pool_recycle_s: float = field(
        default=1800.0, metadata=_doc("a pooled connection older than this is replaced")
    )
    pool_pre_ping: bool = field(
        default=True, metadata=_doc("whether a pooled connection is tested before it is given out")
    )
    max_instances: int = field(default=12, metadata=_doc("instances of the application at once"))
    connection_limit: int = field(default=25, metadata=_doc("the server's max_connections"))
    reserved_connections: int = field(default=3, metadata=_doc("slots of it that only superusers get"))
    capacity_safety_margin: float = field(
        default=0.8, metadata=_doc("use at most this share of the server's connections")
    )
    scaling_delay_s: float = field(default=30.0, metadata=_doc("time the connector takes to add an instance"))
    minimum_initialization_timeout_s: float = field(
        default=35.0, metadata=_doc("the initialisation budget is never below this")
    )
    minimum_connection_timeout_s: float = field(
        default=25.0, metadata=_doc("the connection timeout is never below this")
    )
    maximum_user_wait_s: float = field(default=60.0, metadata=_doc("what a user waits for, at most"))
    alternatives: Alternatives = field(
        default_factory=Alternatives, metadata=_doc("what another source says of these values")
    )

    @property
    def pool_connections(self) -> int:
        """The most connections that one instance opens."""
        return self.pool_size + self.max_overflow

    @property
    def pool_wait_s(self) -> float:
        """How long this environment waits for a pooled connection."""
        tuned = self.environment in CLOUD_SQL_ENVIRONMENTS
        return self.pool_timeout_cloud_sql_s if tuned else self.pool_timeout_s

    @property
    def connector_wait_s(self) -> float:
        """The timeout towards the connector: its own, or the capacity-aware one of a connection."""
        return self.connector_timeout_s or capacity_aware_timeout_s(
            self.connection_timeout_s, self.environment
        )


def capacity_aware_timeout_s(base_s: float, environment: str) -> float:
    """``base_s`` with what a scaling connector adds to it, where the environment runs against Cloud SQL."""
    if environment not in CLOUD_SQL_ENVIRONMENTS:
        return base_s
    return base_s + CAPACITY_EXTRA_S + CAPACITY_EXTRA_RATIO * base_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One phase of the application's start-up."""

    name: str = field(metadata=_doc("how reports and metrics call it"))
    does: PhaseKind = field(
        metadata=_doc("what it does: init, dependencies, database, cache, services, websocket, finalize")
    )
    budget_s: float = field(metadata=_doc("what the application allows it"))
    required: bool = field(
        default=True, metadata=_doc("whether its failure ends the start-up; else it goes on without")
    )


PHASES = (
    Phase(name="phase_1_init", does=PhaseKind.INIT, budget_s=1.0),
    Phase(name="phase_2_dependencies", does=PhaseKind.DEPENDENCIES, budget_s=40.0),
    Phase(name="phase_3_database", does=PhaseKind.DATABASE, budget_s=90.0),
    Phase(name="phase_4_cache", does=PhaseKind.CACHE, budget_s=20.0),
    Phase(name="phase_5_services", does=PhaseKind.SERVICES, budget_s=30.0),
    Phase(name="phase_6_websocket", does=PhaseKind.WEBSOCKET, budget_s=15.0),
    Phase(name="phase_7_finalize", does=PhaseKind.FINALIZE, budget_s=10.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The Redis server of phase ``cache``."""

    address: str = field(default="", metadata=_doc("HOST:PORT; empty: the phase is skipped"))
    tls: bool = field(default=False, metadata=_doc("TLS from the first byte"))
    server_ca: str = field(
        default="",
        metadata=_doc("PEM file with its CA; empty: any certificate is taken, as `tls = require` does"),
    )
    user: str = field(default="", metadata=_doc("name for AUTH; empty: the default user"))
    password_env: str = field(
        default="", metadata=_doc("name of the environment variable that holds the password; empty: no AUTH")
    )
    password_file: str = field(default="", metadata=_doc("file that holds the password"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """What the rehearsal of the application's start-up does, beside ``[application]``."""

    phases: tuple[Phase, ...] = field(
        default=PHASES, metadata=_doc("the phases in order; empty: the usual seven")
    )
    secrets: tuple[str, ...] = field(
        default=(), metadata=_doc("environment variables that have to be set for the application to start")
    )
    required_tables: tuple[str, ...] = field(
        default=(), metadata=_doc("TABLE or SCHEMA.TABLE that must exist; without a schema: `public`")
    )
    cache: Cache = field(default_factory=Cache, metadata=_doc("the cache"))
    services: tuple[str, ...] = field(
        default=(),
        metadata=_doc("health addresses (URL) of the services that it calls; ClickHouse: its /ping"),
    )
    websocket: str = field(default="", metadata=_doc("its WebSocket endpoint, ws:// or wss://"))
    health: str = field(default="", metadata=_doc("its own health address (URL)"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """How the pool is filled, and how carefully."""

    workers: int = field(default=35, metadata=_doc("threads that want a connection at once"))
    keep_free: int = field(
        default=5,
        metadata=_doc("connection slots that are always left to others, unless saturation is allowed"),
    )
    own_role: bool = field(
        default=False,
        metadata=_doc("the target's `user` is the probe's alone: its CONNECTION LIMIT may be used up"),
    )
    step: int = field(default=3, metadata=_doc("connections that a guarded ramp adds at once"))
    hold_s: float = field(default=1.0, metadata=_doc("how long a guarded ramp holds what it opened"))
    saturation_hold_s: float = field(
        default=1.0, metadata=_doc("how long a saturated pool is held: at most 2")
    )
    saturation_allowed: tuple[str, ...] = field(
        default=(), metadata=_doc("PROJECT:REGION:INSTANCE that `--saturate full` may fill up")
    )
    budget_s: float = field(
        default=60.0, metadata=_doc("one ramp, from its first login to its last good-bye")
    )
    capacity_connections: int = field(
        default=30, metadata=_doc("connections that the `capacity` check opens, as far as the guard allows")
    )
    slower_s: float = field(
        default=0.05,
        metadata=_doc("a median connect time that has doubled ends a guarded ramp where it grew by so much"),
    )
    start_delay_s: float = field(
        default=0.5, metadata=_doc("where the probe itself is later than this, its figures are not believed")
    )
