"""Somebody else who takes the slots while the probe fills its pool."""

import socket
import threading
from contextlib import ExitStack, closing, suppress
from types import TracebackType
from typing import Any, Self

import pg8000.dbapi

from probe.sandbox.cluster import MAX_CONNECTIONS, RESERVED_CONNECTIONS, SUPERUSER
from probe.sandbox.packets import start_up
from probe.sandbox.postgres import STRANGER, PostgresServer
from probe.sandbox.relay import connect_unix
from probe.sandbox.staging import DATABASE

POLL_S = 0.005
ANSWER_S = 5.0
REFUSED = b"E"
OURS = """
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND starts_with(application_name, 'probe/') AND datname = %s
"""
EVERYBODY = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


class Crowd:
    """Waits in a thread for ``at`` sessions of the probe, then takes every slot that is not reserved.

    Its clients stay in the middle of their logins. Those hold slots that pg_stat_activity does not show yet:
    a guard that only looks there learns of them by being refused. They come once and stay until the crowd
    leaves, or the server's authentication_timeout of a minute is over; what the probe lets go of is free.
    """

    def __init__(self, server: PostgresServer, *, at: int) -> None:
        self._server = server
        self._at = at
        self.came = threading.Event()
        """Set once the slots are taken."""
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._thread.join()

    def _run(self) -> None:
        # A server that stops, or has no slot left even for a superuser, ends it in good order.
        with suppress(OSError, pg8000.dbapi.Error), ExitStack() as clients:
            watch = clients.enter_context(closing(self._server.session(application_name=STRANGER)))
            cursor = clients.enter_context(closing(watch.cursor()))
            while _count(cursor, OURS, DATABASE) < self._at:
                if self._leaving.wait(POLL_S):
                    return
            self._fill(cursor, clients)
            self.came.set()
            self._leaving.wait()

    def _fill(self, cursor: Any, clients: ExitStack) -> None:
        taken = 0
        while (free := MAX_CONNECTIONS - RESERVED_CONNECTIONS - _count(cursor, EVERYBODY) - taken) > 0:
            came = [clients.enter_context(self._begin_login()) for _ in range(free)]
            # Whoever is asked for the password has a slot.
            if any(client.recv(1) == REFUSED for client in came):
                return
            taken += free

    def _begin_login(self) -> socket.socket:
        client = connect_unix(self._server.socket_path)
        client.settimeout(ANSWER_S)
        client.sendall(start_up(user=SUPERUSER, database=SUPERUSER))
        return client


def _count(cursor: Any, question: str, *arguments: str) -> int:
    cursor.execute(question, arguments)
    return int(cursor.fetchone()[0])
