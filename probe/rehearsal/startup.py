"""The child's role ``startup``: the application's start-up, phase by phase, with its own stack."""

from sqlalchemy import create_engine

from probe.dial.admin_api import prepare as prepare_admin_api
from probe.model.rehearsal import BAD_ENDS, DETERMINISTIC_FAILURE, PhaseOutcome
from probe.rehearsal.act import Act
from probe.rehearsal.kit import assemble
from probe.rehearsal.messages import Commands, Reporter
from probe.rehearsal.phases import PHASES
from probe.rehearsal.request import StartupRequest

EXIT_CRASHED = 70


def play(request: StartupRequest, reporter: Reporter, _commands: Commands) -> int:
    """Rehearse. The exit code is the application's own: 3 where a required phase did not complete.

    The first required phase that does not complete ends the start-up, as in the application.
    """
    prepare()
    kit = assemble(request)
    reporter.start_beating()
    reporter.emit("ready")
    for phase in request.phases:
        ending = Act(kit, phase, reporter).play(PHASES[phase.does])
        if phase.required and ending.outcome is PhaseOutcome.CRASHED:
            return _done(reporter, EXIT_CRASHED)
        if phase.required and ending.outcome in BAD_ENDS:
            return _done(reporter, DETERMINISTIC_FAILURE)
    return _done(reporter, 0)


def prepare() -> None:
    """Load what the stack loads at its first use: nothing is imported while a phase runs."""
    prepare_admin_api()
    create_engine("postgresql+pg8000://").dispose()


def _done(reporter: Reporter, exit_code: int) -> int:
    reporter.emit("done", exit_code=exit_code)
    return exit_code
