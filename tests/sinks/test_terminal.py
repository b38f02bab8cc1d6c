import os
import pty
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path as File

import pytest

from probe.model.application import PhaseKind
from probe.model.facts import EgressFacts, ErrorFacts, TcpFacts
from probe.model.observation import Delivery
from probe.model.ramp import Canary, Limits
from probe.model.rehearsal import PhaseOutcome, Rehearsal, Step
from probe.model.report import ChainLink, Link, LinkState, Report
from probe.model.words import Check, Failure, Outcome, Severity, SkipReason, Stage, Verdict
from probe.sinks import terminal
from tests.factories import (
    blackhole,
    broken_off,
    connection,
    finding,
    healthy,
    phase,
    pool,
    ramp,
    rehearsed,
    report,
    route,
    several_findings,
    span,
    stage,
    startup,
)

REPORTS = [healthy, blackhole, several_findings, rehearsed, broken_off, report]


@pytest.mark.parametrize("make", REPORTS)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(make: Callable[[], Report], width: int) -> None:
    assert all(len(line) <= width for line in terminal.render(make(), width).splitlines())


@pytest.mark.parametrize("make", REPORTS)
def test_plain_text_has_no_escape_sequence_and_ascii_is_ascii(make: Callable[[], Report]) -> None:
    assert "\x1b" not in terminal.render(make())
    assert terminal.render(make(), ascii_only=True).isascii()


def test_the_answer_comes_first() -> None:
    first = terminal.render(blackhole()).splitlines()[0]
    assert first == "DOWN  staging-db is down: 10.20.1.3:3307 is silent, while its neighbour answers."


def test_a_healthy_run_shows_its_slowest_attempt_and_its_routes() -> None:
    text = terminal.render(healthy())
    assert "Findings" not in text
    assert "staging-db over connector: 2 of 2 passed; attempt 1, passed after 397 ms" in text
    assert "    tcp " in text
    assert "1.30 ms" in text
    assert "    dns         skipped: literal address" in text
    assert "✓ cache  10.20.1.4:6379  1 of 1 answered, RTT 0.90 ms" in text
    assert text.endswith("\nMetrics: 124 written, 0 dropped\n")


def test_a_failing_attempt_shows_its_stage_its_budget_and_what_was_not_reached() -> None:
    text = terminal.render(blackhole(), ascii_only=True)
    assert "staging-db over connector: 0 of 3 passed; attempt 1, failed after 30.38 s" in text
    (tcp,) = (line for line in text.splitlines() if line.startswith("  x tcp"))
    assert tcp.endswith("30.00 s  timeout (budget 30 s)")
    assert "      TimeoutError: timed out" in text
    assert "    not reached: tls, proxy, login, query" in text
    assert "staging-db over socket: skipped: repeated failure" in text
    assert "x staging-db  10.20.1.3:3307  0 of 1 answered, timeout" in text


def test_the_bars_are_proportional_to_the_time() -> None:
    text = terminal.render(healthy(), 80, ascii_only=True)
    bars = {line.split()[0]: line.count("=") for line in text.splitlines() if "=" in line}
    assert bars["admin_api"] == pytest.approx(54 * 0.212 / 0.397, abs=1)
    assert bars["certificate"] == pytest.approx(54 * 0.168 / 0.397, abs=1)
    assert bars["tcp"] == 1


def test_a_note_that_does_not_fit_stands_below() -> None:
    item = connection(1, failing=Stage.PROXY, failure=Failure.CLIENT_CERTIFICATE_UNTRUSTED, failing_s=0.5)
    assert "      client certificate untrusted" in terminal.render(report([item]), 60).splitlines()


def test_what_a_server_said_stays_indented_where_it_wraps() -> None:
    error = ErrorFacts(type="DatabaseError", message="password authentication failed " * 5)
    item = connection(1, failing=Stage.LOGIN, failure=Failure.PASSWORD_REJECTED, error=error)
    lines = terminal.render(report([item])).splitlines()
    said = [line for line in lines if "authentication" in line]
    assert len(said) > 1
    assert all(line.startswith("      ") for line in said)


