"""What bounds a delivery, and how it ends where it comes to nothing."""

import time
from dataclasses import dataclass

from probe.model.facts import ErrorFacts
from probe.model.words import Failure

MESSAGE_CHARACTERS = 1000


class CallFailed(Exception):  # noqa: N818 - the other of two answers
    """A call that came to nothing."""

    def __init__(
        self, failure: Failure, error: ErrorFacts, *, status: bytes = b"", passing: bool = False
    ) -> None:
        super().__init__(error.message)
        self.failure = failure
        self.error = error
        self.status = status
        """A serialised ``google.rpc.Status``; empty where the service sent none."""
        self.passing = passing
        """Another try may succeed."""
        self.may_have_arrived = False
        """An earlier try failed in a way that leaves open whether it arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """An instant of the monotonic clock."""

    at_s: float

    @property
    def left_s(self) -> float:
        """Seconds; never below 0."""
        return max(0.0, self.at_s - time.monotonic())


def deadline_after(budget_s: float) -> Deadline:
    """The instant so many seconds from now."""
    return Deadline(at_s=time.monotonic() + budget_s)


def told(error: BaseException) -> ErrorFacts:
    """What an exception says."""
    kind = type(error)
    return ErrorFacts(type=f"{kind.__module__}.{kind.__qualname__}", message=str(error)[:MESSAGE_CHARACTERS])
