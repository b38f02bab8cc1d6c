"""What a fault of the table is."""

from collections.abc import Callable
from dataclasses import dataclass

from probe.model.cause import Cause
from probe.sandbox.staging import Staging


class FaultError(ValueError):
    """An unknown fault, two that contradict each other, or one that this machine cannot have."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a person reads of it, the one cause that is no consequence of another, and what differs."""

    description: str
    cause: Cause
    staging: Staging
    needs: Callable[[], str | None] = lambda: None
    """Says why this machine cannot have it, or None."""
