"""The settings file that fits a sandbox, as TOML text."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from probe.model.target import Timeouts
from probe.sandbox.staging import DATABASE, INSTANCE_NAME, PROJECT, REGION, ROLE, Staging

PASSWORD_ENV = "PROBE_DB_PASSWORD"  # the variable's name

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a run on the sandbox takes its time."""

    timeouts: Timeouts = DEMO_TIMEOUTS
    confirm_after_s: float = 1.0
    samples: int = 3
    interval_s: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the parts of one sandbox are."""

    admin_api: str
    monitoring: str
    private_host: str
    private_port: int
    socket_dir: Path
    neighbours: Mapping[str, str]


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
        # A pool that fits 25 connections, and waits no longer than a user does.
        "application": {
            "pool_size": 5,
            "max_overflow": 5,
            "max_instances": 1,
            "connection_limit": 25,
            "pool_timeout_cloud_sql_s": 45.0,
        },
        "targets": [_target(staging, endpoints, pace)],
        "neighbours": [{"name": name, "address": address} for name, address in endpoints.neighbours.items()],
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


def to_toml(tables: Mapping[str, Any]) -> str:
    """Render a mapping of plain values, tables of them, and arrays of such tables."""
    plain = {key: value for key, value in tables.items() if not _is_table(value)}
    blocks = [_pairs(plain)]
    for key, value in tables.items():
        if isinstance(value, Mapping):
            blocks.append(f"[{key}]\n{_pairs(value)}")
        elif _is_table(value):
            blocks += [f"[[{key}]]\n{_pairs(table)}" for table in value]
    return "\n".join(blocks)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and all(isinstance(element, Mapping) for element in value)
    )


def _pairs(table: Mapping[str, Any]) -> str:
    # A JSON string, number, truth value or array of them is one of TOML too.
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
