"""What goes with the start-up packet, so that the server lets go of a connection should the probe die."""

from dataclasses import dataclass
from enum import Enum

LET_GO_S = 5.0
"""The server ends a session of ours that has been idle for so long; what is held longer is kept alive."""
CHECK_S = 1.0
"""How often the server looks whether the client of a running statement is still there."""
UNACKNOWLEDGED_S = 8.0
KEEPALIVES = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}


class Known(Enum):
    """Which parameters the server knows."""

    ALL = "all"
    """PostgreSQL 14 and later."""
    OLD = "old"
    """What every version knows."""
    NONE = "none"
    """A pooler, which passes none on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a connection is for, as far as the server has to know: seconds."""

    statement_s: float
    """The longest that one of its statements may take."""
    idle_s: float = LET_GO_S
    """The longest that it is silent."""


def start_parameters(purpose: Purpose, *, local: bool, known: Known = Known.ALL) -> dict[str, str]:
    """The parameters by name, in PostgreSQL's units.

    ``local``: behind a proxy PostgreSQL sees a local peer, where the ``tcp_*`` parameters do nothing.
    """
    if known is Known.NONE:
        return {}
    parameters = {"statement_timeout": _milliseconds(purpose.statement_s)}
    if not local:
        parameters |= KEEPALIVES
    if known is Known.ALL:
        parameters["idle_session_timeout"] = _milliseconds(purpose.idle_s)
        parameters["client_connection_check_interval"] = _milliseconds(CHECK_S)
        if not local:
            parameters["tcp_user_timeout"] = _milliseconds(UNACKNOWLEDGED_S)
    return parameters


def refused(known: Known, sqlstate: str | None) -> Known:
    """What to try next, after a server that was given what is ``known`` answered with this SQLSTATE."""
    unknown_parameter = "42704"  # a pooler has words of its own for it
    return Known.OLD if known is Known.ALL and sqlstate == unknown_parameter else Known.NONE


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
