"""Several failing paths to one target, reduced to the causes that explain them."""

from collections.abc import Iterable
from dataclasses import dataclass

from probe.diagnosis.path_causes import PathCause
from probe.model.cause import Cause
from probe.model.words import Failure, Layer, Path, Stage

BEFORE_THE_INSTANCE = frozenset({Stage.ADMIN_API, Stage.CERTIFICATE, Stage.DNS})
"""A path that ends here says nothing about the server."""
BUILT_IN_SOCKET_GONE = frozenset({Cause.BUILT_IN_SOCKET_MISSING, Cause.BUILT_IN_SOCKET_REFUSED})
GONE_BEHIND_A_PROXY = frozenset({Cause.SERVER_PROXY_CLOSED, Cause.LOGIN_BROKEN_OFF})
SIGNS_OF_A_STOPPED_SERVER = (
    GONE_BEHIND_A_PROXY | BUILT_IN_SOCKET_GONE | {Cause.ENDPOINT_REFUSED, Cause.TLS_CLOSED, Cause.TLS_RESET}
)
SILENT_AFTER_TCP = frozenset({Cause.SERVER_PROXY_SILENT, Cause.TLS_SILENT, Cause.LOGIN_SILENT})
BEYOND_A_PROXY = GONE_BEHIND_A_PROXY | {
    Cause.SERVER_PROXY_SILENT,
    Cause.LOGIN_SILENT,
    Cause.LOGIN_PROTOCOL,
    Cause.QUERY_SILENT,
    Cause.QUERY_BROKEN_OFF,
    Cause.QUERY_PROTOCOL,
}
"""What a proxy as well as PostgreSQL behind it may be to blame for."""
NOT_REACHED = frozenset(
    {
        Cause.ENDPOINT_REFUSED,
        Cause.ENDPOINT_SILENT,
        Cause.TLS_SILENT,
        Cause.TLS_RESET,
        Cause.TLS_CLOSED,
        *BEYOND_A_PROXY,
    }
)
"""What would leave open whether PostgreSQL runs, were there no other path."""
WAY_SILENT = frozenset({Cause.CONNECTOR_OR_ROUTE_SILENT, Cause.NETWORK_SILENT})
OF_THE_SERVER_PROXY = frozenset(
    {
        Cause.TLS_SILENT,
        Cause.TLS_RESET,
        Cause.TLS_CLOSED,
        Cause.TLS_NOT_SPOKEN,
        Cause.TLS_ALERT,
        Cause.SERVER_CERTIFICATE_UNTRUSTED,
        Cause.CLIENT_CERTIFICATE_REJECTED,
    }
)
"""The other side of these handshakes is the server proxy; on PostgreSQL's own port PostgreSQL itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One cause and the failing paths that it explains, the primary path first."""

    cause: Cause
    paths: tuple[PathCause, ...]
    layer: Layer | None = None
    """Where the other paths move the blame; None: the cause's own layer."""
    remark: str = ""
    """What the other paths say about it."""
    narrowed: bool = False
    """Whether they rule out one of several causes that fit."""


def explain(
    failing: Iterable[PathCause],
    *,
    passing: Iterable[Path],
    primary: Path,
    public_address: bool | None = None,
) -> tuple[Explanation, ...]:
    """The fewest causes that explain every failing path of one target, the primary path's first.

    ``public_address``: whether the instance has one, where Cloud Run's socket then leads; None: not known.
    """
    ordered = tuple(sorted(failing, key=lambda item: item.evidence.path is not primary))
    working = tuple(passing)
    combined = None if working else _server_down(ordered) or _server_silent(ordered)
    explained = combined.paths if combined else ()
    by_cause: dict[Cause, list[PathCause]] = {}
    for item in ordered:
        if item not in explained:
            by_cause.setdefault(item.cause, []).append(item)
    explanations = [combined] if combined else []
    explanations += [
        _alone(cause, tuple(items), working, public_address) for cause, items in by_cause.items()
    ]
    return tuple(sorted(explanations, key=lambda e: e.paths[0].evidence.path is not primary))


