"""How each private endpoint answered, one line each."""

from collections.abc import Iterable, Iterator

from rich.text import Text

from probe.model.facts import TcpFacts
from probe.model.observation import Observation
from probe.model.words import Check, Outcome
from probe.sinks.text import printable
from probe.sinks.wording import Glyphs, Line, attempt, figure, said, where


def routes(observations: Iterable[Observation], glyphs: Glyphs) -> Iterator[Line]:
    """The wait for the first connection, then each endpoint with its share of answers and its round trip."""
    groups: dict[tuple[str, str | None, str], list[Observation]] = {}
    for item in observations:
        if item.check is Check.EGRESS:
            yield _egress(item, glyphs)
        if item.check is Check.ROUTE:
            groups.setdefault((item.target, item.path, item.endpoint or ""), []).append(item)
    for (_, _, endpoint), items in groups.items():
        yield _route(items, endpoint, glyphs)


def _egress(item: Observation, glyphs: Glyphs) -> Text:
    good = item.outcome is Outcome.PASSED
    mark, style = (glyphs.passed, "green") if good else (glyphs.failed, "bold red")
    if item.outcome is Outcome.SKIPPED:
        return Text(f"    first outbound connection  {attempt(item)}", style="dim")
    how = f"first outbound connection  {printable(item.endpoint or '')}  {item.outcome} after "
    return Text.assemble((f"  {mark} ", style), how, figure(item.span.duration_s))


def _route(items: list[Observation], endpoint: str, glyphs: Glyphs) -> Text:
    measured = [item for item in items if item.outcome is not Outcome.SKIPPED]
    passed = [item for item in measured if item.outcome is Outcome.PASSED]
    good = len(passed) == len(measured)
    mark, style = (glyphs.passed, "green") if good else (glyphs.failed, "bold red")
    if not measured:
        mark, style = " ", "dim"
    line = Text.assemble((f"  {mark} ", style), f"{where(items[0])}  {printable(endpoint)}  ")
    if not measured:
        return line.append(attempt(items[0]), style="dim")
    line.append(f"{len(passed)} of {len(measured)} answered")
    failures = dict.fromkeys(item.failure for item in measured if item.failure)
    line.append("".join(f", {said(failure)}" for failure in failures), style="red")
    return line.append(_round_trip(passed))


def _round_trip(passed: list[Observation]) -> str:
    tcp = [stage.facts for item in passed for stage in item.stages if isinstance(stage.facts, TcpFacts)]
    rtts_s = sorted(facts.rtt_s for facts in tcp if facts.rtt_s is not None)
    sent_again = sum(facts.retransmissions or 0 for facts in tcp)
    rtt = f", RTT {figure(rtts_s[len(rtts_s) // 2])}" if rtts_s else ""
    return f"{rtt}, {sent_again} SYN sent again" if sent_again else rtt
