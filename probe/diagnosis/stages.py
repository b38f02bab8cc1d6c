"""From a stage's failure to a cause, as far as that path alone can tell."""

from probe.model.cause import Cause
from probe.model.words import Failure, Path, Stage

ADMIN_API = {
    Failure.TIMEOUT: Cause.ADMIN_API_SILENT,
    Failure.REFUSED: Cause.ADMIN_API_REFUSED,
    Failure.RESET: Cause.ADMIN_API_RESET,
    Failure.CLOSED: Cause.ADMIN_API_RESET,
    Failure.UNREACHABLE: Cause.ADMIN_API_UNREACHABLE,
    Failure.PROTOCOL: Cause.ADMIN_API_MALFORMED,
    Failure.CREDENTIALS_MISSING: Cause.CREDENTIALS_MISSING,
    Failure.METADATA_UNAVAILABLE: Cause.METADATA_SERVER_UNAVAILABLE,
    Failure.TOKEN_REFUSED: Cause.TOKEN_REFUSED,
    Failure.TOKEN_EXPIRED: Cause.TOKEN_EXPIRED,
    Failure.TOKEN_ENDPOINT_UNAVAILABLE: Cause.TOKEN_ENDPOINT_UNAVAILABLE,
    Failure.HTTP_BAD_REQUEST: Cause.ADMIN_API_BAD_REQUEST,
    Failure.UNAUTHENTICATED: Cause.ADMIN_API_UNAUTHENTICATED,
    Failure.FORBIDDEN: Cause.ADMIN_API_FORBIDDEN,
    Failure.NOT_FOUND: Cause.INSTANCE_NOT_FOUND,
    Failure.RATE_LIMITED: Cause.ADMIN_API_RATE_LIMITED,
    Failure.SERVER_ERROR: Cause.ADMIN_API_ERROR,
    Failure.NOT_JSON: Cause.ADMIN_API_MALFORMED,
    Failure.MALFORMED: Cause.ADMIN_API_MALFORMED,
    Failure.WRONG_REGION: Cause.WRONG_REGION,
    Failure.WRONG_ENGINE: Cause.WRONG_ENGINE,
    Failure.NO_ADDRESS: Cause.NO_ADDRESS_OF_TYPE,
    Failure.NAME_NOT_FOUND: Cause.NAME_NOT_FOUND,
    Failure.NAME_SERVER_FAILED: Cause.NAME_SERVER_FAILED,
    Failure.NOT_TLS: Cause.ADMIN_API_TLS,
    Failure.TLS_ALERT: Cause.ADMIN_API_TLS,
    Failure.SERVER_CERTIFICATE: Cause.ADMIN_API_TLS,
}

DNS = {
    Failure.NAME_NOT_FOUND: Cause.NAME_NOT_FOUND,
    Failure.NAME_SERVER_FAILED: Cause.NAME_SERVER_FAILED,
    Failure.TIMEOUT: Cause.NAME_SERVER_SILENT,
}

TCP = {
    Failure.TIMEOUT: Cause.NETWORK_SILENT,
    Failure.REFUSED: Cause.ENDPOINT_REFUSED,
    Failure.RESET: Cause.TLS_RESET,  # a refused SYN is REFUSED: this one was accepted first
    Failure.UNREACHABLE: Cause.ROUTE_MISSING,
}

UNIX_SOCKET = {
    Failure.SOCKET_MISSING: Cause.BUILT_IN_SOCKET_MISSING,
    Failure.REFUSED: Cause.BUILT_IN_SOCKET_REFUSED,
    Failure.TIMEOUT: Cause.BUILT_IN_SOCKET_REFUSED,
    Failure.RESET: Cause.BUILT_IN_SOCKET_REFUSED,
    Failure.UNREACHABLE: Cause.BUILT_IN_SOCKET_REFUSED,
}

CERTIFICATES = {
    Failure.SERVER_CERTIFICATE: Cause.SERVER_CERTIFICATE_UNTRUSTED,
    Failure.CLIENT_CERTIFICATE_EXPIRED: Cause.CLIENT_CERTIFICATE_EXPIRED,
    Failure.CLIENT_CERTIFICATE_UNTRUSTED: Cause.CLIENT_CERTIFICATE_UNTRUSTED,
    Failure.CLIENT_CERTIFICATE_REJECTED: Cause.CLIENT_CERTIFICATE_REJECTED,
    Failure.TLS_ALERT: Cause.TLS_ALERT,
}

