from dataclasses import replace

import pytest

from probe.model.application import PhaseKind
from probe.model.facts import ErrorFacts
from probe.model.observation import Observation
from probe.model.rehearsal import PhaseOutcome, Rehearsal, Step
from probe.model.words import Failure, Outcome, SkipReason
from probe.sinks import terminal
from tests.factories import CHAIN, broken_off, phase, rehearsal, report, span, startup


def shown(*observations: Observation, width: int = 80) -> list[str]:
    """The lines of the section alone."""
    lines = terminal.render(report(observations), width, ascii_only=True).splitlines()
    return lines[lines.index("Start-up rehearsal") + 1 : -2]


def line(lines: list[str], name: str) -> str:
    (found,) = (line for line in lines if line[4:].strip().startswith(name))
    return found


def test_each_phase_has_its_line_its_place_and_its_share_of_the_budget() -> None:
    lines = shown(startup())
    assert lines[0] == "staging-db over connector: attempt 1, passed after 2.20 s"
    assert line(lines, "phase_2").startswith("  + phase_2_dependencies ==")
    assert line(lines, "phase_2").endswith("410 ms .......    1 % of 40 s  completed")
    assert line(lines, "phase_1").endswith("1.20 ms .......   <1 % of 1 s   completed")
    assert line(lines, "connect").startswith("      connect        ")
    assert line(lines, "schema_check").endswith("43 ms .......   <1 % of 25 s")
    starts = [each.index("=") for each in lines[1:-1]]
    assert starts == sorted(starts)
    assert lines[-1] == "    child started in 812 ms; total 1.30 s; the application would exit with 0"


def test_the_filled_part_of_the_budget_is_the_share_that_was_used() -> None:
    phases = (phase(PhaseKind.DATABASE, 0.0, 45.0), phase(PhaseKind.CACHE, 45.0, 20.0))
    lines = shown(startup(Rehearsal(phases=phases)), width=120)
    database = line(lines, "phase_3").split(" s ", 1)[1].split()[0]
    assert database.count("=") == pytest.approx(len(database) / 2, abs=1)
    assert set(line(lines, "phase_4").split(" s ", 1)[1].split()[0]) == {"="}


def test_a_phase_that_ran_out_of_time_says_where_and_what_was_left_undone() -> None:
    text = terminal.render(broken_off(), ascii_only=True)
    lines = text.splitlines()
    database = line(lines, "phase_3_database  ")
    assert database.startswith("  x phase_3_database     ####")
    assert database.endswith(" 75.00 s ######.   83 % of 90 s  timed out")
    assert line(lines, "connect ").endswith("#######  100 % of 75 s  timed out")
    assert "      timeout at 10.20.1.3:3307" in lines
    assert "      sqlalchemy.exc.TimeoutError: connection timed out" in lines
    assert "    skipped, not configured: phase_4_cache, phase_6_websocket" in lines
    assert "    blocked: phase_5_services, phase_7_finalize" in lines
    assert "    child started in 812 ms; total 75.41 s; the application would exit with 3" in lines


def test_the_failure_chain_stands_link_by_link_below_it() -> None:
    lines = terminal.render(broken_off(), ascii_only=True).splitlines()
    first = lines.index("Failure chain")
    assert lines[first + 1 : first + 5] == [
        "  ? connector pressure  not measured",
        "      nothing but the application's own figures tells how busy the connector is",
        "  x connection delay    seen          connecting took 75.0 s, above 35 s",
        "  x phase timed out     seen          phase_3_database stopped after 75.0 s",
    ]
    assert lines[first + 7] == "  + user path offline   not seen      the service answers: HTTP 200"


def test_a_chain_needs_no_rehearsal_to_be_shown() -> None:
    assert "Failure chain" in terminal.render(report(chain=CHAIN))


def test_without_room_the_outcome_stands_below() -> None:
    lines = shown(startup(rehearsal(PhaseKind.DATABASE)), width=62)
    assert line(lines, "phase_3_database").endswith("83 % of 90 s")
    assert "      timed out; timeout at 10.20.1.3:3307" in lines


def test_missing_tables_and_an_optional_phase_are_said() -> None:
    item = phase(
        PhaseKind.CACHE,
        outcome=PhaseOutcome.FAILED,
        failure=Failure.TABLE_MISSING,
        missing=("users", "\x1b[2Jpublic.threads"),
        required=False,
    )
    lines = shown(startup(Rehearsal(phases=(item,))))
    assert r"      table missing; missing: users, \x1b[2Jpublic.threads; not required: the" in lines
    assert lines[-1] == "    total 4.00 ms; the application would exit with 0"


def test_a_step_that_was_under_way_and_one_without_a_budget_say_so() -> None:
    steps = (
        Step(name="connect", span=span(0.0, 1.0)),
        Step(name="first_query", span=span(1.0, 1.0), budget_s=4.0, finished=False),
    )
    item = phase(PhaseKind.DATABASE, 0.0, 2.0, PhaseOutcome.SKIPPED, steps=steps, span=span(0.0, 2.0))
    lines = shown(startup(Rehearsal(phases=(replace(item, skip_reason=SkipReason.DEADLINE),))))
    assert line(lines, "connect ").endswith("1.00 s")
    assert line(lines, "first_query").endswith("25 % of 4 s   under way")
    assert line(lines, "phase_3_database").startswith("    phase_3_database")
    assert "      deadline" in lines
    assert lines[-1].endswith("what the application would exit with is not known")


def test_a_step_that_failed_leaves_its_reason_to_its_phase() -> None:
    item = rehearsal(PhaseKind.DATABASE, Failure.CLIENT_CERTIFICATE_UNTRUSTED, 0.5)
    lines = shown(startup(item))
    assert line(lines, "connect ").endswith("of 75 s  failed")
    assert "      client certificate untrusted at 10.20.1.3:3307" in lines


def test_what_makes_a_rehearsal_doubtful_is_said() -> None:
    lines = shown(startup(rehearsal(overloaded=True, lag_s=1.5, parameters_refused=True)))
    assert "    the server did not know all start-up parameters; connected without those" in lines
    assert any("it did not get to run for 1.50 s" in each for each in lines)


def test_a_rehearsal_in_which_nothing_began_names_every_phase() -> None:
    item = rehearsal(absent=list(PhaseKind), child_start_s=None)
    lines = shown(startup(item))
    assert lines[1].startswith("    skipped, not configured: phase_1_init, phase_2_dependencies")
    assert lines[-1] == "    total 0.00 ms; the application would exit with 0"


def test_a_start_up_without_a_result_says_why_and_several_stand_apart() -> None:
    skipped = replace(
        startup(), outcome=Outcome.SKIPPED, skip_reason=SkipReason.EARLIER_STAGE_FAILED, result=None
    )
    error = ErrorFacts(type="OSError", message="no such process")
    crashed = replace(startup(target="other"), outcome=Outcome.CRASHED, result=None, error=error)
    assert shown(skipped, crashed) == [
        "staging-db over connector: skipped: earlier stage failed",
        "",
        "other over connector: attempt 1, crashed after 2.20 s (no such process)",
    ]
