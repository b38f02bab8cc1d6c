"""Stage ``dns``: the system's own resolver, bounded (libc alone takes 10 s for a silent server)."""

import ipaddress
import socket

from probe.dial.bounded import bounded
from probe.dial.clock import Deadline, Trace
from probe.dial.failures import stage_failure
from probe.model.facts import DnsFacts
from probe.model.words import Failure, SkipReason, Stage


def resolve(trace: Trace, host: str, budget_s: float) -> tuple[str, ...]:
    """The addresses of ``host``, at least one; a literal address skips the stage."""
    if is_literal(host):
        trace.skip(Stage.DNS, SkipReason.LITERAL_ADDRESS)
        return (host,)
    deadline = trace.begin(Stage.DNS, budget_s)
    trace.learn(DnsFacts(name=host))
    addresses = lookup(host, deadline)
    trace.learn(DnsFacts(name=host, addresses=addresses))
    return addresses


def is_literal(host: str) -> bool:
    """Whether the host is an address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def lookup(host: str, deadline: Deadline) -> tuple[str, ...]:
    """The name's addresses in the resolver's order, at least one. Raises socket.gaierror, TimeoutError."""
    try:
        # As bytes: Python's own IDNA codec refuses long labels with an error of another kind.
        name = host.encode("ascii") if host.isascii() else host.encode("idna")
    except UnicodeError as error:
        raise stage_failure(Failure.NAME_NOT_FOUND, f"not a host name: {error}", cause=error) from error
    answers = bounded(lambda: socket.getaddrinfo(name, None, type=socket.SOCK_STREAM), deadline)
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))
