"""The calls of each phase as anybody would write them: what a rehearsal's phases are compared with.

``python -m tests.rehearsal.by_hand`` reads a pickled request from standard input and prints the seconds of
each phase as JSON. In a process of its own, like the rehearsal: nothing is warm.
"""

import base64
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from typing import Any

import google.auth
import google.auth.transport.requests
import httpx
import redis
from google.cloud.sql.connector import Connector
from sqlalchemy import create_engine, text

from probe.model.application import PhaseKind
from probe.rehearsal.request import StartupRequest
from probe.rehearsal.startup import prepare

SCOPES = ["https://www.googleapis.com/auth/sqlservice.admin"]


def dependencies(asked: StartupRequest) -> None:
    credentials: Any
    credentials, _project = google.auth.default(scopes=SCOPES)
    credentials.refresh(google.auth.transport.requests.Request())
    project, _region, name = asked.target.instance.rsplit(":", 2)
    url = f"{asked.sqladmin_endpoint}/sql/v1beta4/projects/{project}/instances/{name}/connectSettings"
    with httpx.Client(verify=False, trust_env=False) as client:  # noqa: S501 - a stand-in on loopback
        client.get(url, headers={"Authorization": f"Bearer {credentials.token}"}).raise_for_status()


def database(asked: StartupRequest) -> None:
    connector = Connector(ip_type="PRIVATE", sqladmin_api_endpoint=asked.sqladmin_endpoint)
    target = asked.target
    engine = create_engine(
        "postgresql+pg8000://",
        creator=lambda: connector.connect(
            target.instance, "pg8000", user=target.user, password=asked.password, db=target.database
        ),
    )
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        connection.execute(text("SELECT count(*) FROM pg_catalog.pg_class WHERE relname = 'users'"))
    engine.dispose()


def cache(asked: StartupRequest) -> None:
    host, _colon, port = asked.startup.cache.address.rpartition(":")
    with redis.Redis(host=host, port=int(port), password=asked.cache_password, protocol=2) as client:
        client.ping()


def services(asked: StartupRequest) -> None:
    for url in asked.startup.services:
        httpx.get(url, verify=False, trust_env=False)  # noqa: S501


def websocket(asked: StartupRequest) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    url = asked.startup.websocket.replace("ws:", "http:")
    with httpx.Client(verify=False, trust_env=False) as client:  # noqa: S501
        client.send(client.build_request("GET", url, headers=headers), stream=True).close()


def finalize(asked: StartupRequest) -> None:
    httpx.get(asked.startup.health, verify=False, trust_env=False)  # noqa: S501


CALLS: dict[PhaseKind, Callable[[StartupRequest], None]] = {
    PhaseKind.DEPENDENCIES: dependencies,
    PhaseKind.DATABASE: database,
    PhaseKind.CACHE: cache,
    PhaseKind.SERVICES: services,
    PhaseKind.WEBSOCKET: websocket,
    PhaseKind.FINALIZE: finalize,
}


def main() -> None:
    asked = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the test
    prepare()
    took: dict[str, float] = {}
    for kind, call in CALLS.items():
        begun = time.monotonic()
        call(asked)
        took[kind] = time.monotonic() - begun
    sys.stdout.write(json.dumps(took))
    sys.stdout.flush()
    os._exit(0)  # the connector's threads are not waited for


if __name__ == "__main__":
    main()