def test_the_gravest_finding_comes_first_and_a_consequence_stands_below_its_cause() -> None:
    text = terminal.render(several_findings())
    places = [text.index(f"[{name}]") for name in ("f1", "f2", "f3")]
    assert places == sorted(places)
    assert "      and so endpoint_silent [f2] staging-db over private_ip: The same" in text
    assert "Do: Check the instance's private address and its firewall rules." in text
    assert text.count("The infrastructure team must act.") == 1
    assert "| interrupted" in text


def test_a_consequence_of_a_consequence_is_shown_once() -> None:
    chain = [
        finding("a"),
        finding("b", consequence_of="a", severity=Severity.INFO),
        finding("c", consequence_of="b"),
    ]
    text = terminal.render(report(findings=chain))
    assert [text.count(f"[{name}]") for name in "abc"] == [1, 1, 1]


def test_a_finding_whose_cause_is_not_there_stands_for_itself() -> None:
    assert "CRITICAL endpoint_silent  [f1]" in terminal.render(
        report(findings=[finding(consequence_of="f9")])
    )


def test_much_evidence_is_counted() -> None:
    many = finding(evidence=tuple(f"o{number}" for number in range(20)), path=None)
    assert "Evidence: o0, o1, o2, o3, o4, o5, o6, o7 and 12 more" in terminal.render(report(findings=[many]))


def test_several_targets_each_show_their_verdict() -> None:
    targets = (("one", Verdict.HEALTHY), ("two", Verdict.DOWN))
    text = terminal.render(report(targets=targets, verdict=Verdict.DOWN))
    assert "  HEALTHY      one\n  DOWN         two\n" in text


def test_dropped_metrics_say_why() -> None:
    refused = Delivery(written=3, dropped=2)
    assert terminal.render(report(delivery=refused)).endswith("Metrics: 3 written, 2 dropped\n")
    assert terminal.render(several_findings()).endswith("Metrics: 0 written, 124 dropped (timeout)\n")


def test_a_confirmation_and_a_crash_are_called_so() -> None:
    crash = connection(
        1,
        outcome=Outcome.CRASHED,
        confirmation=True,
        stages=(),
        error=ErrorFacts(type="KeyError", message="gone"),
    )
    assert "confirmation 1, crashed after 397 ms (gone)" in terminal.render(report([crash]), 120)


def test_a_lost_syn_is_said_and_a_skipped_route_says_its_reason() -> None:
    facts = TcpFacts(address="10.20.1.4:6379", retransmissions=1)
    lossy = route("r1", "cache", "10.20.1.4:6379", stages=(stage(Stage.TCP, 0.0, 1.0, facts=facts),))
    left_out = route("r2", "other", "h:1", outcome=Outcome.SKIPPED, skip_reason=SkipReason.DEADLINE)
    text = terminal.render(report([lossy, left_out]))
    assert "cache  10.20.1.4:6379  1 of 1 answered, 1 SYN sent again" in text
    assert "    other  h:1  skipped: deadline" in text


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome.PASSED, "  + first outbound connection  10.20.1.3:3307  passed after 2.50 s"),
        (Outcome.FAILED, "  x first outbound connection  10.20.1.3:3307  failed after 2.50 s"),
        (Outcome.SKIPPED, "    first outbound connection  skipped: switched off"),
    ],
)
def test_the_wait_for_egress_is_shown(outcome: Outcome, said: str) -> None:
    facts = EgressFacts(address="10.20.1.3:3307", attempts=3, wait_s=2.5)
    item = route(
        "e1",
        "egress",
        "10.20.1.3:3307",
        check=Check.EGRESS,
        outcome=outcome,
        skip_reason=SkipReason.SWITCHED_OFF if outcome is Outcome.SKIPPED else None,
        span=span(0.0, 2.5),
        stages=(stage(Stage.TCP, 0.0, 2.5, facts=facts),),
    )
    assert said in terminal.render(report([item]), ascii_only=True)


def test_an_attempt_that_took_no_time_has_bars_all_the_same() -> None:
    item = connection(1, span=span(0.0, 0.0), stages=(stage(Stage.TCP, 0.0, 0.0),))
    assert "= " in terminal.render(report([item]), ascii_only=True)


