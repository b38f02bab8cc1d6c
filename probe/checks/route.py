"""Check ``route``: TCP through the connector to each private endpoint; nothing is sent."""

from collections.abc import Iterable, Mapping

from probe.checks.series import Dial, Series
from probe.dial import paths
from probe.dial.clock import Trace
from probe.dial.paths import Concessions, Equipment
from probe.model.target import Neighbour, Target, Timeouts
from probe.model.words import Check, Path, Stage


def target_series(
    targets: Iterable[Target], equipment: Mapping[str, Equipment], *, attempts: int, interval_s: float
) -> tuple[Series, ...]:
    """To the server proxy and to PostgreSQL's own port, as far as those paths are configured."""
    return tuple(
        Series(
            check=Check.ROUTE,
            target=target.name,
            path=path,
            dial=_to_target(target, path, equipment[target.name]),
            budget_s=equipment[target.name].timeouts.connection_s,
            attempts=min(attempts, target.samples),
            interval_s=interval_s,
            stages=(Stage.DNS, Stage.TCP),
        )
        for target in targets
        for path in target.paths
        if path is not Path.SOCKET
    )


def neighbour_series(
    neighbours: Iterable[Neighbour], timeouts: Timeouts, *, attempts: int, interval_s: float
) -> tuple[Series, ...]:
    """To the other private endpoints behind the same connector."""
    return tuple(
        Series(
            check=Check.ROUTE,
            target=neighbour.name,
            dial=_to_neighbour(neighbour, timeouts),
            budget_s=timeouts.connection_s,
            attempts=attempts,
            interval_s=interval_s,
            stages=(Stage.DNS, Stage.TCP),
        )
        for neighbour in neighbours
    )


def split_address(address: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPV6]:PORT``, as the settings have validated it."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _to_target(target: Target, path: Path, equipment: Equipment) -> Dial:
    def dial(trace: Trace, _concessions: Concessions) -> None:
        paths.endpoint(trace, target, path, equipment)

    return dial


def _to_neighbour(neighbour: Neighbour, timeouts: Timeouts) -> Dial:
    host, port = split_address(neighbour.address)

    def dial(trace: Trace, _concessions: Concessions) -> None:
        paths.reach(trace, host, port, timeouts)

    return dial
