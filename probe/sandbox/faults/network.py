"""Faults of the way there: names, ports, paths."""

from probe.model.cause import Cause
from probe.sandbox.faults.fault import Fault
from probe.sandbox.resolver import cannot_bind_name_server, cannot_replace_resolver
from probe.sandbox.staging import NO_ROUTE, Staging

PSC_NAME = "db.example.internal"
IMPOSSIBLE_NAME = f"{'x' * 64}.example.internal"
"""A label is 63 bytes at most: libc says at once that there is no such name."""

NETWORK_FAULTS: dict[str, Fault] = {
    "name-not-found": Fault(
        "the instance's name does not exist",
        Cause.NAME_NOT_FOUND,
        Staging(dns_name=IMPOSSIBLE_NAME, private_address=None),
    ),
    "resolver-down": Fault(
        "nobody listens at the name server's address",
        Cause.NAME_SERVER_FAILED,
        Staging(dns_name=PSC_NAME, private_address=None, resolver="refusing"),
        cannot_replace_resolver,
    ),
    "resolver-silent": Fault(
        "the name server never answers",
        Cause.NAME_SERVER_SILENT,
        Staging(dns_name=PSC_NAME, private_address=None, resolver="silent"),
        cannot_bind_name_server,
    ),
    "proxy-refused": Fault(
        "port 3307 refuses connections", Cause.ENDPOINT_REFUSED, Staging(proxy_port="refused")
    ),
    "proxy-blackhole": Fault("port 3307 answers no SYN", Cause.ENDPOINT_SILENT, Staging(proxy_port="silent")),
    "everything-silent": Fault(
        "no private endpoint answers a SYN",
        Cause.CONNECTOR_OR_ROUTE_SILENT,
        Staging(proxy_port="silent", private_port="silent", cache_port="silent", analytics_port="silent"),
    ),
    "lone-blackhole": Fault(
        "port 3307 answers no SYN, and nothing else is there to compare",
        Cause.NETWORK_SILENT,
        Staging(proxy_port="silent", paths=("connector",), neighbours=False),
    ),
    "instance-unreachable": Fault(
        "there is no route to the instance's address",
        Cause.ROUTE_MISSING,
        Staging(private_address=NO_ROUTE, paths=("connector", "socket")),
    ),
    "neighbour-down": Fault(
        "the cache refuses connections", Cause.NEIGHBOUR_UNREACHABLE, Staging(cache_port="refused")
    ),
    "neighbour-silent": Fault(
        "the cache answers no SYN", Cause.NEIGHBOUR_UNREACHABLE, Staging(cache_port="silent")
    ),
    "egress-slow": Fault(
        "no private endpoint answers a SYN for the first 0.6 s",
        Cause.EGRESS_SLOW,
        Staging(
            proxy_port="silent",
            private_port="silent",
            cache_port="silent",
            analytics_port="silent",
            heals_after_s=0.6,
            egress_limit_s=5.0,
            egress_wait_s=0.3,
        ),
    ),
    "socket-missing": Fault(
        "the built-in proxy's socket does not exist",
        Cause.BUILT_IN_SOCKET_MISSING,
        Staging(built_in_socket="missing"),
    ),
    "socket-refused": Fault(
        "nobody serves the built-in proxy's socket",
        Cause.BUILT_IN_SOCKET_REFUSED,
        Staging(built_in_socket="refused"),
    ),
}
