"""Faults of TLS and of the server proxy behind it."""

from probe.model.cause import Cause
from probe.sandbox.faults.fault import Fault
from probe.sandbox.staging import Staging

TLS_FAULTS: dict[str, Fault] = {
    "tls-silent": Fault("3307 accepts and never answers", Cause.TLS_SILENT, Staging(tampering="tls-silent")),
    "tls-drip": Fault(
        "3307 begins its handshake a byte at a time, for ever",
        Cause.TLS_SILENT,
        Staging(tampering="tls-drip"),
    ),
    "reset-on-accept": Fault(
        "3307 resets what it accepts", Cause.TLS_RESET, Staging(tampering="reset-on-accept")
    ),
    "closed-on-accept": Fault(
        "3307 closes what it accepts", Cause.TLS_CLOSED, Staging(tampering="closed-on-accept")
    ),
    "tls-reset": Fault(
        "3307 resets in the middle of the handshake", Cause.TLS_RESET, Staging(tampering="tls-reset")
    ),
    "tls-closed": Fault(
        "3307 closes in the middle of the handshake", Cause.TLS_CLOSED, Staging(tampering="tls-closed")
    ),
    "not-tls": Fault("3307 answers in plain text", Cause.TLS_NOT_SPOKEN, Staging(tampering="not-tls")),
    "wrong-server-ca": Fault(
        "another authority signed 3307's certificate",
        Cause.SERVER_CERTIFICATE_UNTRUSTED,
        Staging(server_certificate="foreign"),
    ),
    "tls-alert": Fault("3307 knows nothing newer than TLS 1.2", Cause.TLS_ALERT, Staging(newest_tls="1.2")),
    "client-cert-expired": Fault(
        "the client certificate expired an hour ago",
        Cause.CLIENT_CERTIFICATE_EXPIRED,
        Staging(client_certificate="expired"),
    ),
    "client-cert-expired-no-alert": Fault(
        "the client certificate expired, and 3307 resets without saying so",
        Cause.CLIENT_CERTIFICATE_EXPIRED,
        Staging(client_certificate="expired", alerts=False),
    ),
    "client-cert-foreign": Fault(
        "another authority signed the client certificate",
        Cause.CLIENT_CERTIFICATE_UNTRUSTED,
        Staging(client_certificate="foreign"),
    ),
    "client-cert-foreign-no-alert": Fault(
        "another authority signed the client certificate, and 3307 resets without saying so",
        Cause.SERVER_PROXY_CLOSED,
        Staging(client_certificate="foreign", alerts=False),
    ),
    "client-cert-wrong-usage": Fault(
        "the client certificate is one for servers",
        Cause.CLIENT_CERTIFICATE_REJECTED,
        Staging(client_certificate="wrong-usage"),
    ),
    "silent-after-tls": Fault(
        "the server proxy is silent after TLS",
        Cause.SERVER_PROXY_SILENT,
        Staging(tampering="silent-after-tls"),
    ),
    "closed-after-tls": Fault(
        "the server proxy closes after TLS", Cause.SERVER_PROXY_CLOSED, Staging(tampering="closed-after-tls")
    ),
    "reset-after-tls": Fault(
        "the server proxy resets after TLS", Cause.SERVER_PROXY_CLOSED, Staging(tampering="reset-after-tls")
    ),
    "garbage-after-tls": Fault(
        "something that is not PostgreSQL answers inside TLS",
        Cause.SERVER_PROXY_PROTOCOL,
        Staging(tampering="garbage-after-tls"),
    ),
    "sslrequest-refused": Fault(
        "the server proxy resets on an SSLRequest inside TLS",
        Cause.SSLREQUEST_REFUSED,
        Staging(tampering="sslrequest-refused"),
    ),
    "private-tls-declined": Fault(
        "PostgreSQL's own port offers no TLS", Cause.TLS_DECLINED, Staging(private_tls=False)
    ),
}
