"""Stages ``login`` and ``query``: pg8000 on a socket of ours, whose every wait and message is bounded.

Imported late: pg8000 costs 65 ms, and no stage before the login needs it.
"""

import contextlib
import struct
from collections.abc import Callable
from typing import Any, Self, TypeVar

import scramp
from pg8000.core import CoreConnection
from pg8000.exceptions import DatabaseError, InterfaceError

from probe.dial.clock import Deadline, Trace
from probe.dial.failures import StageFailure, as_failure, stage_failure
from probe.dial.postgres import (
    is_unframed_error,
    message_length,
    read_unframed_error,
    server_failure,
)
from probe.dial.stream import AnyStream
from probe.model.facts import LoginFacts, QueryFacts
from probe.model.words import Failure, Stage

T = TypeVar("T")

QUERY = "SELECT 1"
MAX_VERSION = 100
"""Characters of the server's version that are kept."""
ENDS_AFTER_LAST_WORDS = frozenset({Failure.CLOSED, Failure.RESET, Failure.TIMEOUT})
"""However a session ends after the server has said why, the reason is what it said."""

GOODBYE_S = 1.0
"""The most that closing a session may take."""


def login(
    trace: Trace,
    stream: AnyStream,
    *,
    user: str,
    password: str,
    database: str,
    application_name: str,
    parameters: dict[str, str],
    budget_s: float,
) -> "Session":
    """Stage ``login``: start-up packet to ReadyForQuery; ``parameters`` go with the start-up packet."""
    stream.deadline = trace.begin(Stage.LOGIN, budget_s)
    trace.learn(LoginFacts(user=user, database=database))
    wire = _Wire(stream)
    connection = _translated(
        wire,
        lambda: _Connection(
            user,
            database=database,
            password=password,
            startup_params=parameters,
            application_name=application_name,
            sock=wire,
            ssl_context=False,
        ),
    )
    version = connection.parameter_statuses.get("server_version", "")[:MAX_VERSION] or None
    facts = LoginFacts(
        user=user, database=database, server_version=version, backend_pid=connection.backend_pid
    )
    trace.learn(facts)
    return Session(connection, wire)


class Session:
    """A logged-in connection: a context manager that says good-bye at its end, bounded."""

    def __init__(self, connection: "_Connection", wire: "_Wire") -> None:
        self._connection = connection
        self._wire = wire

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._wire.stream.deadline = Deadline.after(GOODBYE_S)
        self._connection.close()

    def rows(self, statement: str, deadline: Deadline) -> list[list[Any]]:
        """What one statement gives, in autocommit. Raises StageFailure, OSError, TimeoutError."""
        self._wire.stream.deadline = deadline
        context = self._execute(statement)
        return list(context.rows or ())

    def query(self, trace: Trace, budget_s: float) -> None:
        """Stage ``query``: one statement in autocommit, one round trip."""
        self._wire.stream.deadline = trace.begin(Stage.QUERY, budget_s)
        trace.learn(QueryFacts(statement=QUERY))
        self._execute(QUERY)

    def _execute(self, statement: str) -> Any:
        try:
            return _translated(self._wire, lambda: self._connection.execute_simple(statement))
        except (StageFailure, OSError) as error:
            last_words, known = self._connection.last_words, as_failure(error)
            if last_words and known and known.failure in ENDS_AFTER_LAST_WORDS:
                raise server_failure(last_words) from error
            raise


