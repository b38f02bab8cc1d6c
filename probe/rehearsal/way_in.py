"""The application's own way in: the stock Cloud SQL connector or pg8000, as its pool calls for a connection.

Nothing here can be interrupted; that is why it runs in a child process.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path as File
from typing import Any

import pg8000.dbapi
from google.cloud.sql.connector import Connector
from pg8000.exceptions import DatabaseError

from probe.dial import tls
from probe.dial.parameters import Known, refused, start_parameters
from probe.dial.postgres import server_failure
from probe.model.words import Failure, Path
from probe.rehearsal.way import WayIn

IP_TYPES = {"private": "PRIVATE", "public": "PUBLIC", "psc": "PSC"}


class Opener:
    """Call it for a connection, from any thread: what a pool takes as its creator.

    A server that does not know our start-up parameters is asked once more without those, and never asked
    for them again.
    """

    def __init__(self, way: WayIn, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._way = way
        self._loop = loop
        self._lock = threading.Lock()
        self._connector: Connector | None = None
        self._private_context = _private_context(way)
        self.known = Known.ALL

    @property
    def parameters_refused(self) -> bool:
        """Whether the server refused some of our start-up parameters."""
        return self.known is not Known.ALL

    def __call__(self) -> Any:
        """A connection. Raises whatever the stock stack raises."""
        while True:
            known = self.known
            try:
                return self._open(known)
            except DatabaseError as error:
                failure = server_failure(as_fields(error))
                if failure.failure is not Failure.PARAMETER_REFUSED or known is Known.NONE:
                    raise
                with self._lock:
                    self.known = refused(known, failure.error.sqlstate) if self.known is known else self.known

    def connector(self) -> Connector:
        """The connector, made at the first call: it finds its credentials then."""
        with self._lock:
            if self._connector is None:
                way = self._way
                self._connector = Connector(
                    ip_type=IP_TYPES[way.target.ip_type],
                    timeout=max(1, round(way.connector_wait_s)),
                    enable_iam_auth=way.target.iam_auth,
                    sqladmin_api_endpoint=way.sqladmin_endpoint or None,
                    loop=self._loop,
                )
            return self._connector

    def _open(self, known: Known) -> Any:
        way = self._way
        parameters = start_parameters(way.purpose, local=way.path is not Path.PRIVATE_IP, known=known)
        return OPENERS[way.path](self, parameters)

    def _over_connector(self, parameters: dict[str, str]) -> Any:
        way = self._way
        options: dict[str, Any] = _login(way, parameters)
        if way.target.iam_auth:
            options["password"] = ""  # the token is the connector's affair; who asks all the same says so
        if way.target.proxy_check == "off" or not way.ssl_request:
            options["ssl_context"] = False
        return self.connector().connect(way.target.instance, "pg8000", db=way.target.database, **options)

    def _over_private_ip(self, parameters: dict[str, str]) -> Any:
        way = self._way
        return pg8000.dbapi.connect(
            host=way.host,
            port=way.target.port,
            database=way.target.database,
            ssl_context=self._private_context,
            **_login(way, parameters),
        )

    def _over_socket(self, parameters: dict[str, str]) -> Any:
        target = self._way.target
        return pg8000.dbapi.connect(
            unix_sock=f"{target.socket_dir}/{target.instance}/.s.PGSQL.{target.port}",
            database=target.database,
            ssl_context=False,
            **_login(self._way, parameters),
        )


OPENERS: dict[Path, Callable[[Opener, dict[str, str]], Any]] = {
    Path.CONNECTOR: Opener._over_connector,  # noqa: SLF001 - of this very class
    Path.PRIVATE_IP: Opener._over_private_ip,  # noqa: SLF001
    Path.SOCKET: Opener._over_socket,  # noqa: SLF001
}


def as_fields(error: DatabaseError) -> dict[str, str]:
    """The fields of the server's error, by their one-letter codes; a text of pg8000's own as the message."""
    said = error.args[0] if error.args else ""
    return said if isinstance(said, dict) else {"M": str(said)}


def _login(way: WayIn, parameters: dict[str, str]) -> dict[str, Any]:
    target = way.target
    return {
        "user": target.user.removesuffix(".gserviceaccount.com") if target.iam_auth else target.user,
        "password": way.login_token or way.password or "",
        "application_name": f"probe/{way.run_id}",
        "startup_params": parameters,
    }


def _private_context(way: WayIn) -> Any:
    """As pg8000 takes it: False is no TLS at all."""
    if way.path is not Path.PRIVATE_IP or way.target.tls == "disable":
        return False
    verified = way.target.tls == "verify-ca"
    authority = File(way.target.server_ca).read_text(encoding="utf-8") if verified else None
    return tls.private_context(server_ca_pem=authority, curve=None)
