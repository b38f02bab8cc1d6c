"""What is tested, as the settings file names it. Each field's ``doc`` is the settings table of the README."""

from dataclasses import dataclass, field
from typing import Literal

from probe.model.words import Path


def _doc(text: str) -> dict[str, str]:
    return {"doc": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Budgets of the stages, in seconds."""

    connection_s: float = field(default=35.0, metadata=_doc("one attempt, all stages"))
    admin_api_s: float = field(default=10.0, metadata=_doc("credentials and connectSettings"))
    certificate_s: float = field(default=10.0, metadata=_doc("generateEphemeralCert"))
    dns_s: float = field(default=5.0, metadata=_doc("resolving a name"))
    tcp_s: float = field(
        default=30.0,
        metadata=_doc("TCP connect; below a scaling delay of the connector it would read as a blackhole"),
    )
    tls_s: float = field(default=10.0, metadata=_doc("TLS handshake"))
    proxy_s: float = field(default=5.0, metadata=_doc("the SSLRequest inside TLS"))
    login_s: float = field(default=30.0, metadata=_doc("PostgreSQL start-up and authentication"))
    query_s: float = field(default=10.0, metadata=_doc("SELECT 1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One Cloud SQL instance and the ways to it."""

    name: str = field(metadata=_doc("how findings and metrics call it"))
    instance: str = field(metadata=_doc("PROJECT:REGION:INSTANCE"))
    paths: tuple[Path, ...] = field(
        default=(Path.CONNECTOR,), metadata=_doc("ways to try: connector, private_ip, socket")
    )
    primary_path: Path | None = field(
        default=None,
        metadata=_doc("failing here is down, elsewhere degraded; empty: the first of `paths`"),
    )
    ip_type: Literal["private", "public", "psc"] = field(
        default="private", metadata=_doc("which address of the instance the connector path takes")
    )
    private_ip: str = field(
        default="",
        metadata=_doc("address or name for the private_ip path; empty: asked of the Admin API"),
    )
    port: int = field(default=5432, metadata=_doc("PostgreSQL's port on the private_ip path"))
    tls: Literal["disable", "require", "verify-ca"] = field(
        default="require", metadata=_doc("TLS on the private_ip path; verify-ca needs `server_ca`")
    )
    server_ca: str = field(default="", metadata=_doc('PEM file with the CA for `tls = "verify-ca"`'))
    proxy_check: Literal["auto", "on", "off"] = field(
        default="auto",
        metadata=_doc("the SSLRequest inside TLS; auto: on a reset one recorded dial without it"),
    )
    socket_dir: str = field(default="/cloudsql", metadata=_doc("folder of the built-in proxy's sockets"))
    database: str = field(default="postgres", metadata=_doc("database to log in to"))
    user: str = field(default="", metadata=_doc("role to log in as"))
    password_env: str = field(
        default="", metadata=_doc("name of the environment variable that holds the password")
    )
    password_file: str = field(default="", metadata=_doc("file that holds the password"))
    iam_auth: bool = field(default=False, metadata=_doc("log in with an IAM token, not a password"))
    samples: int = field(
        default=5, metadata=_doc("connections a path; also the most attempts `route` makes at it")
    )
    interval_s: float = field(default=2.0, metadata=_doc("planned seconds between two connections"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another private endpoint behind the same connector: it answers whether the route works at all."""

    name: str = field(metadata=_doc("how findings and metrics call it"))
    address: str = field(metadata=_doc("HOST:PORT; TCP only, nothing is sent"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where a measurement becomes a finding."""

    connection_mean_s: float = field(
        default=15.0, metadata=_doc("mean connection time above this is slow (degraded)")
    )
    connection_single_ratio: float = field(
        default=0.8, metadata=_doc("a single connection above this share of its budget is slow")
    )
    success_ratio_healthy: float = field(
        default=0.9, metadata=_doc("a success share at or below this is degraded")
    )
    success_ratio_down: float = field(
        default=0.5, metadata=_doc("a success share below this on the primary path is down")
    )
    egress_wait_s: float = field(
        default=10.0, metadata=_doc("a longer wait for the first outbound connection is a finding")
    )


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
    """The application's own figures, for the arithmetic of the ``configuration`` check."""

    environment: Literal["development", "test", "staging", "production"] = field(
        default="staging",
        metadata=_doc("staging and production run against Cloud SQL: capacity-aware timeouts apply"),
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


def primary_path(target: Target) -> Path:
    """The path whose failure means that the target is down."""
    return target.primary_path or target.paths[0]