POSTGRES = {
    Failure.PASSWORD_REJECTED: Cause.PASSWORD_REJECTED,
    Failure.ROLE_NOT_PERMITTED: Cause.ROLE_NOT_PERMITTED,
    Failure.HBA_REJECTED: Cause.HBA_REJECTED,
    Failure.DATABASE_MISSING: Cause.DATABASE_MISSING,
    Failure.DATABASE_CLOSED: Cause.DATABASE_CLOSED,
    Failure.NOT_AUTHORISED: Cause.NOT_AUTHORISED,
    Failure.SLOTS_EXHAUSTED: Cause.SLOTS_EXHAUSTED,
    Failure.ONLY_RESERVED_SLOTS: Cause.ONLY_RESERVED_SLOTS,
    Failure.ROLE_LIMIT: Cause.ROLE_LIMIT_REACHED,
    Failure.DATABASE_LIMIT: Cause.DATABASE_LIMIT_REACHED,
    Failure.STARTING_UP: Cause.DATABASE_STARTING,
    Failure.SHUTTING_DOWN: Cause.DATABASE_STOPPING,
    Failure.NOT_ACCEPTING: Cause.DATABASE_NOT_ACCEPTING,
}

BY_STAGE: dict[Stage, dict[Failure, Cause]] = {
    Stage.ADMIN_API: ADMIN_API,
    Stage.CERTIFICATE: ADMIN_API,
    Stage.DNS: DNS,
    Stage.TCP: TCP,
    Stage.TLS: POSTGRES
    | CERTIFICATES
    | {
        Failure.TIMEOUT: Cause.TLS_SILENT,
        Failure.RESET: Cause.TLS_RESET,
        Failure.CLOSED: Cause.TLS_CLOSED,
        Failure.NOT_TLS: Cause.TLS_NOT_SPOKEN,
        Failure.PROTOCOL: Cause.TLS_NOT_SPOKEN,
        Failure.TLS_DECLINED: Cause.TLS_DECLINED,
        Failure.SQL_ERROR: Cause.LOGIN_REJECTED,
    },
    Stage.PROXY: POSTGRES
    | CERTIFICATES
    | {
        Failure.TIMEOUT: Cause.SERVER_PROXY_SILENT,
        Failure.RESET: Cause.SERVER_PROXY_CLOSED,
        Failure.CLOSED: Cause.SERVER_PROXY_CLOSED,
        Failure.NOT_TLS: Cause.SERVER_PROXY_PROTOCOL,
        Failure.PROTOCOL: Cause.SERVER_PROXY_PROTOCOL,
        Failure.SQL_ERROR: Cause.LOGIN_REJECTED,
    },
    Stage.LOGIN: POSTGRES
    | CERTIFICATES
    | {
        Failure.TIMEOUT: Cause.LOGIN_SILENT,
        Failure.RESET: Cause.LOGIN_BROKEN_OFF,
        Failure.CLOSED: Cause.LOGIN_BROKEN_OFF,
        Failure.TERMINATED: Cause.LOGIN_BROKEN_OFF,
        Failure.NOT_TLS: Cause.LOGIN_PROTOCOL,
        Failure.PROTOCOL: Cause.LOGIN_PROTOCOL,
        Failure.PARAMETER_REFUSED: Cause.LOGIN_REJECTED,
    },
    Stage.QUERY: {
        Failure.TIMEOUT: Cause.QUERY_SILENT,
        Failure.RESET: Cause.QUERY_BROKEN_OFF,
        Failure.CLOSED: Cause.QUERY_BROKEN_OFF,
        Failure.TERMINATED: Cause.QUERY_BROKEN_OFF,
        Failure.NOT_TLS: Cause.QUERY_PROTOCOL,
        Failure.PROTOCOL: Cause.QUERY_PROTOCOL,
        Failure.NOT_AUTHORISED: Cause.NOT_AUTHORISED,
    },
}

OTHERWISE: dict[Stage, Cause] = {
    Stage.ADMIN_API: Cause.ADMIN_API_ERROR,
    Stage.CERTIFICATE: Cause.ADMIN_API_ERROR,
    Stage.DNS: Cause.NAME_SERVER_FAILED,
    Stage.TCP: Cause.ENDPOINT_REFUSED,
    Stage.TLS: Cause.TLS_NOT_SPOKEN,
    Stage.PROXY: Cause.SERVER_PROXY_PROTOCOL,
    Stage.LOGIN: Cause.LOGIN_REJECTED,
    Stage.QUERY: Cause.QUERY_FAILED,
}
"""A failure that a stage's table does not name: the server's own error, mostly."""


def cause_of(path: Path | None, stage: Stage, failure: Failure | None, *, tls: bool = True) -> Cause:
    """The cause that this failure of this stage stands for on this path.

    ``tls``: whether a handshake follows the connect. What resets as soon as it has accepted meets whichever
    stage is under way by then, so the connect's reset has the cause of the next stage's.
    """
    if (stage, failure, tls) == (Stage.TCP, Failure.RESET, False):
        return Cause.LOGIN_BROKEN_OFF
    table = UNIX_SOCKET if path is Path.SOCKET and stage is Stage.TCP else BY_STAGE[stage]
    return table.get(failure, OTHERWISE[stage]) if failure else OTHERWISE[stage]
