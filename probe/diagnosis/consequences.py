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

OUT_OF_CONNECTIONS = (Cause.SLOTS_EXHAUSTED, Cause.ONLY_RESERVED_SLOTS)
EXPLAINED_BY: dict[Cause, tuple[Cause, ...]] = {
    Cause.CONNECTIONS_UNDER_PRESSURE: OUT_OF_CONNECTIONS,
    Cause.LOGINS_FAIL_BESIDE_RAMP: (*OUT_OF_CONNECTIONS, Cause.CONNECTIONS_UNDER_PRESSURE),
    Cause.POOL_EXCEEDS_LIMIT: (Cause.POOL_EXCEEDS_SERVER_LIMIT,),
    Cause.FLEET_EXCEEDS_LIMIT: (Cause.FLEET_EXCEEDS_SERVER_LIMIT,),
}
"""Of one instance: what others hold shows in several ways, and what was read precedes what is configured."""


def linked(findings: Iterable[Finding], instances: Mapping[str, str]) -> tuple[Finding, ...]:
    """The findings, each consequence with what it is one of; ``instances`` by the target's name.

    The same fault of something shared, met on the way to several targets, is one cause with consequences.
    Where no private endpoint answers, neither does what lies beyond the same connector: the Admin API,
    where all traffic goes out that way. What is a consequence already stays one; a chain of them is none:
    each names the cause that explains them all.
    """
    listed = tuple(findings)
    roots = {f.id: f.consequence_of or _root(listed, number, instances) for number, f in enumerate(listed)}
    return tuple(replace(f, consequence_of=_first_cause(roots, f.id)) for f in listed)


def _root(listed: tuple[Finding, ...], number: int, instances: Mapping[str, str]) -> str | None:
    finding = listed[number]
    silent = next((f.id for f in listed if f.cause is Cause.CONNECTOR_OR_ROUTE_SILENT), None)
    if finding.cause is Cause.ADMIN_API_SILENT and silent:
        return silent
    for cause in EXPLAINED_BY.get(finding.cause, ()):
        root = next((f for f in listed if f.cause is cause and _of_one_instance(f, finding, instances)), None)
        if root:
            return root.id
    return next((f.id for f in listed[:number] if _same_fault(f, finding, instances)), None)


def _first_cause(roots: Mapping[str, str | None], identifier: str) -> str | None:
    root = roots[identifier]
    while root is not None and (further := roots[root]) is not None:
        root = further
    return root


def _of_one_instance(root: Finding, finding: Finding, instances: Mapping[str, str]) -> bool:
    instance = instances.get(finding.target)
    return instance is not None and instance == instances.get(root.target)


def _same_fault(root: Finding, finding: Finding, instances: Mapping[str, str]) -> bool:
    if root.cause is not finding.cause or root.target == finding.target:
        return False
    if finding.layer in SHARED_LAYERS or finding.cause in SHARED_CAUSES:
        return True
    of_instance = finding.layer in LAYERS_OF_AN_INSTANCE or finding.cause in CAUSES_OF_AN_INSTANCE
    return of_instance and _of_one_instance(root, finding, instances)