class _Connection(CoreConnection):
    """pg8000's connection, keeping the server's last error, which pg8000 drops when the server hangs up."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.last_words: dict[str, str] = {}
        super().__init__(*arguments, **options)

    def close(self) -> None:
        """Say good-bye, which may fail: pg8000 does it before it raises, and would raise that instead."""
        with contextlib.suppress(InterfaceError, OSError):
            super().close()

    @property
    def backend_pid(self) -> int | None:
        """The server process behind this session; behind a pooler, whatever the pooler says."""
        key = self._backend_key_data
        return int(struct.unpack("!i", key[:4])[0]) if key and len(key) >= 4 else None  # noqa: PLR2004 - an Int32

    def handle_AUTHENTICATION_REQUEST(self, octets: bytes, context: Any) -> None:  # noqa: N802 - pg8000's name
        """Tell a server whose SASL mechanisms nobody here speaks from a password that no SCRAM can carry."""
        try:
            super().handle_AUTHENTICATION_REQUEST(octets, context)
        except scramp.ScramException as error:
            if octets[:4] != ASKS_FOR_SASL:
                raise
            if error.server_error is not None:  # of the name or the password: nothing has been sent
                raise RuntimeError(f"the name or the password cannot be sent: {error}") from None
            message = f"the server offers {octets[4:].strip(NUL)!r}: {error}"
            raise stage_failure(Failure.AUTHENTICATION_UNSUPPORTED, message, cause=error) from error

    def handle_ERROR_RESPONSE(self, octets: bytes, context: Any) -> None:  # noqa: N802 - pg8000's name
        """Keep the error, then let pg8000 have it."""
        super().handle_ERROR_RESPONSE(octets, context)
        self.last_words = context.error.args[0]


ASKS_FOR_SASL = struct.pack("!i", 10)
NUL = b"\0"

# What pg8000 raises over a message that is framed right and means nothing (or comes out of turn).
CONTENT_ERRORS = (struct.error, LookupError, ValueError, TypeError, AttributeError, scramp.ScramException)


def _translated(wire: "_Wire", call: Callable[[], T]) -> T:
    """The call's result; what pg8000 raises, in our words."""
    try:
        return call()
    except DatabaseError as error:
        raise server_failure(error.args[0]) from error
    except InterfaceError as error:
        if str(error).startswith("Authentication method"):
            raise stage_failure(Failure.AUTHENTICATION_UNSUPPORTED, str(error), cause=error) from error
        if not wire.heard or isinstance(error.__cause__, OSError):
            raise
        raise _not_the_protocol(error) from error
    except CONTENT_ERRORS as error:
        if not wire.heard:  # nothing to misunderstand yet: the mistake is ours
            raise
        raise _not_the_protocol(error) from error


def _not_the_protocol(error: Exception) -> StageFailure:
    message = f"not PostgreSQL's protocol: {type(error).__name__}: {error}"
    return stage_failure(Failure.PROTOCOL, message, cause=error)


class _Wire:
    """What pg8000 takes for a socket and its file: exact reads, framing checked before it is believed."""

    def __init__(self, stream: AnyStream) -> None:
        self.stream = stream
        self._received = bytearray()
        self._unsent = bytearray()
        self._header_next = True
        self._broken = False
        self._unsent_because: ConnectionError | None = None
        self.heard = False
        """Whether a whole message came."""

    def makefile(self, mode: str) -> "_Wire":
        """Itself: pg8000 reads and writes through this."""
        del mode
        return self

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes: a header of five, then its body, in turn."""
        try:
            octets = self._whole(size)
        except BaseException as error:
            self._broken = True
            if self._unsent_because and isinstance(error, StageFailure) and error.failure is Failure.CLOSED:
                raise self._unsent_because from error
            raise
        del self._received[:size]
        self.heard = self.heard or not self._header_next
        self._header_next = not self._header_next
        return octets

    def _whole(self, size: int) -> bytes:
        self.stream.deadline.left_s()  # a flood that is here already costs time as well
        while len(self._received) < size:
            self._received += self.stream.receive()
        octets = bytes(self._received[:size])
        if self._header_next and not self.heard and is_unframed_error(octets):
            raise read_unframed_error(self.stream, bytes(self._received))
        if self._header_next:
            message_length(octets)
        return octets

    def write(self, octets: bytes) -> None:
        """Keep until the flush; one packet each, since each flush is a round trip."""
        self._unsent += octets

    def flush(self) -> None:
        """Send what was written; nothing on a broken stream (pg8000 says good-bye on those as well)."""
        octets = bytes(self._unsent)
        self._unsent.clear()
        if not self._broken:
            try:
                self.stream.send(octets)
            except ConnectionError as error:  # it may have said why before it left: the next read tells
                self._unsent_because = error
            except BaseException:
                self._broken = True
                raise

    def close(self) -> None:
        """Close at once."""
        self.stream.close()
