"""Everything about the sandbox that a fault can choose; the defaults are a healthy environment."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from probe.sandbox.certificates import ClientCertificate
from probe.sandbox.listener import PortState
from probe.sandbox.services import ServiceState

PROJECT = "netra-staging"
REGION = "us-central1"
INSTANCE = "staging-shared-postgres"
INSTANCE_NAME = f"{PROJECT}:{REGION}:{INSTANCE}"
DATABASE = "netra"
ROLE = "probe"
TABLES = ("users", "threads", "messages")
"""What the application needs in its database."""

NO_ROUTE = "127.255.255.255"
"""The loopback network's broadcast address: TCP to it is unreachable at once."""

OWN_ADDRESS = ""
"""The sandbox's own loopback address, wherever it turns out to be."""

AdminEndpoint = Literal["stand-in", "refused", "unreachable", "https"]
Credentials = Literal["metadata", "missing", "refused", "endpoint-down", "endpoint-html"]
Postgres = Literal["running", "down", "frozen", "starting", "stopping", "standby"]
Resolver = Literal["system", "refusing", "silent"]
BuiltInSocket = Literal["served", "missing", "refused"]
Cache = Literal["normal", "silent", "wrong-password"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """One choice for each part. Behaviours are named as the part that has them names them."""

    # Control plane
    admin_endpoint: AdminEndpoint = "stand-in"
    connect_settings: str = "normal"
    generate_ephemeral_cert: str = "normal"
    region: str = REGION
    database_version: str = "POSTGRES_16"
    private_address: str | None = OWN_ADDRESS
    dns_name: str | None = None
    """Makes it an instance behind Private Service Connect, dialled by this name."""
    credentials: Credentials = "metadata"
    metadata: str = "normal"
    monitoring: str = "normal"
    resolver: Resolver = "system"

    # Ports and paths
    proxy_port: PortState = "open"
    private_port: PortState = "open"
    cache_port: PortState = "open"
    analytics_port: PortState = "open"
    cache: Cache = "normal"
    cache_tls: bool = False
    heals_after_s: float | None = None
    """Seconds from the first connection attempt until silent ports answer."""
    paths: tuple[str, ...] = ("connector", "private_ip", "socket")
    neighbours: bool = True
    built_in_socket: BuiltInSocket = "served"

    # TLS and the server proxy
    tampering: str | None = None
    delay_s: float = 0.0
    alerts: bool = True
    newest_tls: Literal["1.3", "1.2"] = "1.3"
    server_certificate: Literal["trusted", "foreign"] = "trusted"
    client_certificate: ClientCertificate | Literal["foreign"] = "valid"
    private_tls: bool = True

    # PostgreSQL
    postgres: Postgres = "running"
    hba: tuple[str, ...] = ()
    """Lines before pg_hba.conf's own."""
    sql: tuple[str, ...] = ()
    """Run by the superuser once everything stands."""
    application_sql: tuple[str, ...] = ()
    """The same in the application's database, before that."""
    held_sessions: int = 0
    locked_table: str | None = None
    """One that all databases share."""
    locked_catalogue: str | None = None
    """One of the application's database."""
    login_delay_s: int = 0
    crowd_at: int = 0
    """Sessions of the probe at once at which somebody else takes all other slots; 0: nobody does."""

    # The application, and what it calls over HTTP
    auth_service: ServiceState = "normal"
    backend: ServiceState = "normal"
    websocket: ServiceState = "normal"
    secrets: tuple[str, ...] = ()
    """Variables that it needs, none of which is set."""
    rehearsal_killed: bool = False

    # The settings file
    egress_limit_s: float = 1.0
    egress_wait_s: float = 10.0


HEALTHY = Staging()


def choices(staging: Staging) -> dict[str, Any]:
    """Return what differs from a healthy environment, by field."""
    values = {field.name: getattr(staging, field.name) for field in fields(Staging)}
    return {name: value for name, value in values.items() if value != getattr(HEALTHY, name)}
