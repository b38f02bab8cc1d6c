"""Any rehearsal and any ramp that a check could hand over, sound or not."""

from typing import Any

from hypothesis import strategies as st

from probe.model.application import PhaseKind
from probe.model.facts import ErrorFacts
from probe.model.observation import Observation
from probe.model.ramp import Acquisition, AcquisitionOutcome, Ramp, Saturation, StopReason
from probe.model.rehearsal import PhaseOutcome, PhaseRecord, Rehearsal
from probe.model.words import Check, Failure, Outcome, Path, SkipReason
from tests.diagnosis.makers import acquired, canary, headroom, limits, phase, pool, ramp, ramp_step, step
from tests.diagnosis.makers import startup as rehearsed

FAILURES = st.none() | st.sampled_from(Failure)
ERRORS = st.none() | st.builds(
    ErrorFacts,
    type=st.just("Error"),
    message=st.text(max_size=30),
    sqlstate=st.sampled_from([None, "53300"]),
    http_status=st.sampled_from([None, 503]),
)
STEPS = st.sampled_from(["connect", "first_query", "schema_check", "ping", "http://10.20.1.4:6379/ping"])
ENDPOINTS = st.sampled_from(["", "10.20.1.4:6379", "http://10.20.1.4:6379/ping", "https://x/", "[bad", "a:b"])


@st.composite
def phases(draw: st.DrawFn, kind: PhaseKind) -> PhaseRecord:
    """One phase, with an end that need not fit its outcome."""
    begun = [
        step(name, draw(st.sampled_from([0.01, 40.0])), failure=draw(FAILURES), finished=draw(st.booleans()))
        for name in draw(st.lists(STEPS, max_size=2))
    ]
    return phase(
        kind,
        draw(st.sampled_from(PhaseOutcome)),
        draw(FAILURES),
        draw(st.sampled_from([0.01, 20.0, 90.0])),
        required=draw(st.booleans()),
        steps=tuple(begun),
        error=draw(ERRORS),
        endpoint=draw(ENDPOINTS),
        missing=draw(st.sampled_from([(), ("users",)])),
        skip_reason=draw(st.sampled_from([None, SkipReason.NOT_CONFIGURED])),
    )


@st.composite
def rehearsals(draw: st.DrawFn) -> Rehearsal:
    """Some of the phases, mostly well."""
    well = draw(st.sets(st.sampled_from(PhaseKind)))
    told = [phase(kind) if kind in well else draw(phases(kind)) for kind in PhaseKind]
    return Rehearsal(phases=tuple(told), overloaded=draw(st.integers(0, 9)) == 0, lag_s=0.5)


@st.composite
def startups(draw: st.DrawFn, of: str) -> list[Observation]:
    """None, one rehearsal, or one that was repeated after the pause."""
    observations = []
    for confirmation in draw(st.sampled_from([[], [False], [False, True]])):
        result = draw(rehearsals())
        end: dict[str, Any] = draw(
            st.sampled_from(
                [
                    {},
                    {},
                    {"outcome": Outcome.FAILED},
                    {"outcome": Outcome.CRASHED},
                    {"outcome": Outcome.SKIPPED, "skip_reason": SkipReason.DEADLINE},
                    {"outcome": Outcome.FAILED, "result": None},
                ]
            )
        )
        more = {"id": f"startup/{of}/{confirmation}", "target": of, "error": draw(ERRORS)} | end
        path = draw(st.sampled_from([Path.CONNECTOR, Path.SOCKET, None]))
        observations.append(rehearsed(result, confirmation=confirmation, path=path, **more))
    return observations


@st.composite
def acquisitions(draw: st.DrawFn) -> list[Acquisition]:
    """Some wishes for a connection, and how each ended."""
    return [
        acquired(
            number,
            outcome=outcome,
            failure=draw(FAILURES),
            error=draw(ERRORS),
            finished_ns=draw(st.sampled_from([10**7, 10**11])),
            connect_s=draw(st.sampled_from([None, 0.01, 40.0])),
        )
        for number, outcome in enumerate(draw(st.lists(st.sampled_from(AcquisitionOutcome), max_size=4)))
    ]


@st.composite
def filled(draw: st.DrawFn) -> Ramp:
    """One ramp, with figures that need not fit one another."""
    others = draw(st.integers(0, 25))
    limited = draw(st.sampled_from([{}, {"role_limit": 4}, {"database_limit": 6}, {"database_limit": 0}]))
    steps = (ramp_step(1, 3, draw(st.sampled_from([None, 5]))), ramp_step(2, 6, 5, 0.2))
    return ramp(
        saturation=draw(st.sampled_from(Saturation)),
        stopped=draw(st.none() | st.sampled_from(StopReason)),
        held=draw(st.integers(0, 22)),
        limits=draw(st.sampled_from([None, limits(**limited)])),
        before=draw(st.sampled_from([None, headroom(others, leftovers=others % 2, database=others)])),
        steps=draw(st.sampled_from([(), steps])),
        acquisitions=tuple(draw(acquisitions())),
        canaries=draw(st.sampled_from([(), (canary(),), (canary(Failure.SLOTS_EXHAUSTED),)])),
        left_behind=draw(st.sampled_from([None, 0, 2])),
        crowd=draw(st.sampled_from([(), (("", 3), ("back\nend", 2))])),
        overloaded=draw(st.integers(0, 9)) == 0,
    )


@st.composite
def ramps(draw: st.DrawFn, of: str) -> list[Observation]:
    """Any of the three checks, done, failed, left out or cut off."""
    observations = []
    for check in draw(st.sets(st.sampled_from([Check.POOL, Check.CAPACITY, Check.HERD]))):
        outcome = draw(st.sampled_from(Outcome))
        reason = draw(st.sampled_from(SkipReason)) if outcome is Outcome.SKIPPED else None
        result = draw(st.none() | filled())
        failure = draw(FAILURES) if outcome is Outcome.FAILED else None
        more: dict[str, Any] = {"outcome": outcome, "skip_reason": reason, "failure": failure}
        more |= {"id": f"{check}/{of}", "target": of, "error": draw(ERRORS), "result": result}
        observations.append(pool(None, check, **more))
    return observations
