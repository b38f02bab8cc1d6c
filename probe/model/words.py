"""The closed vocabularies: everything the probe can say is a member of one of these enums."""

from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt, or one stage of it, ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not attempted, or cut off before it could end: says nothing about the target."""
    CRASHED = "crashed"
    """The probe itself went wrong: never the target's fault."""


class Stage(StrEnum):
    """An ordered step on the way to the database; each has a budget in ``[timeouts]``."""

    ADMIN_API = "admin_api"
    """Credentials, then ``connectSettings``: where the instance is and whom to trust."""
    CERTIFICATE = "certificate"
    """``generateEphemeralCert``: the client certificate for the server proxy."""
    DNS = "dns"
    TCP = "tcp"
    """The connection itself; on the ``socket`` path the connection to the Unix socket."""
    TLS = "tls"
    PROXY = "proxy"
    """One SSLRequest inside TLS: makes the server proxy judge the client certificate."""
    LOGIN = "login"
    QUERY = "query"


class Path(StrEnum):
    """A way to the database."""

    CONNECTOR = "connector"
    """Admin API, then mTLS to the server proxy on port 3307: what the Cloud SQL connectors do."""
    PRIVATE_IP = "private_ip"
    """PostgreSQL's own port at the private address."""
    SOCKET = "socket"
    """The Unix socket that Cloud Run's built-in proxy serves under ``/cloudsql``."""


class Check(StrEnum):
    """A function that tests one thing."""

    EGRESS = "egress"
    CONFIGURATION = "configuration"
    ROUTE = "route"
    CLOUDSQL = "cloudsql"
    STARTUP = "startup"
    """The application's start-up, rehearsed with its own stack."""
    POOL = "pool"
    CAPACITY = "capacity"
    HERD = "herd"


class Failure(StrEnum):
    """Why a stage failed, as far as the stage alone can tell. A diagnosis makes a cause of it."""

    # Any stage that talks to somebody
    TIMEOUT = "timeout"
    """Nothing came within the budget."""
    REFUSED = "refused"
    RESET = "reset"
    CLOSED = "closed"
    """The other side closed the connection in good order, too early."""
    UNREACHABLE = "unreachable"
    """The kernel or a router said that there is no way: EHOSTUNREACH, ENETUNREACH, EACCES."""
    PROTOCOL = "protocol"
    """What came back is not the protocol that was expected."""

    # Credentials and the Admin API
    CREDENTIALS_MISSING = "credentials_missing"
    METADATA_UNAVAILABLE = "metadata_unavailable"
    TOKEN_REFUSED = "token_refused"  # noqa: S105
    """The token endpoint refuses to issue a token (``invalid_grant``, say)."""
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    """The token endpoint issues tokens that have expired already."""
    TOKEN_ENDPOINT_UNAVAILABLE = "token_endpoint_unavailable"  # noqa: S105
    """The token endpoint of the credentials is out of reach, silent, or answers with no token."""
    HTTP_BAD_REQUEST = "http_bad_request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    NOT_JSON = "not_json"
    MALFORMED = "malformed"
    """JSON, but not the answer that the API promises."""
    WRONG_REGION = "wrong_region"
    WRONG_ENGINE = "wrong_engine"
    NO_ADDRESS = "no_address"
    """The instance has no address of the wanted type."""

    # DNS
    NAME_NOT_FOUND = "name_not_found"
    NAME_SERVER_FAILED = "name_server_failed"

    # TLS
    NOT_TLS = "not_tls"
    TLS_DECLINED = "tls_declined"
    """PostgreSQL answered the SSLRequest with ``N``: it offers no TLS."""
    SERVER_CERTIFICATE = "server_certificate"
    """The server's certificate does not verify against the expected CA or name."""
    CLIENT_CERTIFICATE_EXPIRED = "client_certificate_expired"
    CLIENT_CERTIFICATE_UNTRUSTED = "client_certificate_untrusted"
    CLIENT_CERTIFICATE_REJECTED = "client_certificate_rejected"
    """Another alert about the client certificate."""
    TLS_ALERT = "tls_alert"
    """The handshake was broken off with an alert that is not about the client certificate."""

    # Unix socket
    SOCKET_MISSING = "socket_missing"

    # PostgreSQL
    PASSWORD_REJECTED = "password_rejected"  # noqa: S105
    ROLE_NOT_PERMITTED = "role_not_permitted"
    """The role exists but may not log in (NOLOGIN)."""
    HBA_REJECTED = "hba_rejected"
    DATABASE_MISSING = "database_missing"
    DATABASE_CLOSED = "database_closed"
    """The database does not accept connections (``ALLOW_CONNECTIONS false``)."""
    NOT_AUTHORISED = "not_authorised"
    """SQLSTATE 42501: no CONNECT privilege, or no right to what the query reads."""
    SLOTS_EXHAUSTED = "slots_exhausted"
    ONLY_RESERVED_SLOTS = "only_reserved_slots"
    ROLE_LIMIT = "role_limit"
    DATABASE_LIMIT = "database_limit"
    STARTING_UP = "starting_up"
    SHUTTING_DOWN = "shutting_down"
    NOT_ACCEPTING = "not_accepting"
    """SQLSTATE 57P03 in any other state: in recovery, say."""
    TERMINATED = "terminated"
    """The server ended this connection (SQLSTATE 57P01 to 57P05)."""
    PARAMETER_REFUSED = "parameter_refused"
    """SQLSTATE 42704: the server does not know a start-up parameter."""
    AUTHENTICATION_UNSUPPORTED = "authentication_unsupported"
    SQL_ERROR = "sql_error"
    """Any other error the server reported; its SQLSTATE stands in the facts."""

    # The application's start-up
    SECRET_MISSING = "secret_missing"  # noqa: S105
    """An environment variable or file that the application needs is not there, or empty."""
    TABLE_MISSING = "table_missing"
    """A required table does not exist."""
    UNHEALTHY = "unhealthy"
    """An HTTP endpoint answers, and not that it is well."""


