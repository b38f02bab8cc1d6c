"""Which findings another one explains."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from probe.model.cause import Cause
from probe.model.report import Finding
from probe.model.words import Layer

SHARED_LAYERS = frozenset({Layer.CREDENTIALS, Layer.NETWORK, Layer.DNS})
"""Every target depends on these."""

SHARED_CAUSES = frozenset(
    {
        Cause.ADMIN_API_RATE_LIMITED,
        Cause.ADMIN_API_ERROR,
        Cause.ADMIN_API_MALFORMED,
        Cause.ADMIN_API_SILENT,
        Cause.ADMIN_API_REFUSED,
        Cause.ADMIN_API_RESET,
        Cause.ADMIN_API_TLS,
    }
)
"""Of the Admin API as such, not of what it says about one instance."""

LAYERS_OF_AN_INSTANCE = frozenset({Layer.ADMIN_API, Layer.ENDPOINT, Layer.SERVER_PROXY})
CAUSES_OF_AN_INSTANCE = frozenset(
    {
        Cause.DATABASE_DOWN,
        Cause.DATABASE_SILENT,
        Cause.DATABASE_STARTING,
        Cause.DATABASE_STOPPING,
        Cause.DATABASE_NOT_ACCEPTING,
        Cause.SLOTS_EXHAUSTED,
        Cause.ONLY_RESERVED_SLOTS,
    }
)
"""Of the whole server, not of one database or role of it."""


def linked(findings: Iterable[Finding], instances: Mapping[str, str]) -> tuple[Finding, ...]:
    """The findings, each consequence with what it is one of; ``instances`` by the target's name.

    The same fault of something shared, met on the way to several targets, is one cause with consequences.
    Where no private endpoint answers, neither does what lies beyond the same connector: the Admin API,
    where all traffic goes out that way.
    """
    listed = tuple(findings)
    silent = next((f for f in listed if f.cause is Cause.CONNECTOR_OR_ROUTE_SILENT), None)
    result = []
    for number, finding in enumerate(listed):
        if finding.cause is Cause.ADMIN_API_SILENT and silent:
            root: Finding | None = silent
        else:
            root = next((f for f in listed[:number] if _same_fault(f, finding, instances)), None)
        result.append(replace(finding, consequence_of=root.id) if root else finding)
    return tuple(result)


def _same_fault(root: Finding, finding: Finding, instances: Mapping[str, str]) -> bool:
    if root.cause is not finding.cause or root.target == finding.target:
        return False
    if finding.layer in SHARED_LAYERS or finding.cause in SHARED_CAUSES:
        return True
    of_instance = finding.layer in LAYERS_OF_AN_INSTANCE or finding.cause in CAUSES_OF_AN_INSTANCE
    instance = instances.get(finding.target)
    return of_instance and instance is not None and instance == instances.get(root.target)
