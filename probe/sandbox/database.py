"""Brings PostgreSQL into the state that a staging asks for."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pg8000.dbapi

from probe.sandbox.binaries import SandboxError
from probe.sandbox.cluster import Recovery, create_cluster
from probe.sandbox.postgres import PostgresServer
from probe.sandbox.staging import DATABASE, INSTANCE_NAME, ROLE, TABLES, Postgres, Staging
from probe.sandbox.workspace import Workspace

RECOVERY: dict[Postgres, tuple[Recovery, str]] = {
    "starting": ("starting", "the database system is starting up"),
    "standby": ("standby", "the database system is not accepting connections"),
}
"""The kind of recovery, and what PostgreSQL says meanwhile."""


def start_database(
    stack: ExitStack, workspace: Workspace, staging: Staging, *, password: str, superuser_password: str
) -> tuple[PostgresServer | None, Path, Path]:
    """Start PostgreSQL, unless it shall be down; return it, its own socket, and the built-in socket's folder.

    Raises ``SandboxError`` when it does not come up.
    """
    own, built_in = workspace.folder("pg"), workspace.folder("cloudsql")
    socket_dirs = [own]
    if staging.built_in_socket != "missing":
        served = workspace.folder(f"cloudsql/{INSTANCE_NAME}")
        if staging.built_in_socket == "served":
            socket_dirs.append(served)
        else:
            _leave_stale_socket(served)
    own_socket = own / ".s.PGSQL.5432"
    if staging.postgres == "down":
        return None, own_socket, built_in
    recovery, refusal = RECOVERY.get(staging.postgres, ("none", ""))
    cluster = create_cluster(
        workspace,
        socket_dirs=socket_dirs,
        superuser_password=superuser_password,
        hba_lines=staging.hba,
        recovery=recovery,
    )
    server = stack.enter_context(PostgresServer(cluster, process_group=workspace.process_group))
    if refusal:
        server.await_refusal(refusal)
    else:
        _provision(server, password)
    return server, own_socket, built_in


def break_database(server: PostgresServer, staging: Staging) -> None:
    """Do to a running server what the staging asks for, in the order in which it is still possible.

    Raises ``SandboxError`` where one thing makes another impossible.
    """
    try:
        _break(server, staging)
    except pg8000.dbapi.Error as error:
        raise SandboxError(f"these faults cannot be had together: {error}") from error


def _break(server: PostgresServer, staging: Staging) -> None:
    if staging.application_sql:
        server.execute(*staging.application_sql, database=DATABASE)
    if staging.sql:
        server.execute(*staging.sql)
    server.hold_sessions(staging.held_sessions)
    if staging.locked_catalogue is not None:
        server.hold_lock(staging.locked_catalogue, database=DATABASE)
    if staging.locked_table is not None:
        server.hold_lock(staging.locked_table)
    if staging.login_delay_s:
        server.delay_logins(staging.login_delay_s)
    if staging.postgres == "frozen":
        server.freeze()
    if staging.postgres == "stopping":
        server.hold_sessions(1)
        server.shut_down_smartly()


def _provision(server: PostgresServer, password: str) -> None:
    server.await_ready()
    server.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'", f"CREATE DATABASE {DATABASE}")
    # The role may not read them: a schema check asks the catalogue.
    server.execute(*(f"CREATE TABLE {table} (id bigint)" for table in TABLES), database=DATABASE)


def _leave_stale_socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(folder / ".s.PGSQL.5432"))
