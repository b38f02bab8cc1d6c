"""Stage ``tcp``: the connection itself, over TCP or a Unix socket, and what the kernel knows of it.

A name may have several addresses. As libpq does, and the drivers over it, the stage tries them in the
resolver's order and takes the first that answers; it fails when all have failed.
"""

import errno
import socket
import struct
import time
from dataclasses import replace

from probe.dial.clock import Deadline, Trace
from probe.dial.failures import MAX_MESSAGE, StageFailure, as_failure, error_facts, stage_failure
from probe.dial.stream import Stream
from probe.model.facts import TcpFacts
from probe.model.words import Failure, Stage

TCP_INFO_BYTES = 192
RTT_OFFSET = 68
TOTAL_RETRANSMISSIONS_OFFSET = 100
"""Offsets in Linux's ``struct tcp_info``; both fields are u32, the time in microseconds."""


MAX_ADDRESSES = 8
"""So many of a name's addresses are tried."""
NO_SUCH_FAMILY = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
"""How a machine without IPv6 refuses to dial an IPv6 address."""


def connect(trace: Trace, addresses: tuple[str, ...], port: int, budget_s: float) -> Stream:
    """A stream to the first address that answers. Raises OSError, TimeoutError; of several StageFailure."""
    tried = addresses[:MAX_ADDRESSES]
    trace.endpoint = endpoint(tried[0], port)
    deadline = trace.begin(Stage.TCP, budget_s)
    failures: list[tuple[str, StageFailure]] = []
    for place, address in enumerate(tried):
        trace.endpoint = endpoint(address, port)
        trace.learn(TcpFacts(address=trace.endpoint))
        try:
            return _connect(trace, address, port, _turn(deadline, len(tried) - place), deadline)
        except OSError as error:
            failure = failure_at(address, error)
            if failure is None or len(tried) == 1:
                raise
            failures.append((trace.endpoint, failure))
    raise _all_failed(trace, failures)


def failure_at(address: str, error: OSError) -> StageFailure | None:
    """What this error says of this address; None: it is the probe's own want."""
    if error.errno in NO_SUCH_FAMILY and ":" in address:  # for IPv4 it is the probe's own want
        return StageFailure(Failure.UNREACHABLE, error_facts(error))
    return as_failure(error)


def endpoint(address: str, port: int) -> str:
    """``HOST:PORT``, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _turn(deadline: Deadline, addresses_left: int) -> Deadline:
    """What the next address may take: a fair share of what is left, so that a silent one starves none."""
    return deadline if addresses_left == 1 else Deadline.after(deadline.left_s() / addresses_left)


def _connect(trace: Trace, address: str, port: int, turn: Deadline, deadline: Deadline) -> Stream:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(turn.left_s())
        connection.connect((address, port))
        rtt_s, retransmissions = kernel_figures(connection)
    except BaseException:
        connection.close()
        raise
    trace.learn(TcpFacts(address=endpoint(address, port), rtt_s=rtt_s, retransmissions=retransmissions))
    return Stream(connection, deadline)


def _all_failed(trace: Trace, failures: list[tuple[str, StageFailure]]) -> StageFailure:
    """The last failure, with all of them in its words.

    An address without a route says less than one with: that of an address family which this machine lacks.
    """
    routed = [item for item in failures if item[1].failure is not Failure.UNREACHABLE]
    shown, telling = (routed or failures)[-1]
    trace.endpoint = shown
    trace.learn(TcpFacts(address=shown))
    each = "; ".join(f"{tried}: {failure.error.message}" for tried, failure in failures)
    message = f"all {len(failures)} addresses failed: {each}"[:MAX_MESSAGE]
    return StageFailure(telling.failure, replace(telling.error, message=message))


def connect_unix(trace: Trace, path: str, budget_s: float) -> Stream:
    """A stream to a Unix socket. Raises StageFailure (socket_missing), OSError, TimeoutError."""
    trace.endpoint = path
    deadline = trace.begin(Stage.TCP, budget_s)
    trace.learn(TcpFacts(address=path))
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _connect_unix(connection, path, deadline)
    except FileNotFoundError as error:
        connection.close()
        raise stage_failure(Failure.SOCKET_MISSING, f"{path} does not exist", cause=error) from error
    except BaseException:
        connection.close()
        raise
    return Stream(connection, deadline)


def _connect_unix(connection: socket.socket, path: str, deadline: Deadline) -> None:
    while True:
        connection.settimeout(deadline.left_s())
        try:
            connection.connect(path)
        except BlockingIOError:  # Linux does not wait for a full backlog of a Unix socket
            time.sleep(min(0.02, deadline.left_s()))
        else:
            return


def kernel_figures(connection: socket.socket) -> tuple[float | None, int | None]:
    """Round-trip time in seconds and retransmissions so far; None where the platform does not say."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None, None
    try:
        raw = connection.getsockopt(socket.IPPROTO_TCP, option, TCP_INFO_BYTES)
    except OSError as error:
        if error.errno in {errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EINVAL}:
            return None, None
        raise
    if len(raw) < TOTAL_RETRANSMISSIONS_OFFSET + 4:
        return None, None
    rtt_us = struct.unpack_from("=I", raw, RTT_OFFSET)[0]
    retransmissions = struct.unpack_from("=I", raw, TOTAL_RETRANSMISSIONS_OFFSET)[0]
    # A sandboxed kernel fills the structure with zeros: no figure, rather than a perfect one.
    return (rtt_us / 1e6, retransmissions) if rtt_us else (None, None)
