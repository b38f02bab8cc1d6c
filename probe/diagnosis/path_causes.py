"""The cause on one path: the stage's own, sharpened by what the rest of the run saw."""

from dataclasses import dataclass

from probe.diagnosis.evidence import Endpoints, PathEvidence
from probe.diagnosis.stages import cause_of
from probe.model.cause import Cause
from probe.model.facts import CertificateFacts
from probe.model.observation import StageRecord
from probe.model.words import Path, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCause:
    """Why a path fails."""

    cause: Cause
    evidence: PathEvidence
    record: StageRecord
    """The stage that decides."""


def path_cause(evidence: PathEvidence, endpoints: Endpoints, started_at: str) -> PathCause | None:
    """None where no attempt failed."""
    record = evidence.decisive
    if record is None:
        return None
    cause = cause_of(evidence.path, record.stage, record.failure)
    if cause is Cause.NETWORK_SILENT:
        cause = _silent(evidence, endpoints)
    elif cause is Cause.LOGIN_BROKEN_OFF and evidence.conceded and _reset_in_proxy(evidence):
        cause = Cause.SERVER_PROXY_CLOSED  # cut with the SSLRequest and without it: it was not the SSLRequest
    if cause in (Cause.SERVER_PROXY_CLOSED, Cause.TLS_RESET, Cause.TLS_CLOSED) and _expired(
        evidence, started_at
    ):
        cause = Cause.CLIENT_CERTIFICATE_EXPIRED
    return PathCause(cause=cause, evidence=evidence, record=record)


def _silent(evidence: PathEvidence, endpoints: Endpoints) -> Cause:
    """Who else answers, or is silent too, tells the endpoint from the way there."""
    if endpoints.answering:
        return Cause.ENDPOINT_SILENT
    if any(owner != evidence.target for owner, _endpoint in endpoints.owners):
        return Cause.CONNECTOR_OR_ROUTE_SILENT
    return Cause.NETWORK_SILENT


def _reset_in_proxy(evidence: PathEvidence) -> bool:
    records = (observation.failed_stage for observation in evidence.conceded)
    return any(record is not None and record.stage is Stage.PROXY for record in records)


def _expired(evidence: PathEvidence, started_at: str) -> bool:
    """Whether the certificate's own dates explain a cut without a reason. Text in UTC compares as time."""
    if evidence.path is not Path.CONNECTOR:
        return False
    dates = [
        record.facts.expires_at
        for observation in evidence.failed
        for record in observation.stages
        if isinstance(record.facts, CertificateFacts) and record.facts.expires_at
    ]
    return any(date[:19] < started_at[:19] for date in dates)
