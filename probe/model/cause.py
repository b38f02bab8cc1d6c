"""Every cause that a finding can name. What each means stands in ``probe.diagnosis.catalogue``."""

from enum import StrEnum


class Cause(StrEnum):
    """A closed enum: a rule that wants another one adds it here and to the catalogue."""

    # The probe itself
    PROBE_CRASHED = "probe_crashed"
    NOT_MEASURED = "not_measured"
    REHEARSAL_CRASHED = "rehearsal_crashed"
    PROBE_OVERLOADED = "probe_overloaded"
    RAMP_NOT_GUARDED = "ramp_not_guarded"
    ANOTHER_PROBE_BUSY = "another_probe_busy"
    CONNECTIONS_LEFT_BEHIND = "connections_left_behind"
    METRICS_UNAVAILABLE = "metrics_unavailable"
    METRICS_REFUSED = "metrics_refused"
    METRICS_PARTLY_REFUSED = "metrics_partly_refused"
    METRICS_SILENT = "metrics_silent"

    # Credentials
    CREDENTIALS_MISSING = "credentials_missing"
    METADATA_SERVER_UNAVAILABLE = "metadata_server_unavailable"
    TOKEN_REFUSED = "token_refused"  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_ENDPOINT_UNAVAILABLE = "token_endpoint_unavailable"  # noqa: S105
    ADMIN_API_UNAUTHENTICATED = "admin_api_unauthenticated"
    ADMIN_API_FORBIDDEN = "admin_api_forbidden"

    # Admin API
    ADMIN_API_BAD_REQUEST = "admin_api_bad_request"
    INSTANCE_NOT_FOUND = "instance_not_found"
    ADMIN_API_RATE_LIMITED = "admin_api_rate_limited"
    ADMIN_API_ERROR = "admin_api_error"
    ADMIN_API_MALFORMED = "admin_api_malformed"
    ADMIN_API_SILENT = "admin_api_silent"
    ADMIN_API_REFUSED = "admin_api_refused"
    ADMIN_API_RESET = "admin_api_reset"
    ADMIN_API_UNREACHABLE = "admin_api_unreachable"
    ADMIN_API_TLS = "admin_api_tls"
    WRONG_REGION = "wrong_region"
    WRONG_ENGINE = "wrong_engine"
    NO_ADDRESS_OF_TYPE = "no_address_of_type"

    # Name resolution
    NAME_NOT_FOUND = "name_not_found"
    NAME_SERVER_FAILED = "name_server_failed"
    NAME_SERVER_SILENT = "name_server_silent"

    # The way there
    EGRESS_SLOW = "egress_slow"
    CONNECTOR_OR_ROUTE_SILENT = "connector_or_route_silent"
    NETWORK_SILENT = "network_silent"
    ENDPOINT_SILENT = "endpoint_silent"
    ENDPOINT_REFUSED = "endpoint_refused"
    ROUTE_MISSING = "route_missing"
    NEIGHBOUR_UNREACHABLE = "neighbour_unreachable"
    BUILT_IN_SOCKET_MISSING = "built_in_socket_missing"
    BUILT_IN_SOCKET_REFUSED = "built_in_socket_refused"

    # TLS and the server proxy
    TLS_SILENT = "tls_silent"
    TLS_RESET = "tls_reset"
    TLS_CLOSED = "tls_closed"
    TLS_NOT_SPOKEN = "tls_not_spoken"
    TLS_DECLINED = "tls_declined"
    TLS_ALERT = "tls_alert"
    SERVER_CERTIFICATE_UNTRUSTED = "server_certificate_untrusted"
    CLIENT_CERTIFICATE_EXPIRED = "client_certificate_expired"
    CLIENT_CERTIFICATE_UNTRUSTED = "client_certificate_untrusted"
    CLIENT_CERTIFICATE_REJECTED = "client_certificate_rejected"
    SERVER_PROXY_SILENT = "server_proxy_silent"
    SERVER_PROXY_CLOSED = "server_proxy_closed"
    SERVER_PROXY_PROTOCOL = "server_proxy_protocol"
    SSLREQUEST_REFUSED = "sslrequest_refused"

    # PostgreSQL
    DATABASE_DOWN = "database_down"
    DATABASE_SILENT = "database_silent"
    DATABASE_STARTING = "database_starting"
    DATABASE_STOPPING = "database_stopping"
    DATABASE_NOT_ACCEPTING = "database_not_accepting"
    LOGIN_SILENT = "login_silent"
    LOGIN_BROKEN_OFF = "login_broken_off"
    LOGIN_PROTOCOL = "login_protocol"
    LOGIN_REJECTED = "login_rejected"
    PASSWORD_REJECTED = "password_rejected"  # noqa: S105
    ROLE_NOT_PERMITTED = "role_not_permitted"
    HBA_REJECTED = "hba_rejected"
    DATABASE_MISSING = "database_missing"
    DATABASE_CLOSED = "database_closed"
    NOT_AUTHORISED = "not_authorised"
    SLOTS_EXHAUSTED = "slots_exhausted"
    ONLY_RESERVED_SLOTS = "only_reserved_slots"
    ROLE_LIMIT_REACHED = "role_limit_reached"
    DATABASE_LIMIT_REACHED = "database_limit_reached"
    PARAMETERS_REFUSED = "parameters_refused"
    QUERY_SILENT = "query_silent"
    QUERY_BROKEN_OFF = "query_broken_off"
    QUERY_PROTOCOL = "query_protocol"
    QUERY_FAILED = "query_failed"
    SLOW_CONNECTION = "slow_connection"

    # The application's start-up
    STARTUP_FAILED = "startup_failed"
    STARTUP_SLOW = "startup_slow"
    SECRET_MISSING = "secret_missing"  # noqa: S105
    STARTUP_DATABASE_FAILED = "startup_database_failed"
    REQUIRED_TABLE_MISSING = "required_table_missing"
    SCHEMA_CHECK_SLOW = "schema_check_slow"
    CACHE_UNREACHABLE = "cache_unreachable"
    CACHE_PASSWORD_REJECTED = "cache_password_rejected"  # noqa: S105
    CACHE_SILENT = "cache_silent"
    SERVICE_UNAVAILABLE = "service_unavailable"
    WEBSOCKET_NOT_READY = "websocket_not_ready"
    APPLICATION_UNHEALTHY = "application_unhealthy"

    # Connections under load, and room for the pool
    CONNECTIONS_UNDER_PRESSURE = "connections_under_pressure"
    LOGINS_FAIL_BESIDE_RAMP = "logins_fail_beside_ramp"
    CONNECTS_SLOW_UNDER_LOAD = "connects_slow_under_load"
    POOL_EXHAUSTED = "pool_exhausted"
    POOL_EXCEEDS_SERVER_LIMIT = "pool_exceeds_server_limit"
    FLEET_EXCEEDS_SERVER_LIMIT = "fleet_exceeds_server_limit"
    POOL_DOES_NOT_FIT_NOW = "pool_does_not_fit_now"
    ROLE_LIMIT_BELOW_POOL = "role_limit_below_pool"

    # Configuration: advice, with its arithmetic
    POOL_EXCEEDS_LIMIT = "pool_exceeds_limit"
    FLEET_EXCEEDS_LIMIT = "fleet_exceeds_limit"
    INITIALIZATION_BUDGET_SHORT = "initialization_budget_short"
    CONNECTION_TIMEOUT_SHORT = "connection_timeout_short"
    CONNECTOR_TIMEOUT_SHORT = "connector_timeout_short"
    USER_WAIT_LONG = "user_wait_long"
    SOURCES_DISAGREE = "sources_disagree"
    GATEWAY_AS_TARGET = "gateway_as_target"
