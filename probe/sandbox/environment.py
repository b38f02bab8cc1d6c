"""The sandbox as a whole: an embedded staging environment of real parts, healthy or broken as told."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from probe.sandbox.child_environ import child_environ
from probe.sandbox.control_plane import AdminApi
from probe.sandbox.crowd import Crowd
from probe.sandbox.data_plane import DataPlane, start_data_plane, start_healing
from probe.sandbox.database import break_database
from probe.sandbox.faults import combine
from probe.sandbox.google_cloud import GoogleCloud, identity, start_google_cloud
from probe.sandbox.metadata import MetadataServer
from probe.sandbox.monitoring import CloudMonitoring
from probe.sandbox.postgres import PostgresServer
from probe.sandbox.private_front import PrivateFront
from probe.sandbox.rehearsal_killer import RehearsalKiller
from probe.sandbox.resolver import SilentNameServer, resolver_prefix
from probe.sandbox.server_proxy import ServerProxy
from probe.sandbox.settings_file import CACHE_PASSWORD_ENV, PASSWORD_ENV, Endpoints, Pace, settings, to_toml
from probe.sandbox.staging import Staging
from probe.sandbox.workspace import Workspace

DEMO_PACE = Pace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A running sandbox, as its visitors see it."""

    host: str
    """The sandbox's own loopback address."""
    settings_path: Path
    environ: dict[str, str]
    """The whole environment for a child process: nothing of the developer's own leads past the sandbox."""
    command_prefix: tuple[str, ...]
    """What goes before a child's command."""
    process_group: int
    """A child that joins it is ended when the sandbox is killed."""
    password: str
    cache_password: str
    """The one that the settings name, whatever the cache's own is."""
    staging: Staging
    admin_api: AdminApi
    metadata: MetadataServer
    monitoring: CloudMonitoring
    server_proxy: ServerProxy
    private_front: PrivateFront
    neighbours: dict[str, str]
    """Name -> ``HOST:PORT``."""
    auth_address: str
    """``HOST:PORT`` of a service that the application calls."""
    backend_address: str
    """The application's own."""
    socket_dir: Path
    postgres: PostgresServer | None
    """None: it is down."""


@contextmanager
def sandbox(faults: Sequence[str] = (), *, pace: Pace = DEMO_PACE) -> Iterator[Environment]:
    """Start everything, broken by ``faults``; stop and remove everything on the way out.

    Raises ``FaultError`` for faults that cannot be had, ``SandboxError`` where this machine does not allow
    it.
    """
    staging = combine(faults)
    passwords = {name: secrets.token_urlsafe(16) for name in (PASSWORD_ENV, CACHE_PASSWORD_ENV)}
    with ExitStack() as stack:
        workspace = stack.enter_context(Workspace())
        plane = start_data_plane(
            stack,
            workspace,
            staging,
            password=passwords[PASSWORD_ENV],
            cache_password=passwords[CACHE_PASSWORD_ENV],
        )
        cloud = start_google_cloud(stack, staging, plane)
        if plane.postgres is not None:
            break_database(plane.postgres, staging)
        prefix = _command_prefix(stack, workspace, staging, plane.host)
        environ = child_environ(workspace.path, identity(staging, cloud, workspace.path) | passwords)
        environment = _environment(workspace, staging, plane, cloud, pace, environ, prefix)
        start_healing(stack, staging, plane)
        _start_disturbers(stack, workspace, staging, plane.postgres)
        yield environment


def _environment(
    workspace: Workspace,
    staging: Staging,
    plane: DataPlane,
    cloud: GoogleCloud,
    pace: Pace,
    environ: dict[str, str],
    prefix: tuple[str, ...],
) -> Environment:
    neighbours = {name: listener.address for name, listener in plane.neighbours.items()}
    endpoints = Endpoints(
        admin_api=cloud.admin_endpoint,
        monitoring=cloud.monitoring.address,
        private_host=plane.host,
        private_port=plane.private_front.listener.port,
        socket_dir=plane.socket_dir,
        neighbours=neighbours,
        auth=plane.services.auth.address,
        backend=plane.services.backend.address,
        cache_ca=workspace.path / "cache-ca.pem",
    )
    endpoints.cache_ca.write_text(plane.authority.pem)
    settings_path = workspace.path / "probe.toml"
    settings_path.write_text(to_toml(settings(staging, endpoints, pace)))
    return Environment(
        host=plane.host,
        settings_path=settings_path,
        environ=environ,
        command_prefix=prefix,
        process_group=workspace.process_group,
        password=environ[PASSWORD_ENV],
        cache_password=environ[CACHE_PASSWORD_ENV],
        staging=staging,
        admin_api=cloud.admin_api,
        metadata=cloud.metadata,
        monitoring=cloud.monitoring,
        server_proxy=plane.server_proxy,
        private_front=plane.private_front,
        neighbours=neighbours,
        auth_address=endpoints.auth,
        backend_address=endpoints.backend,
        socket_dir=plane.socket_dir,
        postgres=plane.postgres,
    )


def _start_disturbers(
    stack: ExitStack, workspace: Workspace, staging: Staging, postgres: PostgresServer | None
) -> None:
    if staging.crowd_at and postgres is not None:
        stack.enter_context(Crowd(postgres, at=staging.crowd_at))
    if staging.rehearsal_killed:
        stack.enter_context(RehearsalKiller(process_group=workspace.process_group))


def _command_prefix(stack: ExitStack, workspace: Workspace, staging: Staging, host: str) -> tuple[str, ...]:
    if staging.resolver == "system":
        return ()
    if staging.resolver == "silent":
        stack.enter_context(SilentNameServer(host))
    return resolver_prefix(workspace.path, name_server=host)
