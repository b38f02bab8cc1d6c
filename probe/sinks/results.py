"""A rehearsal and a ramp as parts of the JSON document: every field of the records, and what follows."""

from collections.abc import Mapping
from dataclasses import asdict

from probe.model.application import Application
from probe.model.observation import Result
from probe.model.ramp import Acquisition, Canary, Headroom, Limits, Ramp, RampStep
from probe.model.rehearsal import PhaseRecord, Rehearsal, Step
from probe.sinks.figures import connects, free_before, waits
from probe.sinks.rounded import Json, instant, optional, plain, seconds, times


def result(found: Result) -> Json:
    """What a check without stages found, under the name of its kind."""
    if isinstance(found, Rehearsal):
        return {"rehearsal": rehearsal(found)}
    if isinstance(found, Ramp):
        return {"ramp": ramp(found)}
    return {"application": _application(found)}


def rehearsal(item: Rehearsal) -> Json:
    """A start-up, phase by phase."""
    return {
        "phases": [_phase(phase) for phase in item.phases],
        "child_start_s": optional(item.child_start_s),
        "lag_s": seconds(item.lag_s),
        "overloaded": item.overloaded,
        "parameters_refused": item.parameters_refused,
        "exit_code": item.exit_code,
        "total_s": seconds(item.total_s),
        "ended_by": item.ended_by and item.ended_by.name,
    }


def ramp(item: Ramp) -> Json:
    """The filling of a pool: limits, every step, every acquisition, and what follows from them."""
    return {
        "saturation": item.saturation.value,
        "wanted": item.wanted,
        "workers": item.workers,
        "keep_free": item.keep_free,
        "limits": item.limits and _limits(item.limits),
        "before": item.before and _headroom(item.before, free_before(item)),
        "allowed": item.allowed,
        "held": item.held,
        "stopped": item.stopped,
        "error": item.error and asdict(item.error),
        "recovery_s": optional(item.recovery_s),
        "released_s": optional(item.released_s),
        "left_behind": item.left_behind,
        "unanswered": item.unanswered,
        "waits": plain(asdict(waits(item))),
        "connects": plain(asdict(connects(item))),
        "steps": [_ramp_step(step) for step in item.steps],
        "acquisitions": [_acquisition(each) for each in item.acquisitions],
        "canaries": [_canary(canary) for canary in item.canaries],
        "crowd": _crowd(item.crowd),
        "parameters_refused": item.parameters_refused,
        "cpu_s": seconds(item.cpu_s),
        "lag_s": seconds(item.lag_s),
        "overloaded": item.overloaded,
    }


def _application(item: Application) -> Json:
    return plain(asdict(item))


def _phase(item: PhaseRecord) -> Json:
    return {
        "name": item.name,
        "kind": item.kind.value,
        "outcome": item.outcome.value,
        "budget_s": seconds(item.budget_s),
        "required": item.required,
        **times(item.span),
        "share": optional(item.share),
        "steps": [_step(step) for step in item.steps],
        "failure": item.failure,
        "error": item.error and asdict(item.error),
        "skip_reason": item.skip_reason,
        "endpoint": item.endpoint,
        "missing": list(item.missing),
        "cpu_s": seconds(item.cpu_s),
    }


def _step(item: Step) -> Json:
    return {
        "name": item.name,
        **times(item.span),
        "budget_s": optional(item.budget_s),
        "failure": item.failure,
        "finished": item.finished,
    }


def _limits(item: Limits) -> Json:
    return {**asdict(item), "usable": item.usable}


def _headroom(item: Headroom, free: int | None) -> Json:
    return {**asdict(item), "free": free}


def _ramp_step(item: RampStep) -> Json:
    return {
        "number": item.number,
        "at_s": instant(item.at_ns),
        "held": item.held,
        "free": item.free,
        "connect_median_s": optional(item.connect_median_s),
    }


def _acquisition(item: Acquisition) -> Json:
    return {
        "worker": item.worker,
        "step": item.step,
        "intended_s": instant(item.intended_ns),
        "started_s": instant(item.started_ns),
        "finished_s": instant(item.finished_ns),
        "wait_s": seconds(item.wait_s),
        "start_delay_s": seconds(item.start_delay_s),
        "outcome": item.outcome.value,
        "connect_s": optional(item.connect_s),
        "failure": item.failure,
        "error": item.error and asdict(item.error),
    }


def _canary(item: Canary) -> Json:
    return {
        **times(item.span),
        "held": item.held,
        "failure": item.failure,
        "error": item.error and asdict(item.error),
    }


def _crowd(crowd: tuple[tuple[str, int], ...]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for name, count in crowd:
        counts[name] = counts.get(name, 0) + count
    return counts