class SkipReason(StrEnum):
    """Why something was not attempted, or was cut off."""

    LITERAL_ADDRESS = "literal_address"
    EARLIER_STAGE_FAILED = "earlier_stage_failed"
    REPEATED_FAILURE = "repeated_failure"
    """Two identical failures ended the sampling."""
    SWITCHED_OFF = "switched_off"
    NOT_CONFIGURED = "not_configured"
    BUSY = "busy"
    """Another probe fills a pool of this instance."""
    NO_GUARD = "no_guard"
    """What keeps a ramp harmless cannot be had: the lock, or the server's limits."""
    DEADLINE = "deadline"
    INTERRUPTED = "interrupted"


class Severity(StrEnum):
    """How bad a finding is."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Verdict(StrEnum):
    """The answer of a run."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"
    INCONCLUSIVE = "inconclusive"


class Category(StrEnum):
    """The contract's categories of causes."""

    VPC_CONNECTOR_FAILURE = "vpc_connector_failure"
    DATABASE_TIMEOUT = "database_timeout"
    CAPACITY_CONSTRAINT = "capacity_constraint"
    STARTUP_FAILURE = "startup_failure"
    CREDENTIALS_FAILURE = "credentials_failure"
    CONFIGURATION_ERROR = "configuration_error"
    TLS_FAILURE = "tls_failure"
    DATABASE_UNAVAILABLE = "database_unavailable"
    SERVICE_UNAVAILABLE = "service_unavailable"
    PROBE_FAULT = "probe_fault"


class Layer(StrEnum):
    """What is at fault, from the probe outwards."""

    PROBE = "probe"
    CONFIGURATION = "configuration"
    CREDENTIALS = "credentials"
    ADMIN_API = "admin_api"
    DNS = "dns"
    NETWORK = "network"
    """The VPC connector or the route behind it."""
    ENDPOINT = "endpoint"
    """One private endpoint: its address, port or firewall rule, while others answer."""
    SERVER_PROXY = "server_proxy"
    """Cloud SQL's proxy in front of PostgreSQL, port 3307."""
    BUILT_IN_PROXY = "built_in_proxy"
    """Cloud Run's proxy behind ``/cloudsql``."""
    DATABASE = "database"
    NEIGHBOUR = "neighbour"
    CACHE = "cache"
    SERVICE = "service"
    """A service over HTTP or WebSocket: one that the application calls, or the application itself."""
    APPLICATION = "application"
    MONITORING = "monitoring"


class Blame(StrEnum):
    """Whom a cause speaks of; the verdict follows from it."""

    TARGET = "target"
    """The target's own path is broken: on the primary path that is ``down``."""
    PROBE = "probe"
    """The probe lacks an identity, a permission or a slot of its own: the target was not measured."""
    NOBODY = "nobody"
    """Advice: never decides the verdict."""
