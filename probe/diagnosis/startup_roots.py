"""What hangs in a rehearsal is explained by what the dialler saw on the same path."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.phase_causes import SAID_OUTRIGHT, cause_of_phase, failure_of
from probe.diagnosis.rehearsals import Told
from probe.diagnosis.seen import SEVERITIES, Seen
from probe.model.application import PhaseKind
from probe.model.cause import Cause
from probe.model.rehearsal import PhaseRecord
from probe.model.report import Finding
from probe.model.words import Blame, Failure, Layer, Severity

ON_THE_WAY_TO_THE_DATABASE = frozenset({PhaseKind.DEPENDENCIES, PhaseKind.DATABASE})
ASKED_IN_DEPENDENCIES = frozenset({Layer.CREDENTIALS, Layer.ADMIN_API})
UNEXPLAINED_BY_ANY_PATH = frozenset(
    {Cause.SECRET_MISSING, Cause.REQUIRED_TABLE_MISSING, Cause.REHEARSAL_CRASHED}
)
"""No fault on the way makes a table or a secret disappear."""
NO_WAY = frozenset(
    {
        Failure.TIMEOUT,
        Failure.REFUSED,
        Failure.RESET,
        Failure.CLOSED,
        Failure.UNREACHABLE,
        Failure.NAME_NOT_FOUND,
        Failure.NAME_SERVER_FAILED,
    }
)
"""How a phase ends whose other side cannot be reached, or does not answer."""
FATAL_TO_THE_STACK = frozenset({Cause.SSLREQUEST_REFUSED})
"""The dialler does without what is refused and only remarks upon it; the stock stack does not."""
DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A phase that failed, and what it stands for by itself."""

    told: Told
    phase: PhaseRecord

    @property
    def cause(self) -> Cause:
        """As far as the rehearsal alone can tell."""
        return cause_of_phase(self.phase)


def existing_root(seen: Seen, found: Iterable[Finding], ended: Ended) -> Finding | None:
    """What explains this phase among what was found already: the same cause first, then the worst."""
    grave = (f for f in found if f.severity is not Severity.INFO or f.cause in FATAL_TO_THE_STACK)
    causes = [f for f in grave if _explains(seen, f, ended)]
    return min(causes, key=lambda f: (f.cause is not ended.cause, SEVERITIES.index(f.severity)), default=None)


def _explains(seen: Seen, finding: Finding, ended: Ended) -> bool:
    if ended.cause in UNEXPLAINED_BY_ANY_PATH or CATALOGUE[finding.cause].blame is Blame.NOBODY:
        return False
    if finding.cause is Cause.SLOW_CONNECTION and failure_of(ended.phase) is not Failure.TIMEOUT:
        return False  # connections that come about explain no other end
    if finding.cause is ended.cause and finding.target == ended.told.target:
        return True
    if finding.cause is Cause.CONNECTOR_OR_ROUTE_SILENT and failure_of(ended.phase) in NO_WAY:
        return True
    if ended.phase.kind in ON_THE_WAY_TO_THE_DATABASE:
        return _on_the_way(seen, finding, ended) and _weighs_enough(finding, ended)
    return failure_of(ended.phase) in NO_WAY and _of_neighbour(seen, finding, ended)


def _on_the_way(seen: Seen, finding: Finding, ended: Ended) -> bool:
    told = ended.told
    asked = ended.phase.kind is PhaseKind.DEPENDENCIES and finding.layer in ASKED_IN_DEPENDENCIES
    return seen.on_path(finding, told.target, told.path) or (asked and finding.target == told.target)


def _weighs_enough(finding: Finding, ended: Ended) -> bool:
    """What was said outright is not explained by something else that goes wrong at times."""
    said_outright = failure_of(ended.phase) in SAID_OUTRIGHT
    same = finding.category is CATALOGUE[ended.cause].category
    return not said_outright or same or finding.severity is Severity.CRITICAL


def _of_neighbour(seen: Seen, finding: Finding, ended: Ended) -> bool:
    """Whether the finding is about a neighbour at the address that the phase talked to."""
    addresses = {address for text in _talked_to(seen, ended.phase) if (address := address_of(text))}
    return any(
        neighbour.name == finding.target and address_of(neighbour.address) in addresses
        for neighbour in seen.question.neighbours
    )


def _talked_to(seen: Seen, phase: PhaseRecord) -> tuple[str, ...]:
    """What it talked to last; where it could not say so, what it would have talked to."""
    if phase.endpoint:
        return (phase.endpoint,)
    configured = {
        PhaseKind.CACHE: (seen.question.cache_address,),
        PhaseKind.SERVICES: seen.question.services,
    }
    return configured.get(phase.kind, ())


def address_of(text: str) -> tuple[str, int] | None:
    """Host and port of ``HOST:PORT`` or a URL; None: they cannot be made out."""
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None
