"""A visitor of the sandbox, written by hand and by another way than the product's own."""

import json
import socket
import ssl
import struct
import tempfile
import tomllib
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pg8000.dbapi
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from probe.sandbox.environment import Environment

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
TIMEOUT_S = 3.0
BROKEN_OFF = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
"""What a reset inside TLS becomes: the ssl module may lose the errno. An end in good order is ``b""``."""
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_KEY_PEM = (
    KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
PRIVATE_KEY_PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


def client_context(server_ca_pem: str, client_certificate_pem: str | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=server_ca_pem)
    if client_certificate_pem is not None:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with tempfile.NamedTemporaryFile("w") as pem:
            pem.write(client_certificate_pem + PRIVATE_KEY_PEM)
            pem.flush()
            context.load_cert_chain(pem.name)
    return context


def dial(address: tuple[str, int], context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = socket.create_connection(address, timeout=TIMEOUT_S)
    try:
        return context.wrap_socket(raw, suppress_ragged_eofs=False)
    except BaseException:
        raw.close()
        raise


def admin_api(environment: Environment, call: str, body: dict[str, str] | None = None) -> Any:
    url = f"{settings(environment)['sqladmin']['endpoint']}/sql/v1beta4/projects/netra-staging/instances/"
    request = urllib.request.Request(  # noqa: S310 - the sandbox's own address
        url + "staging-shared-postgres" + call,
        data=json.dumps(body).encode() if body else None,
        headers={"Authorization": "Bearer token", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
        return json.load(response)


def connector_context(environment: Environment) -> ssl.SSLContext:
    ca = admin_api(environment, "/connectSettings")["serverCaCert"]["cert"]
    signed = admin_api(environment, ":generateEphemeralCert", {"public_key": PUBLIC_KEY_PEM})
    return client_context(ca, signed["ephemeralCert"]["cert"])


def dial_connector(environment: Environment) -> ssl.SSLSocket:
    return dial((environment.host, 3307), connector_context(environment))


def dial_private(environment: Environment) -> ssl.SSLSocket:
    raw = socket.create_connection(
        (environment.host, environment.private_front.listener.port), timeout=TIMEOUT_S
    )
    try:
        raw.sendall(SSL_REQUEST)
        assert raw.recv(1) == b"S"
        return client_context(admin_api(environment, "/connectSettings")["serverCaCert"]["cert"]).wrap_socket(
            raw
        )
    except BaseException:
        raw.close()
        raise


def dial_unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(TIMEOUT_S)
        sock.connect(str(path))
    except BaseException:
        sock.close()
        raise
    return sock


def built_in_socket(environment: Environment) -> Path:
    target = settings(environment)["targets"][0]
    return Path(target["socket_dir"], target["instance"], ".s.PGSQL.5432")


def select_one(sock: socket.socket, password: str, **arguments: Any) -> Any:
    with sock, closing(log_in(sock, password, **arguments)) as connection:
        connection.autocommit = True
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchall()


def log_in(sock: socket.socket, password: str, *, database: str = "netra", **arguments: Any) -> Any:
    # No SSLRequest of the driver's own.
    return pg8000.dbapi.Connection(  # type: ignore[no-untyped-call]
        "probe", database=database, password=password, sock=sock, ssl_context=False, **arguments
    )


def sqlstate(sock: socket.socket, password: str, **arguments: Any) -> tuple[str, str]:
    """The SQLSTATE and message of the error that a login ends in."""
    try:
        select_one(sock, password, **arguments)
    except pg8000.dbapi.Error as error:
        told: Any = error if isinstance(error, pg8000.dbapi.DatabaseError) else error.__context__
        while not isinstance(told, pg8000.dbapi.DatabaseError):  # hidden when the server has hung up already
            told = told.__context__
        return told.args[0]["C"], told.args[0]["M"]
    raise AssertionError("the login succeeded")


def settings(environment: Environment) -> dict[str, Any]:
    return tomllib.loads(environment.settings_path.read_text())
