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
    startup_s: float = field(
        default=30.0, metadata=_doc("a rehearsed start-up that takes longer in all is remarked upon")
    )
    startup_tolerated_s: float = field(
        default=120.0, metadata=_doc("one that takes longer than this is slow (degraded)")
    )
    connections_ratio: float = field(
        default=0.8,
        metadata=_doc("connections in use above this share of the server's are pressure (degraded)"),
    )


def primary_path(target: Target) -> Path:
    """The path whose failure means that the target is down."""
    return target.primary_path or target.paths[0]
