"""The cause on one path: the stage's own, sharpened by what the rest of the run saw."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from probe.diagnosis.catalogue import CATALOGUE
from probe.diagnosis.endpoints import Endpoint, compare
from probe.diagnosis.evidence import PathEvidence
from probe.diagnosis.stages import cause_of
from probe.model.cause import Cause
from probe.model.facts import CertificateFacts
from probe.model.observation import Observation, StageRecord
from probe.model.words import Blame, Outcome, Path, Stage

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
    expired_at: str = ""
    """When the client certificate expired, where its dates tell the cause."""

    @property
    def at_times(self) -> bool:
        """Whether other attempts of the deciding round went another way: passed, or failed otherwise."""
        usual = (self.record.stage, self.record.failure)
        others = any(endpoint.answered and endpoint.silent for endpoint in self.compared)
        return others or any(_end(o) != usual for o in _deciding(self.evidence))


def path_cause(evidence: PathEvidence, endpoints: Iterable[Endpoint], started_at: str) -> PathCause | None:
    """None where no attempt failed."""
    record = _decisive(evidence)
    if record is None:
        return None
    cause = cause_of(evidence.path, record.stage, record.failure)
    if cause is Cause.NETWORK_SILENT:
        comparison = compare(evidence, endpoints)
        return PathCause(cause=comparison.cause, evidence=evidence, record=record, compared=comparison.others)
    if cause is Cause.LOGIN_BROKEN_OFF and _reset_in_proxy(evidence):
        cause = Cause.SERVER_PROXY_CLOSED  # cut with the SSLRequest and without it: it was not the SSLRequest
    expired_at = _expired_at(evidence, started_at) if cause in CUT_WITHOUT_A_REASON else ""
    if expired_at:
        cause = Cause.CLIENT_CERTIFICATE_EXPIRED
    return PathCause(cause=cause, evidence=evidence, record=record, expired_at=expired_at)


def blames_probe(path: Path | None, record: StageRecord) -> bool:
    """Whether this failure speaks of the probe's own identity, permission or slots, not of the target."""
    return CATALOGUE[cause_of(path, record.stage, record.failure)].blame is Blame.PROBE


def _decisive(evidence: PathEvidence) -> StageRecord | None:
    """The stage that failed most often, the latest of equals; one of the target before one of the probe."""
    records = [r for o in _deciding(evidence) if (r := o.failed_stage)]
    counted = Counter((r.stage, r.failure) for r in records)
    return max(
        reversed(records),
        key=lambda r: (not blames_probe(evidence.path, r), counted[r.stage, r.failure]),
        default=None,
    )


def _deciding(evidence: PathEvidence) -> tuple[Observation, ...]:
    """The last round if anything failed in it, else both."""
    last = evidence.last_round
    return last if any(o.outcome is Outcome.FAILED for o in last) else evidence.valid


def _end(observation: Observation) -> object:
    record = observation.failed_stage
    return (record.stage, record.failure) if record else None


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
