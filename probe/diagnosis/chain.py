"""The failure chain, link by link, where a rehearsed start-up failed: from the network to the user."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from probe.diagnosis.phase_causes import CONNECT, failure_of
from probe.diagnosis.phase_sentences import blocked_phases, took_s
from probe.diagnosis.rehearsals import BAD_ENDS, Told, failing
from probe.diagnosis.seen import Seen
from probe.diagnosis.sentences import seconds
from probe.model.application import PhaseKind
from probe.model.cause import Cause
from probe.model.facts import TcpFacts
from probe.model.observation import Observation
from probe.model.rehearsal import DETERMINISTIC_FAILURE, PhaseRecord
from probe.model.report import ChainLink, Finding, Link, LinkState
from probe.model.words import Check, Failure, Severity

SIGNS_OF_PRESSURE = frozenset({Cause.CONNECTOR_OR_ROUTE_SILENT, Cause.NETWORK_SILENT, Cause.EGRESS_SLOW})
OF_THE_USER = (PhaseKind.WEBSOCKET, PhaseKind.FINALIZE)
NOT_READ = "the connector's own figures are not read in this version"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Connect:
    """How long one connection took, or was waited for."""

    id: str
    what: str
    took_s: float
    censored: bool
    """Given up on: it would have taken at least so long."""


def failure_chain(seen: Seen, findings: Iterable[Finding]) -> tuple[ChainLink, ...]:
    """All six links, where a rehearsal ended in exit code 3; else none."""
    told = next((told for group in seen.check(Check.STARTUP) if (told := failing(group))), None)
    if told is None or (phase := told.ended_by) is None:
        return ()
    return (
        _pressure(seen, findings),
        _delay(seen, told),
        _database_phase(told),
        _broken_off(told, phase),
        _link(
            Link.EXIT_CODE_3,
            LinkState.SEEN,
            f"the application would end with exit code {DETERMINISTIC_FAILURE}",
            told.observation.id,
        ),
        _user_path(told, phase),
    )


def _pressure(seen: Seen, findings: Iterable[Finding]) -> ChainLink:
    """What the network itself showed: silence, or packets sent again."""
    for finding in findings:
        if finding.cause in SIGNS_OF_PRESSURE and finding.severity is not Severity.INFO:
            return _link(Link.CONNECTOR_PRESSURE, LinkState.SEEN, finding.summary, *finding.evidence)
    again = tuple(_sent_again(seen))
    if again:
        said = f"SYNs sent again: {sum(count for _, count in again)} in {len(again)} attempts"
        return _link(Link.CONNECTOR_PRESSURE, LinkState.SEEN, said, *(identifier for identifier, _ in again))
    return _link(Link.CONNECTOR_PRESSURE, LinkState.NOT_MEASURED, NOT_READ)


def _sent_again(seen: Seen) -> Iterator[tuple[str, int]]:
    for group in seen.groups:
        for observation in group.observations:
            for record in observation.stages:
                if isinstance(record.facts, TcpFacts) and record.facts.retransmissions:
                    yield observation.id, record.facts.retransmissions


def _delay(seen: Seen, told: Told) -> ChainLink:
    """The longest connection, the dialler's or the rehearsal's, against what one is allowed."""
    limit_s = seen.question.application.connection_timeout_s
    known = [*_dialled(seen, told.target), *_rehearsed(told)]
    if not known:
        return _link(Link.CONNECTION_DELAY, LinkState.NOT_MEASURED, "no connection was tried")
    longest = max(known, key=lambda item: (item.took_s, item.censored))
    exceeded = longest.took_s >= limit_s if longest.censored else longest.took_s > limit_s
    took = f"{'at least ' if longest.censored else ''}{seconds(longest.took_s)}"
    if exceeded:
        said = f"{longest.what} took {took}, above {seconds(limit_s)}"
        return _link(Link.CONNECTION_DELAY, LinkState.SEEN, said, longest.id)
    waiting = next((item for item in known if item.censored), None)
    said = f"the longest of {len(known)} connections took {took}, below {seconds(limit_s)}"
    if waiting is None:
        return _link(Link.CONNECTION_DELAY, LinkState.NOT_SEEN, said, longest.id)
    gave_up = f"{waiting.what} was given up on after {seconds(waiting.took_s)}, before {seconds(limit_s)}"
    return _link(Link.CONNECTION_DELAY, LinkState.NOT_MEASURED, gave_up, waiting.id)


def _dialled(seen: Seen, target: str) -> Iterator[_Connect]:
    for group in seen.of(target, Check.CLOUDSQL):
        for observation in group.valid:
            yield _Connect(
                id=observation.id,
                what=f"a connection over {observation.path}",
                took_s=observation.span.duration_s,
                censored=_gave_up(observation),
            )


def _gave_up(observation: Observation) -> bool:
    record = observation.failed_stage
    return record is not None and record.failure is Failure.TIMEOUT


def _rehearsed(told: Told) -> Iterator[_Connect]:
    for phase in told.rehearsal.phases:
        for step in phase.steps:
            if phase.kind is PhaseKind.DATABASE and step.name == CONNECT:
                yield _Connect(
                    id=told.observation.id,
                    what=f"the connect of {phase.name}",
                    took_s=step.span.duration_s,
                    censored=step.failure is Failure.TIMEOUT or not step.finished,
                )


def _database_phase(told: Told) -> ChainLink:
    """Whether it was the database phase that ran out of time."""
    phase = next((p for p in told.rehearsal.phases if p.kind is PhaseKind.DATABASE), None)
    if phase is None or phase.span is None:
        name = phase.name if phase else "a database phase"
        return _link(Link.PHASE_TIMED_OUT, LinkState.NOT_MEASURED, f"{name} was never begun")
    state = LinkState.SEEN if failure_of(phase) is Failure.TIMEOUT else LinkState.NOT_SEEN
    return _link(Link.PHASE_TIMED_OUT, state, _went(phase), told.observation.id)


def _broken_off(told: Told, phase: PhaseRecord) -> ChainLink:
    blocked = blocked_phases(told.rehearsal)
    said = f"{phase.name} ended the start-up; {blocked or 'nothing was left to begin'}"
    return _link(Link.STARTUP_BROKEN_OFF, LinkState.SEEN, said, told.observation.id)


def _user_path(told: Told, ended_by: PhaseRecord) -> ChainLink:
    """Whether what users reach answered, as far as the rehearsal came to ask."""
    asked = [p for p in told.rehearsal.phases if p.kind in OF_THE_USER and p.span]
    bad = next((p for p in asked if p.outcome in BAD_ENDS), None)
    if bad:
        return _link(Link.USER_PATH_OFFLINE, LinkState.SEEN, _went(bad), told.observation.id)
    if asked:
        said = "; ".join(_went(p) for p in asked)
        return _link(Link.USER_PATH_OFFLINE, LinkState.NOT_SEEN, said, told.observation.id)
    names = ", ".join(p.name for p in told.rehearsal.phases if p.kind in OF_THE_USER)
    said = f"{names or 'what users reach'} not asked: {ended_by.name} had ended the start-up"
    return _link(Link.USER_PATH_OFFLINE, LinkState.NOT_MEASURED, said)


def _went(phase: PhaseRecord) -> str:
    """``phase_3_database timed out after 75 s``, ``phase_4_cache failed after 2 ms (refused)``."""
    if failure_of(phase) is Failure.TIMEOUT:
        return f"{phase.name} timed out after {seconds(took_s(phase))}"
    reason = f" ({phase.failure})" if phase.failure else ""
    return f"{phase.name} {phase.outcome} after {seconds(took_s(phase))}{reason}"


def _link(link: Link, state: LinkState, said: str, *evidence: str) -> ChainLink:
    return ChainLink(link=link, state=state, said=said, evidence=tuple(dict.fromkeys(evidence)))
