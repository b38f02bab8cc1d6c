"""The three ways to the database and the way to an endpoint, each a plain sequence of stages."""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from probe.dial import dns, tcp, tls
from probe.dial.admin_api import AdminApi, ConnectSettings, InstanceName
from probe.dial.admin_api import prepare as prepare_admin_api
from probe.dial.clock import Trace
from probe.dial.failures import stage_failure
from probe.dial.keys import KeyPair
from probe.dial.parameters import Known, Purpose, start_parameters
from probe.dial.stream import AnyStream, Stream
from probe.model.target import Target, Timeouts
from probe.model.words import Failure, Path, SkipReason, Stage

if TYPE_CHECKING:
    from probe.dial.login import Session

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
    parameters: Known = Known.ALL
    one_curve: bool = True
    """Offer PostgreSQL's usual curve alone, which saves a round trip."""


FULL = Concessions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a path leads and what is shown at its door: good for many sessions, one after another."""

    path: Path
    host: str = ""
    """An address or a name; empty on the ``socket`` path."""
    context: ssl.SSLContext | None = None
    """None: without TLS."""
    login_token: str | None = field(default=None, repr=False)

    @property
    def local(self) -> bool:
        """Whether PostgreSQL sees a local peer: the proxy in front of it."""
        return self.path is not Path.PRIVATE_IP


def query(
    trace: Trace, path: Path, target: Target, equipment: Equipment, concessions: Concessions = FULL
) -> None:
    """One connection over this path, from the Admin API to ``SELECT 1``."""
    way = find(trace, path, target, equipment, concessions)
    purpose = Purpose(statement_s=equipment.timeouts.query_s)
    with session(trace, way, target, equipment, concessions, purpose) as opened:
        opened.query(trace, equipment.timeouts.query_s)
        trace.finish()


def find(
    trace: Trace, path: Path, target: Target, equipment: Equipment, concessions: Concessions = FULL
) -> Way:
    """Everything before the first packet to the database: stages ``admin_api`` and ``certificate``."""
    return _FINDERS[path](trace, target, equipment, concessions)


def _find_connector(trace: Trace, target: Target, equipment: Equipment, _concessions: Concessions) -> Way:
    """Admin API and certificate, as the Cloud SQL connectors do."""
    timeouts = equipment.timeouts
    name = InstanceName.parse(target.instance)
    settings = equipment.admin_api.connect_settings(trace, name, target.ip_type, timeouts.admin_api_s)
    key = equipment.key()
    certificate_pem, login_token = equipment.admin_api.ephemeral_certificate(
        trace, name, key.public_pem, timeouts.certificate_s, iam_auth=target.iam_auth
    )
    context = _connector_context(settings, certificate_pem, key)
    return Way(path=Path.CONNECTOR, host=settings.address, context=context, login_token=login_token)


def _find_private(trace: Trace, target: Target, equipment: Equipment, concessions: Concessions) -> Way:
    """PostgreSQL's own port at the private address."""
    host = private_host(trace, target, equipment)
    token = _login_token(trace, target, equipment)
    context = equipment.private_context
    if context is not None and not concessions.one_curve:  # never down to no TLS at all
        context = equipment.any_curve_context or context
    return Way(path=Path.PRIVATE_IP, host=host, context=context, login_token=token)


def _find_socket(trace: Trace, target: Target, equipment: Equipment, _concessions: Concessions) -> Way:
    """The Unix socket of Cloud Run's built-in proxy."""
    return Way(path=Path.SOCKET, login_token=_login_token(trace, target, equipment))


_FINDERS = {
    Path.CONNECTOR: _find_connector,
    Path.PRIVATE_IP: _find_private,
    Path.SOCKET: _find_socket,
}


@contextlib.contextmanager
def session(
    trace: Trace,
    way: Way,
    target: Target,
    equipment: Equipment,
    concessions: Concessions,
    purpose: Purpose,
    *,
    database: str = "",
) -> Iterator["Session"]:
    """A logged-in session over a way, in autocommit; ``database``: another one than the target's."""
    from probe.dial.login import login

    plain = _connect(trace, way, target, equipment)
    try:
        stream = _secure(trace, plain, way, target, equipment, concessions)
        user = target.user.removesuffix(".gserviceaccount.com") if target.iam_auth else target.user
        opened = login(
            trace,
            stream,
            user=user,
            password=way.login_token or equipment.password or "",
            database=database or target.database,
            application_name=f"probe/{equipment.run_id}",
            parameters=start_parameters(purpose, local=way.local, known=concessions.parameters),
            budget_s=equipment.timeouts.login_s,
        )
        with opened:
            yield opened
    finally:
        plain.close()


def _connect(trace: Trace, way: Way, target: Target, equipment: Equipment) -> Stream:
    timeouts = equipment.timeouts
    if way.path is Path.SOCKET:
        path = f"{target.socket_dir}/{target.instance}/.s.PGSQL.{target.port}"
        return tcp.connect_unix(trace, path, timeouts.tcp_s)
    addresses = dns.resolve(trace, way.host, timeouts.dns_s)
    port = SERVER_PROXY_PORT if way.path is Path.CONNECTOR else target.port
    return tcp.connect(trace, addresses, port, timeouts.tcp_s)


def _secure(
    trace: Trace,
    plain: Stream,
    way: Way,
    target: Target,
    equipment: Equipment,
    concessions: Concessions,
) -> AnyStream:
    """The stream that the login goes over: stages ``tls`` and ``proxy``, as far as the path has them."""
    timeouts = equipment.timeouts
    if way.path is Path.SOCKET:
        return plain
    if way.context is None:
        trace.skip(Stage.TLS, SkipReason.SWITCHED_OFF)
        return plain
    if way.path is Path.PRIVATE_IP:
        return tls.upgrade(trace, plain, way.context, way.host, timeouts.tls_s)
    secure = tls.handshake(trace, plain, way.context, way.host, timeouts.tls_s)
    if target.proxy_check == "off" or not concessions.ssl_request:
        trace.skip(Stage.PROXY, SkipReason.SWITCHED_OFF)
    else:
        tls.ask_proxy(trace, secure, timeouts.proxy_s)
    return secure


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
