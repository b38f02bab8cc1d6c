"""Several failing paths to one target, reduced to the causes that explain them."""

from collections.abc import Iterable
from dataclasses import dataclass

from probe.diagnosis.path_causes import PathCause
from probe.model.cause import Cause
from probe.model.words import Layer, Path

POSTGRES_GONE_BEHIND_PROXY = frozenset({Cause.SERVER_PROXY_CLOSED, Cause.LOGIN_BROKEN_OFF})
PORT_GONE = frozenset({Cause.ENDPOINT_REFUSED, Cause.BUILT_IN_SOCKET_REFUSED})
ANY_SIGN_OF_A_STOPPED_SERVER = (
    POSTGRES_GONE_BEHIND_PROXY
    | PORT_GONE
    | {Cause.BUILT_IN_SOCKET_MISSING, Cause.TLS_CLOSED, Cause.TLS_RESET}
)
SILENT_AFTER_TCP = frozenset({Cause.SERVER_PROXY_SILENT, Cause.TLS_SILENT, Cause.LOGIN_SILENT})
BEYOND_THE_PROXY = frozenset(
    {
        Cause.SERVER_PROXY_SILENT,
        Cause.SERVER_PROXY_CLOSED,
        Cause.LOGIN_SILENT,
        Cause.LOGIN_BROKEN_OFF,
        Cause.LOGIN_PROTOCOL,
        Cause.QUERY_SILENT,
        Cause.QUERY_BROKEN_OFF,
    }
)
"""What the server proxy as well as PostgreSQL may be to blame for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One cause and the failing paths that it explains, the primary path first."""

    cause: Cause
    paths: tuple[PathCause, ...]
    layer: Layer | None = None
    """Where the other paths move the blame; None: the cause's own layer."""
    remark: str = ""
    """What the other paths say about it."""


def explain(
    failing: Iterable[PathCause], *, passing: Iterable[Path], primary: Path
) -> tuple[Explanation, ...]:
    """The fewest causes that explain every failing path of one target, the primary path's first."""
    ordered = tuple(sorted(failing, key=lambda item: item.evidence.path is not primary))
    working = tuple(passing)
    combined = _server_down(ordered, working) or _server_silent(ordered, working)
    if combined:
        return (combined,)
    by_cause: dict[Cause, list[PathCause]] = {}
    for item in ordered:
        by_cause.setdefault(item.cause, []).append(item)
    return tuple(_alone(cause, tuple(items), working) for cause, items in by_cause.items())


def _server_down(failing: tuple[PathCause, ...], passing: tuple[Path, ...]) -> Explanation | None:
    """The proxy in front has nobody to pass on to, and PostgreSQL's own port refuses."""
    causes = {item.cause for item in failing}
    if passing or not causes & POSTGRES_GONE_BEHIND_PROXY or not causes & PORT_GONE:
        return None
    if not causes <= ANY_SIGN_OF_A_STOPPED_SERVER:
        return None
    return Explanation(cause=Cause.DATABASE_DOWN, paths=failing)


def _server_silent(failing: tuple[PathCause, ...], passing: tuple[Path, ...]) -> Explanation | None:
    """PostgreSQL answers on no path, not even where it is asked something before the login."""
    causes = {item.cause for item in failing}
    if passing or len(failing) < 2 or len(causes) < 2 or not causes <= SILENT_AFTER_TCP:  # noqa: PLR2004
        return None
    if any(item.cause is Cause.TLS_SILENT and item.evidence.path is Path.CONNECTOR for item in failing):
        return None  # there the server proxy should have answered, not PostgreSQL
    return Explanation(cause=Cause.DATABASE_SILENT, paths=failing)


def _alone(cause: Cause, items: tuple[PathCause, ...], passing: tuple[Path, ...]) -> Explanation:
    paths = {item.evidence.path for item in items}
    others = [path for path in passing if path not in paths]
    if not others:
        return Explanation(cause=cause, paths=items)
    remark = f"the {' and '.join(others)} path{' works' if len(others) == 1 else 's work'}"
    blame_proxy = paths == {Path.CONNECTOR} and cause in BEYOND_THE_PROXY
    if blame_proxy:
        remark += ", so PostgreSQL answers: the server proxy or what lies behind it is at fault"
    return Explanation(
        cause=cause, paths=items, layer=Layer.SERVER_PROXY if blame_proxy else None, remark=remark
    )
