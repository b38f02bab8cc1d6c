"""The three ways to the database and the way to an endpoint, each a plain sequence of stages."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from probe.dial import dns, tcp, tls
from probe.dial.admin_api import AdminApi, ConnectSettings, InstanceName
from probe.dial.admin_api import prepare as prepare_admin_api
from probe.dial.clock import Trace
from probe.dial.failures import stage_failure
from probe.dial.keys import KeyPair
from probe.dial.stream import AnyStream
from probe.model.target import Target, Timeouts
from probe.model.words import Failure, Path, SkipReason, Stage

SERVER_PROXY_PORT = 3307
"""Fixed by Cloud SQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What every dial to a target shares and none changes."""

    timeouts: Timeouts
    admin_api: AdminApi
    key: Callable[[], KeyPair]
    """The run's key pair; made before the first dial that needs it."""
    run_id: str
    password: str | None = field(repr=False)
    private_context: ssl.SSLContext | None = None
    """For the private_ip path; None: without TLS."""
    any_curve_context: ssl.SSLContext | None = None
    """The same, offering every curve."""


@dataclass(frozen=True, slots=True)
class Concessions:
    """What a dial leaves out because the server refused it before; each is a recorded attempt of its own."""

    ssl_request: bool = True
    start_parameters: bool = True
    one_curve: bool = True
    """Offer PostgreSQL's usual curve alone, which saves a round trip."""


FULL = Concessions()


@dataclass(frozen=True, slots=True)
class _Way:
    """What the end of every path needs."""

    target: Target
    equipment: Equipment
    concessions: Concessions
    login_token: str | None


def connector(trace: Trace, target: Target, equipment: Equipment, concessions: Concessions = FULL) -> None:
    """Admin API, certificate, then mTLS to the server proxy, as the Cloud SQL connectors do."""
    timeouts = equipment.timeouts
    name = InstanceName.parse(target.instance)
    settings = equipment.admin_api.connect_settings(trace, name, target.ip_type, timeouts.admin_api_s)
    key = equipment.key()
    certificate_pem, login_token = equipment.admin_api.ephemeral_certificate(
        trace, name, key.public_pem, timeouts.certificate_s, iam_auth=target.iam_auth
    )
    context = _connector_context(settings, certificate_pem, key)
    addresses = dns.resolve(trace, settings.address, timeouts.dns_s)
    stream = tcp.connect(trace, addresses, SERVER_PROXY_PORT, timeouts.tcp_s)
    try:
        secure = tls.handshake(trace, stream, context, settings.address, timeouts.tls_s)
        if target.proxy_check == "off" or not concessions.ssl_request:
            trace.skip(Stage.PROXY, SkipReason.SWITCHED_OFF)
        else:
            tls.ask_proxy(trace, secure, timeouts.proxy_s)
        _log_in_and_query(trace, secure, _Way(target, equipment, concessions, login_token), local=True)
    finally:
        stream.close()


def private_ip(trace: Trace, target: Target, equipment: Equipment, concessions: Concessions = FULL) -> None:
    """PostgreSQL's own port at the private address."""
    timeouts = equipment.timeouts
    host = private_host(trace, target, equipment)
    token = _login_token(trace, target, equipment)
    addresses = dns.resolve(trace, host, timeouts.dns_s)
    plain = tcp.connect(trace, addresses, target.port, timeouts.tcp_s)
    try:
        stream: AnyStream = plain
        context = equipment.private_context
        if context is not None and not concessions.one_curve:  # never down to no TLS at all
            context = equipment.any_curve_context or context
        if context is None:
            trace.skip(Stage.TLS, SkipReason.SWITCHED_OFF)
        else:
            stream = tls.upgrade(trace, plain, context, host, timeouts.tls_s)
        _log_in_and_query(trace, stream, _Way(target, equipment, concessions, token), local=False)
    finally:
        plain.close()


def socket(trace: Trace, target: Target, equipment: Equipment, concessions: Concessions = FULL) -> None:
    """The Unix socket of Cloud Run's built-in proxy."""
    token = _login_token(trace, target, equipment)
    path = f"{target.socket_dir}/{target.instance}/.s.PGSQL.{target.port}"
    stream = tcp.connect_unix(trace, path, equipment.timeouts.tcp_s)
    try:
        _log_in_and_query(trace, stream, _Way(target, equipment, concessions, token), local=True)
    finally:
        stream.close()


