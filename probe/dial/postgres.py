"""PostgreSQL's own words: what its errors mean, and the frame of its messages."""

import struct

from probe.dial.failures import MAX_MESSAGE, StageFailure, stage_failure
from probe.dial.stream import AnyStream
from probe.model.facts import ErrorFacts
from probe.model.words import Failure

HEADER_BYTES = 5
MAX_MESSAGE_BYTES = 1024 * 1024
MAX_UNFRAMED_BYTES = 1000
"""PostgreSQL's own bound for an error without a length."""
BACKEND_MESSAGES = frozenset(b"RSKZTECDN123sntdcAGHI")
"""The message types that PostgreSQL sends a client of protocol 3.0, and that pg8000 takes."""

SQLSTATE_FAILURES = {
    "28P01": Failure.PASSWORD_REJECTED,
    "3D000": Failure.DATABASE_MISSING,
    "55000": Failure.DATABASE_CLOSED,
    "42501": Failure.NOT_AUTHORISED,
    "42704": Failure.PARAMETER_REFUSED,
    "57P01": Failure.TERMINATED,
    "57P02": Failure.TERMINATED,
    "57P04": Failure.TERMINATED,
    "57P05": Failure.TERMINATED,
}
# The function that raised the error tells apart what shares a SQLSTATE, in any language of the server...
ROUTINE_FAILURES = {
    ("53300", "InitializeSessionUserId"): Failure.ROLE_LIMIT,
    ("53300", "CheckMyDatabase"): Failure.DATABASE_LIMIT,
    ("53300", "InitProcess"): Failure.SLOTS_EXHAUSTED,
    ("28000", "InitializeSessionUserId"): Failure.ROLE_NOT_PERMITTED,
    ("28000", "ClientAuthentication"): Failure.HBA_REJECTED,
}
# ... and the message where the function is the same, or a server proxy rewrote the error.
MESSAGE_FAILURES = (
    ("53300", "connections for role", Failure.ROLE_LIMIT),
    ("53300", "connections for database", Failure.DATABASE_LIMIT),
    ("53300", "reserved", Failure.ONLY_RESERVED_SLOTS),
    ("53300", "", Failure.SLOTS_EXHAUSTED),
    ("28000", "not permitted to log in", Failure.ROLE_NOT_PERMITTED),
    ("28000", "pg_hba.conf", Failure.HBA_REJECTED),
    ("28000", "does not exist", Failure.PASSWORD_REJECTED),
    ("08P01", "unsupported startup parameter", Failure.PARAMETER_REFUSED),  # a pooler's way to say it
    ("57P03", "starting up", Failure.STARTING_UP),
    ("57P03", "shutting down", Failure.SHUTTING_DOWN),
    ("57P03", "", Failure.NOT_ACCEPTING),
)


def server_failure(fields: dict[str, str]) -> StageFailure:
    """What PostgreSQL's ErrorResponse says; its fields by their one-letter codes."""
    sqlstate, message = fields.get("C", ""), fields.get("M", "")
    failure = SQLSTATE_FAILURES.get(sqlstate) or ROUTINE_FAILURES.get((sqlstate, fields.get("R", "")))
    if failure is None:
        matches = (f for state, text, f in MESSAGE_FAILURES if state == sqlstate and text in message)
        failure = next(matches, Failure.SQL_ERROR)
    error = ErrorFacts(
        type="ErrorResponse", message=message[:MAX_MESSAGE] or "no message", sqlstate=sqlstate or None
    )
    return StageFailure(failure, error)


def read_error_response(stream: AnyStream, begun: bytes) -> StageFailure:
    """The ErrorResponse that began with these bytes, as a failure. Raises StageFailure (protocol) itself."""
    octets = begun
    while len(octets) < HEADER_BYTES:
        octets += stream.receive()
    if is_unframed_error(octets):
        return read_unframed_error(stream, octets)
    while len(octets) < 1 + message_length(octets):
        octets += stream.receive()
    body = octets[HEADER_BYTES : 1 + message_length(octets)]
    fields = {
        part[:1].decode("latin-1"): part[1:].decode("utf8", "replace") for part in body.split(b"\0") if part
    }
    return server_failure(fields)


def is_unframed_error(header: bytes) -> bool:
    """Whether an error without a length begins here: text stands where the length would be."""
    return header[:1] == b"E" and all(0x20 <= octet < 0x7F for octet in header[1:HEADER_BYTES])  # noqa: PLR2004 - ASCII


def read_unframed_error(stream: AnyStream, begun: bytes) -> StageFailure:
    """The error that began with these bytes, in protocol 2.0's form: text up to a NUL.

    PostgreSQL still writes it where it cannot fork a process for the connection. Raises StageFailure
    (protocol) where no NUL ends it in time.
    """
    octets = begun
    while b"\0" not in octets and len(octets) <= MAX_UNFRAMED_BYTES:
        try:
            octets += stream.receive()
        except (StageFailure, OSError):  # it left, or fell silent, without ending what it said
            break
    text, ended, _rest = octets[1:].partition(b"\0")
    if not ended:
        raise stage_failure(Failure.PROTOCOL, f"not PostgreSQL's protocol: {octets[:32]!r}")
    return server_failure({"M": text.decode("utf8", "replace").strip()})


def message_length(header: bytes) -> int:
    """Bytes of the message after its type, its own four included. Raises StageFailure (protocol)."""
    length = int(struct.unpack("!i", header[1:HEADER_BYTES])[0])
    if header[0] not in BACKEND_MESSAGES or not 4 <= length <= MAX_MESSAGE_BYTES:  # noqa: PLR2004 - its own 4 bytes
        raise stage_failure(Failure.PROTOCOL, f"not PostgreSQL's protocol: {header[:32]!r}")
    return length
