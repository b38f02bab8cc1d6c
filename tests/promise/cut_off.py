"""Cuts the way between a ramp and its database silently, and says how long the server keeps the slots.

``test_cut_off.py`` starts it in a network namespace of its own, where the loopback interface can be taken
down: no packet gets through and nobody is told, while PostgreSQL stays reachable over its Unix socket. One
argument: ``connector`` (behind the server proxy, PostgreSQL sees a local peer), or ``direct`` (its own port).
"""

import fcntl
import json
import socket
import struct
import sys
import time
from pathlib import Path

from probe.sandbox.environment import Environment, sandbox
from probe.sandbox.postgres import PostgresServer
from probe.sandbox.settings_file import Pace
from tests.promise.runs import running, sessions, until

GIVEN_UP_S = 30.0
PACE = Pace(samples=1, confirm_after_s=0.0, interval_s=0.1, checks=("cloudsql", "pool"))
SLOW = {"PROBE_POOL__HOLD_S": "40", "PROBE_POOL__BUDGET_S": "50", "PROBE_DEADLINE_S": "120"}

GET_FLAGS, SET_FLAGS, UP = 0x8913, 0x8914, 1
DIRECT = "127.0.0.1"
"""Nobody else is in this namespace."""
REQUEST = "16sh22x"
"""Linux's ``struct ifreq``, as far as flags go."""


def switch(name: str, *, up: bool) -> None:
    """Take a network interface up or down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, GET_FLAGS, struct.pack(REQUEST, name.encode(), 0))
        flags = struct.unpack(REQUEST, request)[1]
        wanted = flags | UP if up else flags & ~UP
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack(REQUEST, name.encode(), wanted))


def listening_itself(environment: Environment, server: PostgresServer) -> Path:
    """PostgreSQL on a TCP port of its own, without anything in front; settings that lead there."""
    hba = Path(server.execute("SHOW hba_file")[0][0])
    hba.write_text(f"host all all {DIRECT}/32 scram-sha-256\n" + hba.read_text())
    server.execute(f"ALTER SYSTEM SET listen_addresses = '{DIRECT}'")
    server.stop()
    server.start()
    server.await_ready()
    replaced = {
        "paths": '["private_ip"]',
        "primary_path": '"private_ip"',
        "tls": '"disable"',
        "private_ip": f'"{DIRECT}"',
        "port": "5432",
    }
    lines = environment.settings_path.read_text().splitlines()
    settings = environment.settings_path.with_name("direct.toml")
    settings.write_text("".join(f"{_replaced(line, replaced)}\n" for line in lines))
    return settings


def _replaced(line: str, values: dict[str, str]) -> str:
    key = line.partition(" = ")[0]
    return f"{key} = {values[key]}" if key in values else line


def main(way: str) -> dict[str, float | int]:
    switch("lo", up=True)
    with sandbox((), pace=PACE) as environment:
        server = environment.postgres
        assert server is not None
        settings = listening_itself(environment, server) if way == "direct" else environment.settings_path
        with running(environment, "--check", "pool", settings=settings, wishes=SLOW):
            until(lambda: sessions(server) >= 6)
            time.sleep(0.5)
            held = sessions(server)
            switch("lo", up=False)
            freed_s = until(lambda: sessions(server) == 0, limit_s=GIVEN_UP_S)
    return {"held": held, "freed_s": freed_s}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
