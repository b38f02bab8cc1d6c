"""Calls to Cloud Monitoring that end in time: the channel, and tries again within one budget."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any

from probe.dial.redaction import Redaction
from probe.model.facts import ErrorFacts
from probe.model.words import Failure
from probe.sinks.monitoring_bounds import MESSAGE_CHARACTERS, CallFailed, Deadline

SERVICE = "monitoring.googleapis.com:443"
METHOD = "/google.monitoring.v3.MetricService/"

MOST_TRIES = 5
FIRST_PAUSE_S = 0.25

# The names are those of grpc.StatusCode.
RETRIED = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
FAILURES = {
    "DEADLINE_EXCEEDED": Failure.TIMEOUT,
    "PERMISSION_DENIED": Failure.FORBIDDEN,
    "UNAUTHENTICATED": Failure.UNAUTHENTICATED,
    "INVALID_ARGUMENT": Failure.HTTP_BAD_REQUEST,
    "NOT_FOUND": Failure.NOT_FOUND,
    "RESOURCE_EXHAUSTED": Failure.RATE_LIMITED,
    "UNIMPLEMENTED": Failure.PROTOCOL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """The way to the service, and what the service may echo but nobody may read."""

    grpc: Any
    redaction: Redaction = field(default_factory=Redaction)


@contextmanager
def connected(endpoint: str, deadline: Deadline, credentials: Any = None) -> Iterator[Channel]:
    """A channel to the service; plaintext to ``HOST:PORT`` if ``endpoint`` names one.

    Opens no connection: the first call does. Without ``credentials`` the Application Default Credentials are
    taken. Raises ``CallFailed`` where there is no usable token before the deadline.
    """
    import grpc

    # Tries again are ours, and bounded; until then a lost connection is dialled anew without a long pause.
    options = [("grpc.enable_retries", 0), ("grpc.initial_reconnect_backoff_ms", 100)]
    redaction = Redaction()
    if endpoint:
        direct = [*options, ("grpc.enable_http_proxy", 0)]
        channel = grpc.insecure_channel(endpoint, direct)  # type: ignore[no-untyped-call]
    else:
        from probe.sinks.monitoring_identity import access_token

        token = access_token(credentials, deadline)
        redaction.add(token)
        channel = grpc.secure_channel(SERVICE, _authorised(token), options)  # type: ignore[no-untyped-call]
    with channel:
        yield Channel(grpc=channel, redaction=redaction)


def call(channel: Channel, method: str, request: Any, response: Any, deadline: Deadline) -> Any:
    """The method's response.

    ``request`` is a protobuf message, ``response`` the class of the answer. Tries again after UNAVAILABLE and
    DEADLINE_EXCEEDED, ``MOST_TRIES`` times in all. Raises ``CallFailed``, never later than the deadline.
    """
    stub = channel.grpc.unary_unary(
        METHOD + method,
        request_serializer=type(request).SerializeToString,
        response_deserializer=response.FromString,
    )
    pauses_s, may_have_arrived = _pauses_s(), False
    while True:
        try:
            return _once(stub, request, deadline)
        except CallFailed as failed:
            failed.error = channel.redaction.clean(failed.error)
            failed.may_have_arrived = may_have_arrived
            pause_s = next(pauses_s, inf)
            if not failed.passing or pause_s >= deadline.left_s:
                raise
            may_have_arrived = may_have_arrived or failed.failure is not Failure.REFUSED
        time.sleep(pause_s)


def _pauses_s() -> Iterator[float]:
    """The pauses between the tries: each twice as long as the one before, less up to a half by chance."""
    for number in range(MOST_TRIES - 1):
        yield FIRST_PAUSE_S * 2**number * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _once(stub: Any, request: Any, deadline: Deadline) -> Any:
    import grpc

    if not deadline.left_s:
        error = ErrorFacts(type="TimeoutError", message="The budget was used up before the call.")
        raise CallFailed(Failure.TIMEOUT, error)
    try:
        return stub(request, timeout=deadline.left_s)
    except grpc.RpcError as error:
        raise _failed(error) from error


def _authorised(token: str) -> Any:
    import grpc

    identity = grpc.access_token_call_credentials(token)  # type: ignore[no-untyped-call]
    tls = grpc.ssl_channel_credentials()  # type: ignore[no-untyped-call]
    return grpc.composite_channel_credentials(tls, identity)  # type: ignore[no-untyped-call]


def _failed(error: Any) -> CallFailed:
    code, message = error.code().name, error.details() or ""
    failure = FAILURES.get(code, Failure.SERVER_ERROR)
    # gRPC has no status of its own for a refused connection.
    if code == "UNAVAILABLE" and "Connection refused" in message:
        failure = Failure.REFUSED
    trailers = dict(error.trailing_metadata() or ())
    return CallFailed(
        failure,
        ErrorFacts(type=f"grpc.StatusCode.{code}", message=message[:MESSAGE_CHARACTERS]),
        status=trailers.get("grpc-status-details-bin", b""),
        passing=code in RETRIED,
    )
