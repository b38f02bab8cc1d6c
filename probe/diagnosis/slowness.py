"""Connections that succeed, and slowly."""

from collections.abc import Iterable, Iterator

from probe.diagnosis.evidence import PathEvidence
from probe.diagnosis.seen import Seen, finding
from probe.diagnosis.sentences import seconds
from probe.model.cause import Cause
from probe.model.facts import TcpFacts
from probe.model.report import Finding
from probe.model.words import Layer, Stage

LAYER_OF_STAGE = {
    Stage.ADMIN_API: Layer.ADMIN_API,
    Stage.CERTIFICATE: Layer.ADMIN_API,
    Stage.DNS: Layer.DNS,
    Stage.TCP: Layer.NETWORK,
    Stage.TLS: Layer.SERVER_PROXY,
    Stage.PROXY: Layer.SERVER_PROXY,
    Stage.LOGIN: Layer.DATABASE,
    Stage.QUERY: Layer.DATABASE,
}
"""Where the time of a slow connection went."""


def slow_findings(seen: Seen, connections: Iterable[PathEvidence]) -> Iterator[Finding]:
    """Paths whose mean or longest connection time is above its threshold, with where the time went."""
    thresholds = seen.question.thresholds
    limit_s = thresholds.connection_single_ratio * seen.question.connection_s
    for group in connections:
        times = [o.span.duration_s for o in group.passed]
        if not times:
            continue
        mean_s, longest_s = sum(times) / len(times), max(times)
        if mean_s <= thresholds.connection_mean_s and longest_s <= limit_s:
            continue
        stage, stage_s = _slowest_stage(group)
        yield finding(
            Cause.SLOW_CONNECTION,
            group.target,
            f"{group.target}: connections over {group.path} take {seconds(mean_s)} on average and "
            f"{seconds(longest_s)} at most (thresholds {seconds(thresholds.connection_mean_s)} and "
            f"{seconds(limit_s)}); the slowest stage is {stage} with {seconds(stage_s)}"
            f"{_sent_again(group) if stage is Stage.TCP else ''}",
            [o.id for o in group.passed],
            path=group.path,
            layer=LAYER_OF_STAGE[stage],
        )


def _sent_again(group: PathEvidence) -> str:
    """SYNs that the kernel had to send again: a loss on the way, no slow host. Empty: none, or not known."""
    counts = [
        record.facts.retransmissions
        for observation in group.passed
        for record in observation.stages
        if isinstance(record.facts, TcpFacts) and record.facts.retransmissions
    ]
    return (
        f", SYNs sent again: {sum(counts)} in {len(counts)} of {len(group.passed)} attempts" if counts else ""
    )


def _slowest_stage(group: PathEvidence) -> tuple[Stage, float]:
    """By its mean over the attempts that passed, in seconds."""
    totals: dict[Stage, float] = {}
    for observation in group.passed:
        for record in observation.stages:
            totals[record.stage] = totals.get(record.stage, 0.0) + (
                record.span.duration_s if record.span else 0.0
            )
    stage, total_s = max(totals.items(), key=lambda item: item[1])
    return stage, total_s / len(group.passed)