def test_a_stage_that_was_cut_off_says_by_what() -> None:
    cut = stage(Stage.TCP, 0.0, 1.0, outcome=Outcome.SKIPPED, skip_reason=SkipReason.DEADLINE)
    item = connection(1, outcome=Outcome.SKIPPED, skip_reason=SkipReason.DEADLINE, stages=(cut,))
    assert "1.00 s  deadline" in terminal.render(report([item]))


EVIL = "\x1b]0;owned\x07 [red]not red[/red] \x9b2J \u202e"


def test_nothing_from_outside_reaches_the_terminal_as_more_than_text() -> None:
    error = ErrorFacts(type=EVIL, message=EVIL)
    item = connection(1, failing=Stage.LOGIN, error=error, target=EVIL, endpoint=EVIL)
    evil = report(
        [item, route("r1", EVIL, EVIL)],
        [finding(target=EVIL, summary=EVIL, action=EVIL, evidence=(EVIL,))],
        headline=EVIL,
        targets=((EVIL, Verdict.DOWN), ("b", Verdict.DOWN)),
    )
    text = terminal.render(evil)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "[red]not red[/red]" in text


def test_nothing_that_a_start_up_or_a_ramp_met_does_either() -> None:
    error = ErrorFacts(type=EVIL, message=EVIL)
    step = Step(name=EVIL, span=span(0.0, 1.0), failure=Failure.PROTOCOL)
    ended = phase(
        PhaseKind.DATABASE,
        outcome=PhaseOutcome.FAILED,
        name=EVIL,
        steps=(step,),
        failure=Failure.PROTOCOL,
        error=error,
        endpoint=EVIL,
        missing=(EVIL,),
    )
    blocked = phase(PhaseKind.CACHE, outcome=PhaseOutcome.BLOCKED, name=EVIL)
    canary = Canary(span=span(1.0, 0.5), held=3, failure=Failure.PROTOCOL, error=error)
    limits = Limits(server_version=EVIL, max_connections=25, superuser_reserved=3)
    filled = ramp((3,), crowd=((EVIL, 1),), error=error, canaries=(canary,), limits=limits)
    items = [startup(Rehearsal(phases=(ended, blocked)), target=EVIL), pool(filled, target=EVIL, error=error)]
    chain = (ChainLink(link=Link.EXIT_CODE_3, state=LinkState.SEEN, said=EVIL),)
    text = terminal.render(report(items, chain=chain))
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "[red]not red[/red]" in text


# Written to real streams


def test_a_stream_that_is_no_terminal_gets_plain_text() -> None:
    stream = StringIO()
    terminal.write(blackhole(), stream)
    assert "\x1b" not in stream.getvalue()
    assert "[f1]" in stream.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_encoding_gets_signs_that_it_has(encoding: str) -> None:
    content = BytesIO()
    stream = TextIOWrapper(content, encoding=encoding)
    terminal.write(several_findings(), stream)
    assert (("▒" in content.getvalue().decode(encoding)), encoding) in (
        (False, "ascii"),
        (False, "latin-1"),
        (True, "utf-8"),
    )


ROOT = File(__file__).parents[2]
PROGRAM = """
import sys
from probe.sinks import terminal
from tests.factories import blackhole
terminal.write(blackhole(), sys.stdout)
"""


def on_a_terminal(**environ: str) -> str:
    ours, theirs = pty.openpty()
    environment = {
        key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLORTERM")
    }
    try:
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            stdout=theirs,
            env=environment | {"PYTHONIOENCODING": "utf-8"} | environ,
            cwd=ROOT,
            timeout=60,
            check=True,
        )
        os.set_blocking(ours, False)
        return os.read(ours, 1 << 20).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_terminal_gets_colours() -> None:
    assert "\x1b[1;31mDOWN" in on_a_terminal(TERM="xterm")


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}])
def test_a_dumb_terminal_gets_none(environ: dict[str, str]) -> None:
    assert "\x1b" not in on_a_terminal(**environ)
