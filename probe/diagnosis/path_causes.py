"""The cause on one path: the stage's own, sharpened by what the rest of the run saw."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.endpoints import Endpoint, compare, unreachable
from probe.diagnosis.evidence import PathEvidence
from probe.diagnosis.stages import cause_of
from probe.model.cause import Cause
from probe.model.facts import CertificateFacts
from probe.model.observation import Observation, StageRecord
from probe.model.words import Blame, Failure, Outcome, Path, Stage

CUT_WITHOUT_A_REASON = frozenset({Cause.SERVER_PROXY_CLOSED, Cause.TLS_RESET, Cause.TLS_CLOSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCause:
    """Why a path fails."""

    cause: Cause
    evidence: PathEvidence
    record: StageRecord
    """The stage that decides."""
    compared: tuple[Endpoint, ...] = ()
    """The other endpoints that the cause rests on."""
    at_times: bool = False
    """Whether other attempts of the deciding round went another way: passed, or failed for another cause."""
    expired_at: str = ""
    """When the client certificate expired, where its dates tell the cause."""


def path_cause(
    evidence: PathEvidence, endpoints: Iterable[Endpoint], started_at: str, *, tls: bool = True
) -> PathCause | None:
    """None where no attempt failed. ``tls``: whether a handshake follows the connect on this path."""
    known = tuple(endpoints)
    tell = partial(_of_attempt, evidence, rejected=unreachable(evidence, known), tls=tls)
    record = _decisive(evidence, tell)
    if record is None:
        return None
    cause = tell(record)
    at_times = any(r is None or tell(r) is not cause for r in (o.failed_stage for o in _deciding(evidence)))
    found = PathCause(cause=cause, evidence=evidence, record=record, at_times=at_times)
    if cause is Cause.NETWORK_SILENT:
        return _compared(found, known)
    expired_at = _expired_at(evidence, started_at) if _cut_without_a_reason(found) else ""
    if expired_at:
        return replace(found, cause=Cause.CLIENT_CERTIFICATE_EXPIRED, expired_at=expired_at)
    return found


def blames_probe(path: Path | None, record: StageRecord) -> bool:
    """Whether this failure speaks of the probe's own identity, permission or slots, not of the target."""
    return CATALOGUE[cause_of(path, record.stage, record.failure)].blame is Blame.PROBE


def _of_attempt(evidence: PathEvidence, record: StageRecord, *, rejected: bool, tls: bool) -> Cause:
    """What one attempt failed for, given the others: one cause ends them in several ways, by a race."""
    cause = cause_of(evidence.path, record.stage, record.failure, tls=tls)
    if cause is Cause.NETWORK_SILENT and rejected:
        return Cause.ROUTE_MISSING
    if cause is Cause.LOGIN_BROKEN_OFF and _reset_in_proxy(evidence):
        return Cause.SERVER_PROXY_CLOSED  # cut with the SSLRequest and without it: it was not the SSLRequest
    return cause


def _decisive(evidence: PathEvidence, tell: Callable[[StageRecord], Cause]) -> StageRecord | None:
    """Of the most frequent cause, the latest of equals; one of the target before one of the probe.

    Of its ways to end, one that says something before a silence, then the most frequent.
    """
    records = [r for o in _deciding(evidence) if (r := o.failed_stage)]
    causes = Counter(tell(r) for r in records)
    ends = Counter((r.stage, r.failure) for r in records)
    cause = max(
        (tell(r) for r in reversed(records)),
        key=lambda c: (CATALOGUE[c].blame is not Blame.PROBE, causes[c]),
        default=None,
    )
    return max(
        (r for r in reversed(records) if tell(r) is cause),
        key=lambda r: (r.failure is not Failure.TIMEOUT, ends[r.stage, r.failure]),
        default=None,
    )


def _compared(found: PathCause, endpoints: Iterable[Endpoint]) -> PathCause:
    """What the other endpoints make of a silence."""
    comparison = compare(found.evidence, endpoints)
    at_times = found.at_times or any(e.answered and e.silent for e in comparison.others)
    return replace(found, cause=comparison.cause, compared=comparison.others, at_times=at_times)


def _cut_without_a_reason(found: PathCause) -> bool:
    """Whether a client certificate may be why: a connect that is reset has sent none."""
    return found.cause in CUT_WITHOUT_A_REASON and found.record.stage is not Stage.TCP


def _deciding(evidence: PathEvidence) -> tuple[Observation, ...]:
    """The last round if anything failed in it, else both."""
    last = evidence.last_round
    return last if any(o.outcome is Outcome.FAILED for o in last) else evidence.valid


def _reset_in_proxy(evidence: PathEvidence) -> bool:
    records = (observation.failed_stage for observation in evidence.conceded)
    return any(record is not None and record.stage is Stage.PROXY for record in records)


def _expired_at(evidence: PathEvidence, started_at: str) -> str:
    """The date of a client certificate that had expired. Text in UTC compares as time."""
    dates = [
        record.facts.expires_at
        for observation in evidence.failed
        for record in observation.stages
        if isinstance(record.facts, CertificateFacts) and record.facts.expires_at
    ]
    return next((date for date in dates if date[:19] < started_at[:19]), "")
