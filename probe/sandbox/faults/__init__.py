"""The fault table: what can be broken, how, and the one cause that a diagnosis has to name for it."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from probe.sandbox.faults.application import APPLICATION_FAULTS
from probe.sandbox.faults.database import DATABASE_FAULTS
from probe.sandbox.faults.fault import Fault, FaultError
from probe.sandbox.faults.google_cloud import GOOGLE_CLOUD_FAULTS
from probe.sandbox.faults.network import NETWORK_FAULTS
from probe.sandbox.faults.tls import TLS_FAULTS
from probe.sandbox.staging import Staging, choices

__all__ = ["FAULTS", "Fault", "FaultError", "combine"]

FAULTS: dict[str, Fault] = {
    **GOOGLE_CLOUD_FAULTS,
    **NETWORK_FAULTS,
    **TLS_FAULTS,
    **DATABASE_FAULTS,
    **APPLICATION_FAULTS,
}


def combine(names: Sequence[str]) -> Staging:
    """Return an environment with all these faults.

    Raises ``FaultError`` for an unknown name, for two faults that choose differently for the same part, and
    for one that this machine cannot have.
    """
    chosen: dict[str, tuple[str, Any]] = {}
    for name in names:
        fault = _find(name)
        if reason := fault.needs():
            raise FaultError(f"fault {name} cannot be had here: {reason}")
        for part, choice in choices(fault.staging).items():
            other, taken = chosen.setdefault(part, (name, choice))
            if taken != choice:
                raise FaultError(f"faults {other} and {name} contradict each other: both set {part}")
    return Staging(**{part: choice for part, (_, choice) in chosen.items()})


def _find(name: str) -> Fault:
    if name not in FAULTS:
        close = get_close_matches(name, FAULTS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise FaultError(f"there is no fault {name}{hint}")
    return FAULTS[name]