PATHS = {Path.CONNECTOR: connector, Path.PRIVATE_IP: private_ip, Path.SOCKET: socket}

STAGES = {
    Path.CONNECTOR: tuple(Stage),
    Path.PRIVATE_IP: (Stage.DNS, Stage.TCP, Stage.TLS, Stage.LOGIN, Stage.QUERY),
    Path.SOCKET: (Stage.TCP, Stage.LOGIN, Stage.QUERY),
}
"""In order; elsewhere too ``admin_api`` comes first where an address or a token is wanted of it."""


def endpoint(trace: Trace, target: Target, path: Path, equipment: Equipment) -> None:
    """TCP alone to where this path leads: nothing is sent."""
    timeouts = equipment.timeouts
    if path is Path.CONNECTOR:
        name = InstanceName.parse(target.instance)
        host = equipment.admin_api.connect_settings(trace, name, target.ip_type, timeouts.admin_api_s).address
        port = SERVER_PROXY_PORT
    else:
        host, port = private_host(trace, target, equipment), target.port
    reach(trace, host, port, timeouts)


def reach(trace: Trace, host: str, port: int, timeouts: Timeouts) -> None:
    """Resolve and connect, nothing more."""
    addresses = dns.resolve(trace, host, timeouts.dns_s)
    tcp.connect(trace, addresses, port, timeouts.tcp_s).close()


def private_host(trace: Trace, target: Target, equipment: Equipment) -> str:
    """The configured private address or name, or the one that the Admin API tells."""
    if target.private_ip:
        return target.private_ip
    name = InstanceName.parse(target.instance)
    settings = equipment.admin_api.connect_settings(trace, name, "private", equipment.timeouts.admin_api_s)
    return settings.address


def _login_token(trace: Trace, target: Target, equipment: Equipment) -> str | None:
    """With IAM login the token that serves as the password: off the connector path nothing else needs one."""
    if not target.iam_auth:
        return None
    return equipment.admin_api.login_token(trace, equipment.timeouts.admin_api_s)


def prepare(*, login: bool) -> None:
    """Import what the stages need, so that no stopwatch runs meanwhile."""
    prepare_admin_api()
    if login:
        import probe.dial.login  # noqa: F401


def _connector_context(settings: ConnectSettings, certificate_pem: str, key: KeyPair) -> ssl.SSLContext:
    try:
        return tls.connector_context(
            server_ca_pem=settings.server_ca_pem,
            certificate_pem=certificate_pem,
            key_pem=key.private_pem,
        )
    except (ssl.SSLError, ValueError, TypeError) as error:  # TypeError: text that is not ASCII
        message = f"the Admin API's certificates cannot be used: {error}"
        raise stage_failure(Failure.MALFORMED, message, cause=error) from error


def _log_in_and_query(trace: Trace, stream: AnyStream, way: _Way, *, local: bool) -> None:
    from probe.dial.login import login

    target, equipment = way.target, way.equipment
    user = target.user.removesuffix(".gserviceaccount.com") if target.iam_auth else target.user
    session = login(
        trace,
        stream,
        user=user,
        password=way.login_token or equipment.password or "",
        database=target.database,
        application_name=f"probe/{equipment.run_id}",
        parameters=start_parameters(equipment, local=local) if way.concessions.start_parameters else {},
        budget_s=equipment.timeouts.login_s,
    )
    with session:
        session.query(trace, equipment.timeouts.query_s)
        trace.finish()


def start_parameters(equipment: Equipment, *, local: bool) -> dict[str, str]:
    """What makes the server let go of this connection should the probe die: sent with the start-up packet.

    Behind a proxy PostgreSQL sees a local peer, where the ``tcp_*`` parameters do nothing.
    """
    statement_ms = str(round(equipment.timeouts.query_s * 1000))
    parameters = {
        "statement_timeout": statement_ms,
        "idle_session_timeout": str(round(equipment.timeouts.connection_s * 1000)),
        "client_connection_check_interval": "1000",
    }
    if not local:
        parameters |= {
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
        }
    return parameters
