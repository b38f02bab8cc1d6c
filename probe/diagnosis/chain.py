"""The failure chain, link by link, where a rehearsed start-up failed: from the network to the user."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from probe.diagnosis.phase_causes import CONNECT, failure_of
from probe.diagnosis.phase_sentences import NOT_CONFIRMED, blocked_phases, took_s
from probe.diagnosis.rehearsals import Told, failing, of_the_target, roots_of_failure
from probe.diagnosis.seen import Seen
from probe.diagnosis.sentences import seconds
from probe.model.application import PhaseKind
from probe.model.cause import Cause
from probe.model.facts import TcpFacts
from probe.model.observation import Observation
from probe.model.rehearsal import BAD_ENDS, DETERMINISTIC_FAILURE, PhaseRecord
from probe.model.report import ChainLink, Finding, Link, LinkState
from probe.model.words import Check, Failure, Layer, Outcome, Severity, Stage

SIGNS_OF_PRESSURE = frozenset({Cause.CONNECTOR_OR_ROUTE_SILENT, Cause.NETWORK_SILENT, Cause.EGRESS_SLOW})
OF_THE_USER = (PhaseKind.WEBSOCKET, PhaseKind.FINALIZE)
BEFORE_ANY_CONNECTION = frozenset({Stage.ADMIN_API, Stage.CERTIFICATE, Stage.DNS})
ASKED_BEFORE = frozenset({Layer.ADMIN_API, Layer.DNS})
"""Where the cause is here, what hangs in the stock stack's connect is no connection yet."""
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
    """All six links, where a rehearsal ended in exit code 3, and not for the probe's own sake; else none."""
    known = tuple(findings)
    failed = (told for group in seen.check(Check.STARTUP) if (told := failing(group)))
    told = next((told for told in failed if of_the_target(roots_of_failure(known, told.target))), None)
    if told is None or (phase := told.ended_by) is None:
        return ()
    return (
        _pressure(seen, known),
        _delay(seen, told, roots_of_failure(known, told.target)),
        _database_phase(told),
        _broken_off(told, phase),
        _link(
            Link.EXIT_CODE_3,
            LinkState.SEEN,
            f"the application would end with exit code {DETERMINISTIC_FAILURE}"
            + ("" if told.confirmed else f"; {NOT_CONFIRMED}"),
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


def _delay(seen: Seen, told: Told, roots: Iterable[Finding]) -> ChainLink:
    """The longest connection, the dialler's or the rehearsal's, against what one is allowed.

    What was refused, or never began to connect, is no connection that took long.
    """
    limit_s = seen.question.application.connection_timeout_s
    connected = not any(root.layer in ASKED_BEFORE for root in roots)
    known = [*_dialled(seen, told.target), *(_rehearsed(told) if connected else ())]
    if not known:
        return _link(
            Link.CONNECTION_DELAY, LinkState.NOT_MEASURED, "no connection came about, and none was waited for"
        )
    longest = max(known, key=lambda item: (item.took_s, item.censored))
    exceeded = longest.took_s >= limit_s if longest.censored else longest.took_s > limit_s
    took = f"{'at least ' if longest.censored else ''}{seconds(longest.took_s)}"
    if exceeded:
        said = f"{longest.what} took {took}, the limit is {seconds(limit_s)}"
        return _link(Link.CONNECTION_DELAY, LinkState.SEEN, said, longest.id)
    waiting = next((item for item in known if item.censored), None)
    tried = f"{len(known)} connection{'s' * (len(known) != 1)}"
    said = f"the longest of {tried} took {took}, below {seconds(limit_s)}"
    if waiting is None:
        return _link(Link.CONNECTION_DELAY, LinkState.NOT_SEEN, said, longest.id)
    gave_up = f"{waiting.what} was given up on after {seconds(waiting.took_s)}, before {seconds(limit_s)}"
    return _link(Link.CONNECTION_DELAY, LinkState.NOT_MEASURED, gave_up, waiting.id)


def _dialled(seen: Seen, target: str) -> Iterator[_Connect]:
    for group in seen.of(target, Check.CLOUDSQL):
        for observation in group.valid:
            gave_up = _gave_up(observation)
            if gave_up or observation.outcome is Outcome.PASSED:
                yield _Connect(
                    id=observation.id,
                    what=f"a connection over {observation.path}",
                    took_s=observation.span.duration_s,
                    censored=gave_up,
                )


def _gave_up(observation: Observation) -> bool:
    record = observation.failed_stage
    if record is None or record.stage in BEFORE_ANY_CONNECTION:
        return False
    return record.failure is Failure.TIMEOUT


def _rehearsed(told: Told) -> Iterator[_Connect]:
    for phase in told.rehearsal.phases:
        for step in phase.steps:
            waited = step.failure in (None, Failure.TIMEOUT)
            if phase.kind is PhaseKind.DATABASE and step.name == CONNECT and waited:
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
