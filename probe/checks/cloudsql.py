"""Check ``cloudsql``: connections to each target over each configured path, stage by stage."""

from collections.abc import Iterable, Mapping
from functools import partial

from probe.checks.series import Series
from probe.dial.clock import Trace
from probe.dial.paths import STAGES, Concessions, Equipment, query
from probe.model.target import Target
from probe.model.words import Check, Path


def series(targets: Iterable[Target], equipment: Mapping[str, Equipment]) -> tuple[Series, ...]:
    """One series a path, ``samples`` attempts each; ``equipment`` by the target's name."""
    return tuple(
        Series(
            check=Check.CLOUDSQL,
            target=target.name,
            path=path,
            dial=partial(_dial, path, target, equipment[target.name]),
            budget_s=equipment[target.name].timeouts.connection_s,
            attempts=target.samples,
            interval_s=target.interval_s,
            stages=STAGES[path],
            insists=target.proxy_check == "on",
        )
        for target in targets
        for path in target.paths
    )


def _dial(path: Path, target: Target, equipment: Equipment, trace: Trace, concessions: Concessions) -> None:
    query(trace, path, target, equipment, concessions)