def _server_down(failing: tuple[PathCause, ...]) -> Explanation | None:
    """A proxy in front has nobody to pass on to, and PostgreSQL's own port refuses."""
    signs = tuple(item for item in failing if item.cause in SIGNS_OF_A_STOPPED_SERVER)
    if not _rest_is_open(failing, signs):
        return None
    behind = any(_over(i, Path.CONNECTOR, Path.SOCKET) and i.cause in GONE_BEHIND_A_PROXY for i in signs)
    refused = any(_over(i, Path.PRIVATE_IP) and i.cause is Cause.ENDPOINT_REFUSED for i in signs)
    return Explanation(cause=Cause.DATABASE_DOWN, paths=signs) if behind and refused else None


def _server_silent(failing: tuple[PathCause, ...]) -> Explanation | None:
    """PostgreSQL answers on no path, not even where it is asked something before the login."""
    signs = tuple(item for item in failing if item.cause in SILENT_AFTER_TCP)
    if len({item.cause for item in signs}) < 2 or not _rest_is_open(failing, signs):  # noqa: PLR2004 - several
        return None
    if any(item.cause is Cause.TLS_SILENT and _over(item, Path.CONNECTOR) for item in signs):
        return None  # there the server proxy should have answered, not PostgreSQL
    return Explanation(cause=Cause.DATABASE_SILENT, paths=signs)


def _rest_is_open(failing: tuple[PathCause, ...], signs: tuple[PathCause, ...]) -> bool:
    """Whether the other paths ended before they could say anything about the server."""
    rest = (item for item in failing if item not in signs)
    return all(i.record.stage in BEFORE_THE_INSTANCE or i.cause in BUILT_IN_SOCKET_GONE for i in rest)


def _over(item: PathCause, *paths: Path) -> bool:
    return item.evidence.path in paths


def _alone(
    cause: Cause, items: tuple[PathCause, ...], working: tuple[Path, ...], public_address: bool | None
) -> Explanation:
    paths = {item.evidence.path for item in items}
    layer = layer_on(cause, paths)
    if not working:
        return Explanation(cause=cause, paths=items, layer=layer)
    remark = f"the {' and '.join(working)} path{' works' if len(working) == 1 else 's work'}"
    if cause in WAY_SILENT and working == (Path.SOCKET,):
        leads = "leads" if public_address else "may lead"
        remark += f", which {leads} over the instance's public address and not through the VPC connector"
    elif cause in NOT_REACHED:
        remark += ", so PostgreSQL answers"
    said_by_postgresql = any(item.record.failure is Failure.TERMINATED for item in items)
    proxy, words = (None, "") if said_by_postgresql else _behind_a_proxy(cause, paths, public_address)
    return Explanation(
        cause=cause, paths=items, layer=proxy or layer, remark=remark + words, narrowed=proxy is not None
    )


def layer_on(cause: Cause, paths: Iterable[Path | None]) -> Layer | None:
    """Whom a handshake on PostgreSQL's own port blames; None: the cause's own layer."""
    private = set(paths) == {Path.PRIVATE_IP} and cause in OF_THE_SERVER_PROXY
    return Layer.DATABASE if private else None


def _behind_a_proxy(
    cause: Cause, paths: set[Path | None], public_address: bool | None
) -> tuple[Layer | None, str]:
    """The proxy to blame for a path that breaks behind it while PostgreSQL answers on another."""
    if cause not in BEYOND_A_PROXY:
        return None, ""
    if paths == {Path.CONNECTOR}:
        refusal = cause is Cause.SERVER_PROXY_CLOSED
        words = ", or refused the client certificate without an alert" if refusal else ""
        return Layer.SERVER_PROXY, f": the server proxy is at fault{words}"
    if paths != {Path.SOCKET} or public_address is None:
        return None, ""
    if public_address:
        return None, "; this path leads over the instance's public address, not through the VPC connector"
    return Layer.BUILT_IN_PROXY, ": the built-in proxy is at fault"
