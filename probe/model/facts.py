"""What a stage learned, typed for each stage. Times in seconds, ``None`` where it could not be read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminApiFacts:
    """From the credentials and ``connectSettings``."""

    endpoint: str
    token_s: float | None = None
    """Share of the stage that went into obtaining an access token."""
    http_status: int | None = None
    region: str | None = None
    database_version: str | None = None
    address_types: tuple[str, ...] = ()
    """``PRIMARY``, ``PRIVATE`` and ``PSC``, as far as the instance has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """From ``generateEphemeralCert``."""

    http_status: int | None = None
    expires_at: str | None = None
    """RFC 3339."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsFacts:
    """From the resolver."""

    name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpFacts:
    """From the connection; the kernel's figures tell a lost SYN from a slow path."""

    address: str
    """``HOST:PORT``, or the path of a Unix socket."""
    rtt_s: float | None = None
    """TCP_INFO's smoothed round-trip time right after the connect."""
    retransmissions: int | None = None
    """TCP_INFO's ``tcpi_total_retrans``: SYNs sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """From the handshake."""

    version: str | None = None
    cipher: str | None = None
    server_certificate_expires_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFacts:
    """From the SSLRequest inside TLS."""

    answer: str | None = None
    """``N`` is what a server proxy answers: no TLS inside TLS."""
    dialled_again: bool = False
    """The first dial was reset at the SSLRequest; this one left it out (``proxy_check = "auto"``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFacts:
    """From PostgreSQL's start-up and authentication."""

    user: str
    database: str
    server_version: str | None = None
    backend_pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFacts:
    """From the query."""

    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressFacts:
    """From the wait for the first outbound connection."""

    address: str
    attempts: int
    wait_s: float | None = None


StageFacts = (
    AdminApiFacts
    | CertificateFacts
    | DnsFacts
    | TcpFacts
    | TlsFacts
    | ProxyFacts
    | LoginFacts
    | QueryFacts
    | EgressFacts
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFacts:
    """What went wrong, in the words of whoever said it; already redacted."""

    type: str
    """The exception's qualified name."""
    message: str
    errno: str | None = None
    """Symbolic, ``ECONNREFUSED``."""
    sqlstate: str | None = None
    http_status: int | None = None
