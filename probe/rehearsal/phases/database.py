"""Phase ``database``: the application's engine, its first connection and query, and the schema."""

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text

from probe.dial import tcp
from probe.dial.bounded import bounded
from probe.dial.clock import Deadline
from probe.dial.failures import stage_failure
from probe.dial.parameters import Purpose
from probe.dial.paths import SERVER_PROXY_PORT
from probe.model.words import Failure, Path
from probe.rehearsal.act import Act
from probe.rehearsal.kit import Kit
from probe.rehearsal.phases.dependencies import ask_google
from probe.rehearsal.way import WayIn
from probe.rehearsal.way_in import Opener

GOODBYE_S = 1.0
"""The most that giving the connection back may take."""
DEFAULT_SCHEMA = "public"
TABLES = text(
    "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND CAST(c.relname AS text) = ANY(CAST(:names AS text[]))"
)
"""Tables, partitioned and foreign ones, views and materialised views."""


def database(act: Act) -> bool:
    """Connect and query within the application's initialisation budget, then look at the schema.

    SQLAlchemy's dialect has queries of its own, before ours: they are part of the first query. The
    connection is closed at the end: the slot is free again before the next phase.
    """
    request = act.kit.request
    budget_s = request.application.initialization_timeout_s
    initialised = act.begin("connect", budget_s, endpoint=_endpoint(act.kit))
    opener = Opener(_way_in(act, initialised))
    with _engine(act, opener, initialised) as engine, engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1").scalar_one()
        if request.startup.required_tables:
            act.begin("schema_check", request.application.table_setup_timeout_s)
            _check_schema(act, connection)
    return True


@contextlib.contextmanager
def _engine(act: Act, opener: Opener, initialised: Deadline) -> Iterator[Engine]:
    """As the application makes it; closed at the end, bounded: the end of the process closes the rest."""
    application = act.kit.request.application

    def connect() -> Any:
        connection = opener()
        try:
            act.begin("first_query", initialised.left_s())
        except BaseException:  # too late: no pool has it yet that would close it
            with contextlib.suppress(Exception):
                connection.close()
            raise
        return connection

    engine = create_engine(
        "postgresql+pg8000://",
        creator=connect,
        pool_size=application.pool_size,
        max_overflow=application.max_overflow,
        pool_timeout=application.pool_wait_s,
        pool_recycle=max(1, round(application.pool_recycle_s)),
        pool_pre_ping=application.pool_pre_ping,
    )
    try:
        yield engine
    finally:
        act.findings.parameters_refused = opener.parameters_refused
        with contextlib.suppress(TimeoutError):
            bounded(engine.dispose, Deadline.after(GOODBYE_S))


def _way_in(act: Act, deadline: Deadline) -> WayIn:
    kit = act.kit
    request, target, application = kit.request, kit.request.target, kit.request.application
    wants_token = target.iam_auth and request.path is not Path.CONNECTOR
    if (request.asks_for_address and not kit.address) or (wants_token and not kit.login_token):
        ask_google(kit, deadline)  # no phase before did
        act.findings.endpoint = _endpoint(kit)
    return WayIn(
        target=target,
        path=request.path,
        run_id=request.run_id,
        # Longer than any step: the steps' own budgets end them, as the application's would.
        purpose=Purpose(
            statement_s=max(application.initialization_timeout_s, application.table_setup_timeout_s)
        ),
        password=request.password,
        login_token=kit.login_token if wants_token else None,
        host=target.private_ip or kit.address,
        connector_wait_s=application.connector_wait_s,
        sqladmin_endpoint=request.sqladmin_endpoint,
    )


def _endpoint(kit: Kit) -> str:
    """Where the way in leads, as far as it is known: the connector asks for the address itself."""
    target = kit.request.target
    if kit.request.path is Path.SOCKET:
        return f"{target.socket_dir}/{target.instance}/.s.PGSQL.{target.port}"
    direct = kit.request.path is Path.PRIVATE_IP
    host = target.private_ip or kit.address if direct else kit.address
    return tcp.endpoint(host, target.port if direct else SERVER_PROXY_PORT) if host else target.instance


def _check_schema(act: Act, connection: Connection) -> None:
    wanted = {name: _qualified(name) for name in act.kit.request.startup.required_tables}
    rows = connection.execute(TABLES, {"names": [table for _schema, table in wanted.values()]})
    there = {(str(schema), str(table)) for schema, table in rows}
    act.findings.missing = tuple(name for name, table in wanted.items() if table not in there)
    if act.findings.missing:
        raise stage_failure(Failure.TABLE_MISSING, f"no table: {', '.join(act.findings.missing)}")


def _qualified(name: str) -> tuple[str, str]:
    schema, _dot, table = name.rpartition(".")
    return schema or DEFAULT_SCHEMA, table
