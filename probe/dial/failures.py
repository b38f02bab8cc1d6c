"""How an exception becomes a failure: by type, errno and ``__cause__``; by message last.

BaseException
├── StageFailure          the other side failed: one closed word, and what was seen
└── anything else         ``as_failure`` knows the network's own exceptions;
                          what it does not know is the probe's fault (``crashed``)
"""

import errno
import socket
import ssl
from collections.abc import Iterator

from probe.model.facts import ErrorFacts
from probe.model.words import Failure

MAX_MESSAGE = 500
MAX_CHAIN = 16

# What is not here (EMFILE, ENOBUFS, EADDRNOTAVAIL ...) is the probe's own want, not the other side's failure.
ERRNO_FAILURES = {
    errno.ECONNREFUSED: Failure.REFUSED,
    errno.ECONNRESET: Failure.RESET,
    errno.EPIPE: Failure.RESET,
    errno.ECONNABORTED: Failure.RESET,
    errno.EHOSTUNREACH: Failure.UNREACHABLE,
    errno.ENETUNREACH: Failure.UNREACHABLE,
    errno.ENETDOWN: Failure.UNREACHABLE,
    errno.EACCES: Failure.UNREACHABLE,  # a firewall that answers; forbidden by a local rule
    errno.EPERM: Failure.UNREACHABLE,
}

# Some of OpenSSL's reasons for an alert lack the word: TLSV1_UNRECOGNIZED_NAME.
ALERT_PREFIXES = ("SSLV3_", "TLSV1_", "TLSV13_")

# The suffix of OpenSSL's reason for an alert that the peer sent, and what it says of our certificate.
CLIENT_CERTIFICATE_ALERTS = {
    "CERTIFICATE_EXPIRED": Failure.CLIENT_CERTIFICATE_EXPIRED,
    "UNKNOWN_CA": Failure.CLIENT_CERTIFICATE_UNTRUSTED,
    "BAD_CERTIFICATE": Failure.CLIENT_CERTIFICATE_REJECTED,
    "UNSUPPORTED_CERTIFICATE": Failure.CLIENT_CERTIFICATE_REJECTED,
    "CERTIFICATE_REVOKED": Failure.CLIENT_CERTIFICATE_REJECTED,
    "CERTIFICATE_UNKNOWN": Failure.CLIENT_CERTIFICATE_REJECTED,
    "CERTIFICATE_REQUIRED": Failure.CLIENT_CERTIFICATE_REJECTED,
    "ACCESS_DENIED": Failure.CLIENT_CERTIFICATE_REJECTED,
}


class StageFailure(Exception):  # noqa: N818 - it is a failure of the stage, not an error of the probe
    """The other side failed this stage."""

    def __init__(self, failure: Failure, error: ErrorFacts) -> None:
        super().__init__(f"{failure}: {error.message}")
        self.failure = failure
        self.error = error


def stage_failure(failure: Failure, message: str, *, cause: BaseException | None = None) -> StageFailure:
    """A failure that the probe itself recognised, not one that an exception told."""
    name = type(cause).__name__ if cause else "probe"
    return StageFailure(failure, ErrorFacts(type=name, message=message[:MAX_MESSAGE]))


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and everything it came from, outermost first; bounded, since chains may loop."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen and len(seen) < MAX_CHAIN:
        seen.append(current)
        yield current
        current = current.__cause__ or current.__context__


def error_facts(error: BaseException) -> ErrorFacts:
    """The exception in plain words, without a traceback."""
    # An SSLError's number is OpenSSL's, not the system's.
    system = (e for e in causes(error) if isinstance(e, OSError) and not isinstance(e, ssl.SSLError))
    number = next((e.errno for e in system if e.errno), None)
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return ErrorFacts(
        type=name,
        message=(str(error) or name)[:MAX_MESSAGE],
        errno=errno.errorcode.get(number) if number is not None else None,
    )


def as_failure(error: BaseException) -> StageFailure | None:
    """What the network's exception says of the other side; None where it is the probe's own fault."""
    if isinstance(error, StageFailure):
        return error
    for link in causes(error):
        failure = _failure_of(link)
        if failure is not None:
            return StageFailure(failure, error_facts(error))
    return None


def _failure_of(error: BaseException) -> Failure | None:
    if isinstance(error, socket.gaierror):
        return Failure.NAME_NOT_FOUND if error.errno in NO_SUCH_NAME else Failure.NAME_SERVER_FAILED
    if isinstance(error, ssl.SSLError):
        return _tls_failure(error)
    if isinstance(error, TimeoutError):
        return Failure.TIMEOUT
    return ERRNO_FAILURES.get(error.errno or 0) if isinstance(error, OSError) else None


NO_SUCH_NAME = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)
)


def _tls_failure(error: ssl.SSLError) -> Failure:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure.SERVER_CERTIFICATE
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Failure.CLOSED
    reason = getattr(error, "reason", None) or ""  # one that was not raised by OpenSSL has none
    if not reason.startswith(ALERT_PREFIXES):
        return Failure.NOT_TLS
    alert = reason.partition("_")[2].removeprefix("ALERT_")
    return CLIENT_CERTIFICATE_ALERTS.get(alert, Failure.TLS_ALERT)
