"""The private network behind the connector: PostgreSQL, what stands in front of it, and its neighbours."""

import secrets
import socket
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from probe.sandbox.certificates import Authority, make_authority, write_server_certificate
from probe.sandbox.database import start_database
from probe.sandbox.healing import Healing
from probe.sandbox.listener import Listener, Serve
from probe.sandbox.neighbour import mute_server, over_tls, redis_server
from probe.sandbox.ports import bind, bind_pair
from probe.sandbox.postgres import PostgresServer
from probe.sandbox.private_front import PrivateFront, private_context
from probe.sandbox.server_proxy import ServerProxy, proxy_context
from probe.sandbox.services import Services, clickhouse, start_services
from probe.sandbox.staging import INSTANCE, PROJECT, Staging
from probe.sandbox.tampering import TAMPERINGS
from probe.sandbox.workspace import Workspace

TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlane:
    """What runs at the sandbox's own address."""

    host: str
    authority: Authority
    """Whom clients are told to trust, and who signs their certificates."""
    postgres: PostgresServer | None
    socket_dir: Path
    server_proxy: ServerProxy
    private_front: PrivateFront
    neighbours: dict[str, Listener]
    services: Services


def start_data_plane(
    stack: ExitStack, workspace: Workspace, staging: Staging, *, password: str, cache_password: str
) -> DataPlane:
    """Start all of it; the stack stops it. Raises ``SandboxError`` where this machine does not allow it."""
    proxy_socket, private_socket = bind_pair(stack)
    host = proxy_socket.getsockname()[0]
    authority = make_authority("Google Cloud SQL Server CA")
    certificate = _server_certificate(workspace, staging, authority, host)
    postgres, upstream, socket_dir = start_database(
        stack, workspace, staging, password=password, superuser_password=secrets.token_urlsafe(16)
    )
    proxy = _server_proxy(staging, proxy_socket, certificate, authority, upstream)
    front = PrivateFront(
        private_socket,
        upstream=upstream,
        context=private_context(certificate) if staging.private_tls else None,
        state="refused" if postgres is None else staging.private_port,
    )
    return DataPlane(
        host=host,
        authority=authority,
        postgres=postgres,
        socket_dir=socket_dir,
        server_proxy=stack.enter_context(proxy),
        private_front=stack.enter_context(front),
        neighbours=_start_neighbours(
            stack, staging, host, cache=_cache(workspace, staging, authority, host, cache_password)
        ),
        services=start_services(
            stack,
            host,
            auth=staging.auth_service,
            backend=staging.backend,
            websocket=staging.websocket,
        ),
    )


def start_healing(stack: ExitStack, staging: Staging, plane: DataPlane) -> None:
    """Let silent ports answer in time, if the staging says so."""
    if staging.heals_after_s is None:
        return
    listeners = [plane.server_proxy.listener, plane.private_front.listener, *plane.neighbours.values()]
    silent = [listener for listener in listeners if listener.filler_ports]
    stack.enter_context(Healing(silent, after_s=staging.heals_after_s))


def _server_certificate(workspace: Workspace, staging: Staging, authority: Authority, host: str) -> Path:
    foreign = staging.server_certificate == "foreign"
    signer = make_authority("Foreign Server CA") if foreign else authority
    path = workspace.path / "server.pem"
    write_server_certificate(signer, name=f"{PROJECT}:{INSTANCE}", address=host, path=path)
    return path


def _server_proxy(
    staging: Staging, bound: socket.socket, certificate: Path, authority: Authority, upstream: Path
) -> ServerProxy:
    newest = TLS_VERSIONS[staging.newest_tls]
    return ServerProxy(
        bound,
        context=proxy_context(certificate, client_ca_pem=authority.pem, maximum=newest),
        upstream=upstream,
        tampering=TAMPERINGS[staging.tampering] if staging.tampering else None,
        delay_s=staging.delay_s,
        alerts=staging.alerts,
        state=staging.proxy_port,
    )


def _start_neighbours(stack: ExitStack, staging: Staging, host: str, *, cache: Serve) -> dict[str, Listener]:
    if not staging.neighbours:
        return {}
    listeners = {
        "cache": Listener(bind(stack, host), cache, state=staging.cache_port),
        "analytics": Listener(bind(stack, host), clickhouse, state=staging.analytics_port),
    }
    return {name: stack.enter_context(listener) for name, listener in listeners.items()}


def _cache(workspace: Workspace, staging: Staging, authority: Authority, host: str, password: str) -> Serve:
    if staging.cache == "silent":
        return mute_server
    other = staging.cache == "wrong-password"
    serve = redis_server(secrets.token_urlsafe(16) if other else password)
    if not staging.cache_tls:
        return serve
    certificate = workspace.path / "cache.pem"
    write_server_certificate(authority, name="cache", address=host, path=certificate)
    return over_tls(serve, certificate)
