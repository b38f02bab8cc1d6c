"""Which network endpoints answered: telling one silent endpoint from a silent way to all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from probe.diagnosis.evidence import PathEvidence
from probe.model.cause import Cause
from probe.model.observation import Observation
from probe.model.words import Failure, Outcome, Path, Stage

ANSWERS = frozenset({Failure.REFUSED, Failure.RESET})
"""A refusal crossed the network and came back."""

Answer = Literal["answered", "silent", "unreachable"]

NO_ANSWERS: dict[Failure, Answer] = {Failure.TIMEOUT: "silent", Failure.UNREACHABLE: "unreachable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """``HOST:PORT`` with the observations in which it answered a SYN, and those in which it did not.

    ``unreachable``: those in which the kernel, a router or a firewall answered in its place.
    """

    address: str
    owners: frozenset[str]
    """The targets and neighbours that it belongs to."""
    answered: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The address without its port."""
        return _host(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What other endpoints say about a silent one."""

    cause: Cause
    others: tuple[Endpoint, ...] = ()
    """Those that it rests on: the ones that answered, or the ones that were silent too."""


def endpoints_in(observations: Iterable[Observation]) -> tuple[Endpoint, ...]:
    """Every endpoint that was tried, by address. Unix sockets are no network endpoints.

    What answered the wait for egress did so before anything was measured: it has no ``endpoint`` here.
    """
    owners: dict[str, set[str]] = {}
    found: dict[tuple[str, Answer], list[str]] = {}
    for observation in observations:
        address, answer = _answer(observation)
        if answer is not None:
            owners.setdefault(address, set()).add(observation.target)
            found.setdefault((address, answer), []).append(observation.id)
    return tuple(
        Endpoint(
            address=address,
            owners=frozenset(owners[address]),
            answered=tuple(found.get((address, "answered"), ())),
            silent=tuple(found.get((address, "silent"), ())),
            unreachable=tuple(found.get((address, "unreachable"), ())),
        )
        for address in sorted(owners)
    )


def compare(evidence: PathEvidence, endpoints: Iterable[Endpoint]) -> Comparison:
    """The cause of this path's silence, as far as the other endpoints tell it.

    One that answered at times only was cut off as well: it does not show that the way there was open.
    """
    own = {observation.endpoint for observation in evidence.observations}
    others = tuple(endpoint for endpoint in endpoints if endpoint.address not in own)
    steady = tuple(e for e in others if e.answered and not e.silent and not e.unreachable)
    if steady:
        return Comparison(cause=Cause.ENDPOINT_SILENT, others=steady)
    silent = tuple(e for e in others if e.silent)
    if any(evidence.target not in endpoint.owners for endpoint in silent):
        return Comparison(cause=Cause.CONNECTOR_OR_ROUTE_SILENT, others=silent)
    return Comparison(cause=Cause.NETWORK_SILENT)


def unreachable(evidence: PathEvidence, endpoints: Iterable[Endpoint]) -> bool:
    """Whether anything on the way said that this path's host cannot be reached.

    Kernels limit how often they say so: the other attempts at that host are left without an answer.
    """
    own = {_host(observation.endpoint) for observation in evidence.observations if observation.endpoint}
    return any(endpoint.unreachable and endpoint.host in own for endpoint in endpoints)


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _answer(observation: Observation) -> tuple[str, Answer | None]:
    """Which endpoint it speaks of, and what came back; None: it does not tell."""
    record = next((r for r in observation.stages if r.stage is Stage.TCP), None)
    if record is None or observation.endpoint is None or observation.path is Path.SOCKET:
        return "", None
    if record.outcome is Outcome.PASSED or record.failure in ANSWERS:
        return observation.endpoint, "answered"
    return observation.endpoint, NO_ANSWERS.get(record.failure) if record.failure else None
