"""Faults of Google's own APIs: credentials, Admin API, Cloud Monitoring."""

from probe.model.cause import Cause
from probe.sandbox.faults.fault import Fault
from probe.sandbox.staging import Staging

GOOGLE_CLOUD_FAULTS: dict[str, Fault] = {
    "admin-400": Fault(
        "connectSettings answers 400", Cause.ADMIN_API_BAD_REQUEST, Staging(connect_settings="status:400")
    ),
    "admin-401": Fault(
        "connectSettings answers 401", Cause.ADMIN_API_UNAUTHENTICATED, Staging(connect_settings="status:401")
    ),
    "admin-403": Fault(
        "connectSettings answers 403", Cause.ADMIN_API_FORBIDDEN, Staging(connect_settings="status:403")
    ),
    "admin-404": Fault(
        "connectSettings answers 404", Cause.INSTANCE_NOT_FOUND, Staging(connect_settings="status:404")
    ),
    "admin-429": Fault(
        "connectSettings answers 429", Cause.ADMIN_API_RATE_LIMITED, Staging(connect_settings="status:429")
    ),
    "admin-500": Fault(
        "connectSettings answers 500", Cause.ADMIN_API_ERROR, Staging(connect_settings="status:500")
    ),
    "admin-html": Fault(
        "connectSettings answers a web page", Cause.ADMIN_API_MALFORMED, Staging(connect_settings="html")
    ),
    "admin-malformed": Fault(
        "connectSettings answers other JSON", Cause.ADMIN_API_MALFORMED, Staging(connect_settings="malformed")
    ),
    "admin-silent": Fault(
        "connectSettings is never answered", Cause.ADMIN_API_SILENT, Staging(connect_settings="silent")
    ),
    "admin-drip": Fault(
        "connectSettings is answered a byte at a time, for ever",
        Cause.ADMIN_API_SILENT,
        Staging(connect_settings="drip"),
    ),
    "admin-reset": Fault(
        "connectSettings is answered with a reset", Cause.ADMIN_API_RESET, Staging(connect_settings="reset")
    ),
    "admin-closed": Fault(
        "connectSettings is answered by hanging up", Cause.ADMIN_API_RESET, Staging(connect_settings="closed")
    ),
    "admin-refused": Fault(
        "nobody listens at the Admin API's address",
        Cause.ADMIN_API_REFUSED,
        Staging(admin_endpoint="refused"),
    ),
    "admin-unreachable": Fault(
        "there is no route to the Admin API",
        Cause.ADMIN_API_UNREACHABLE,
        Staging(admin_endpoint="unreachable"),
    ),
    "admin-not-tls": Fault(
        "the Admin API's address speaks no TLS", Cause.ADMIN_API_TLS, Staging(admin_endpoint="https")
    ),
    "cert-401": Fault(
        "generateEphemeralCert answers 401",
        Cause.ADMIN_API_UNAUTHENTICATED,
        Staging(generate_ephemeral_cert="status:401"),
    ),
    "cert-403": Fault(
        "generateEphemeralCert answers 403",
        Cause.ADMIN_API_FORBIDDEN,
        Staging(generate_ephemeral_cert="status:403"),
    ),
    "cert-404": Fault(
        "generateEphemeralCert answers 404",
        Cause.INSTANCE_NOT_FOUND,
        Staging(generate_ephemeral_cert="status:404"),
    ),
    "cert-429": Fault(
        "generateEphemeralCert answers 429",
        Cause.ADMIN_API_RATE_LIMITED,
        Staging(generate_ephemeral_cert="status:429"),
    ),
    "cert-500": Fault(
        "generateEphemeralCert answers 500",
        Cause.ADMIN_API_ERROR,
        Staging(generate_ephemeral_cert="status:500"),
    ),
    "cert-html": Fault(
        "generateEphemeralCert answers a web page",
        Cause.ADMIN_API_MALFORMED,
        Staging(generate_ephemeral_cert="html"),
    ),
    "cert-malformed": Fault(
        "generateEphemeralCert answers other JSON",
        Cause.ADMIN_API_MALFORMED,
        Staging(generate_ephemeral_cert="malformed"),
    ),
    "cert-silent": Fault(
        "generateEphemeralCert is never answered",
        Cause.ADMIN_API_SILENT,
        Staging(generate_ephemeral_cert="silent"),
    ),
    "wrong-region": Fault(
        "the instance is in another region", Cause.WRONG_REGION, Staging(region="europe-west1")
    ),
    "wrong-engine": Fault(
        "the instance is a MySQL server", Cause.WRONG_ENGINE, Staging(database_version="MYSQL_8_0")
    ),
    "no-private-address": Fault(
        "the instance has no private address", Cause.NO_ADDRESS_OF_TYPE, Staging(private_address=None)
    ),
    "credentials-missing": Fault(
        "there are no credentials at all", Cause.CREDENTIALS_MISSING, Staging(credentials="missing")
    ),
    "token-refused": Fault(
        "the token endpoint refuses the credentials", Cause.TOKEN_REFUSED, Staging(credentials="refused")
    ),
    "token-expired": Fault(
        "the metadata server issues expired tokens", Cause.TOKEN_EXPIRED, Staging(metadata="expired")
    ),
    "token-endpoint-down": Fault(
        "there is no way to the token endpoint",
        Cause.TOKEN_ENDPOINT_UNAVAILABLE,
        Staging(credentials="endpoint-down"),
    ),
    "token-endpoint-html": Fault(
        "the token endpoint answers a web page",
        Cause.TOKEN_ENDPOINT_UNAVAILABLE,
        Staging(credentials="endpoint-html"),
    ),
    "metadata-down": Fault(
        "nobody listens at the metadata server's address",
        Cause.METADATA_SERVER_UNAVAILABLE,
        Staging(metadata="down"),
    ),
    "metadata-silent": Fault(
        "the metadata server never answers", Cause.METADATA_SERVER_UNAVAILABLE, Staging(metadata="silent")
    ),
    "monitoring-unavailable": Fault(
        "Cloud Monitoring is unavailable", Cause.METRICS_UNAVAILABLE, Staging(monitoring="unavailable")
    ),
    "monitoring-refusing": Fault(
        "Cloud Monitoring refuses the writer", Cause.METRICS_REFUSED, Staging(monitoring="refusing")
    ),
    "monitoring-partly-refusing": Fault(
        "Cloud Monitoring refuses some of the points",
        Cause.METRICS_PARTLY_REFUSED,
        Staging(monitoring="partly-refusing"),
    ),
    "monitoring-silent": Fault(
        "Cloud Monitoring never answers", Cause.METRICS_SILENT, Staging(monitoring="silent")
    ),
}
