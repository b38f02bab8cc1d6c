"""The settings file that fits a sandbox, as TOML text."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from probe.model.application import PHASES, Phase
from probe.model.target import Timeouts
from probe.sandbox.staging import DATABASE, INSTANCE_NAME, PROJECT, REGION, ROLE, TABLES, Staging

PASSWORD_ENV = "PROBE_DB_PASSWORD"  # the variable's name
CACHE_PASSWORD_ENV = "PROBE_CACHE_PASSWORD"

DEMO_TIMEOUTS = Timeouts(
    connection_s=4.0,
    admin_api_s=1.5,
    certificate_s=1.5,
    dns_s=1.0,
    tcp_s=1.5,
    tls_s=1.0,
    proxy_s=1.0,
    login_s=1.5,
    query_s=1.0,
)
"""Scaled down, so that a demonstration of a silence is short."""

DEMO_BUDGETS_S = {
    "phase_1_init": 1.0,
    "phase_2_dependencies": 4.0,
    "phase_3_database": 2.5,
    "phase_4_cache": 1.0,
    "phase_5_services": 1.0,
    "phase_6_websocket": 1.0,
    "phase_7_finalize": 1.0,
}
DEMO_PHASES = tuple(replace(phase, budget_s=DEMO_BUDGETS_S[phase.name]) for phase in PHASES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a run on the sandbox takes its time, and for what."""

    timeouts: Timeouts = DEMO_TIMEOUTS
    confirm_after_s: float = 1.0
    samples: int = 3
    interval_s: float = 0.3
    phases: tuple[Phase, ...] = DEMO_PHASES
    connection_timeout_s: float = 1.5
    initialization_timeout_s: float = 2.0
    table_setup_timeout_s: float = 1.0
    checks: tuple[str, ...] | None = None
    """Those of the profile ``scheduled``; None: its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the parts of one sandbox are."""

    admin_api: str
    monitoring: str
    private_host: str
    private_port: int
    socket_dir: Path
    neighbours: Mapping[str, str]
    auth: str
    backend: str
    """The application itself."""
    cache_ca: Path
    """Whoever signed the cache's certificate, where it has one."""


def settings(staging: Staging, endpoints: Endpoints, pace: Pace) -> dict[str, Any]:
    """Return the settings, in the file's structure."""
    return {
        "project": PROJECT,
        "region": REGION,
        "deadline_s": 60.0,
        "confirm_after_s": pace.confirm_after_s,
        "timeouts": asdict(pace.timeouts),
        "sqladmin": {"endpoint": endpoints.admin_api},
        "monitoring": {"enabled": True, "endpoint": endpoints.monitoring, "budget_s": 3.0},
        "egress": {"limit_s": staging.egress_limit_s},
        "route": {"attempts": 2, "interval_s": 0.2},
        "thresholds": {"connection_mean_s": 0.8, "egress_wait_s": staging.egress_wait_s},
        "application": _application(pace),
        "startup": _startup(staging, endpoints, pace),
        "pool": _pool(),
        **({} if pace.checks is None else {"profiles": {"scheduled": {"checks": list(pace.checks)}}}),
        "targets": [_target(staging, endpoints, pace)],
        "neighbours": [{"name": name, "address": address} for name, address in endpoints.neighbours.items()],
    }


def _application(pace: Pace) -> dict[str, Any]:
    # A pool that fits 25 connections, waits no longer than a user does, and budgets that fit each other.
    return {
        "pool_size": 5,
        "max_overflow": 5,
        "max_instances": 1,
        "connection_limit": 25,
        "pool_timeout_cloud_sql_s": 45.0,
        "connection_timeout_s": pace.connection_timeout_s,
        "initialization_timeout_s": pace.initialization_timeout_s,
        "table_setup_timeout_s": pace.table_setup_timeout_s,
        "scaling_delay_s": max(0.0, pace.initialization_timeout_s - pace.connection_timeout_s),
        "minimum_initialization_timeout_s": pace.initialization_timeout_s,
        "minimum_connection_timeout_s": pace.connection_timeout_s,
    }


def _startup(staging: Staging, endpoints: Endpoints, pace: Pace) -> dict[str, Any]:
    analytics = endpoints.neighbours.get("analytics")
    return {
        "secrets": list(staging.secrets),
        "required_tables": list(TABLES),
        "services": [f"http://{analytics}/ping"] * bool(analytics) + [f"http://{endpoints.auth}/health"],
        "websocket": f"ws://{endpoints.backend}/ws",
        "health": f"http://{endpoints.backend}/health",
        "cache": _cache(staging, endpoints),
        "phases": [asdict(phase) for phase in pace.phases],
    }


def _cache(staging: Staging, endpoints: Endpoints) -> dict[str, Any]:
    address = endpoints.neighbours.get("cache", "")
    tls = {"tls": True, "server_ca": str(endpoints.cache_ca)} if staging.cache_tls else {}
    return {"address": address, "password_env": CACHE_PASSWORD_ENV, **tls}


def _pool() -> dict[str, Any]:
    return {
        "workers": 12,
        "step": 3,
        "keep_free": 5,
        "own_role": True,
        "hold_s": 0.3,
        "budget_s": 10.0,
        "capacity_connections": 30,
        # A demonstration may run on a machine with more to do than it can.
        "slower_s": 2.0,
        "start_delay_s": 2.0,
        "saturation_allowed": [INSTANCE_NAME],
    }


def _target(staging: Staging, endpoints: Endpoints, pace: Pace) -> dict[str, Any]:
    return {
        "name": "staging-db",
        "instance": INSTANCE_NAME,
        "paths": list(staging.paths),
        "primary_path": "connector",
        "ip_type": "psc" if staging.dns_name else "private",
        "private_ip": endpoints.private_host,
        "port": endpoints.private_port,
        "tls": "require",
        "socket_dir": str(endpoints.socket_dir),
        "database": DATABASE,
        "user": ROLE,
        "password_env": PASSWORD_ENV,
        "samples": pace.samples,
        "interval_s": pace.interval_s,
    }


def to_toml(tables: Mapping[str, Any], *, within: str = "") -> str:
    """Render a mapping of plain values, tables, and arrays of tables, to any depth.

    ``within`` is the name of the table that the mapping is, with its dots.
    """
    # A JSON string, number, truth value or array of them is one of TOML too.
    plain = [f"{key} = {json.dumps(value)}\n" for key, value in tables.items() if not _is_table(value)]
    blocks = ["".join(plain)]
    for key, value in tables.items():
        name = f"{within}{key}"
        if isinstance(value, Mapping):
            blocks.append(f"[{name}]\n{to_toml(value, within=f'{name}.')}")
        elif _is_table(value):
            blocks += [f"[[{name}]]\n{to_toml(table, within=f'{name}.')}" for table in value]
    return "\n".join(blocks)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and all(isinstance(element, Mapping) for element in value)
    )
