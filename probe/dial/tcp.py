"""Stage ``tcp``: the connection itself, over TCP or a Unix socket, and what the kernel knows of it."""

import errno
import socket
import struct
import time

from probe.dial.clock import Deadline, Trace
from probe.dial.failures import stage_failure
from probe.dial.stream import Stream
from probe.model.facts import TcpFacts
from probe.model.words import Failure, Stage

TCP_INFO_BYTES = 192
RTT_OFFSET = 68
TOTAL_RETRANSMISSIONS_OFFSET = 100
"""Offsets in Linux's ``struct tcp_info``; both fields are u32, the time in microseconds."""


def connect(trace: Trace, address: str, port: int, budget_s: float) -> Stream:
    """A connected stream. Raises OSError, TimeoutError."""
    trace.endpoint = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    deadline = trace.begin(Stage.TCP, budget_s)
    trace.learn(TcpFacts(address=trace.endpoint))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(deadline.left_s())
        connection.connect((address, port))
        rtt_s, retransmissions = kernel_figures(connection)
    except BaseException:
        connection.close()
        raise
    trace.learn(TcpFacts(address=trace.endpoint, rtt_s=rtt_s, retransmissions=retransmissions))
    return Stream(connection, deadline)


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
