"""The command line: words in, an exit code out, nothing else. Slow imports wait until they are needed."""

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import click

from probe import __version__
from probe.model.ramp import Saturation
from probe.model.words import Check, Verdict
from probe.options import FAIL_ON, USAGE, config_option, near, refuse, run_options
from probe.signals import SIGNALLED, signals
from probe.streams import flush_stdout, give_up_stdout, replace_closed

if TYPE_CHECKING:
    from probe.model.observation import Delivery
    from probe.model.report import Report
    from probe.settings import Settings

EXIT_CODES = {Verdict.HEALTHY: 0, Verdict.DEGRADED: 1, Verdict.DOWN: 3, Verdict.INCONCLUSIVE: 4}
NOT_DONE = 4


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Say, with evidence, which layer between a Cloud Run service and its Cloud SQL database is at fault.

    Exit codes: 0 better than --fail-on, 1 degraded, 2 usage or configuration, 3 down, 4 inconclusive,
    130 after Ctrl-C, 143 after SIGTERM.
    """


@cli.command()
@config_option
@run_options
def run(
    *, config: str | None, checks: tuple[str, ...], profile: str, form: str, fail_on: str, saturate: str
) -> None:
    """Measure once, judge, deliver the metrics, say what was found."""
    with signals() as (interrupted, received):
        settings = _settings(config, secrets=True)
        if profile not in settings.profiles:
            known = ", ".join(settings.profiles)
            alike = near(profile, settings.profiles)
            refuse(f"--profile: there is no profile {profile!r}{alike}; there are: {known}")
        only = tuple(Check(check) for check in checks)
        report = _measured(settings, only, profile, Saturation(saturate), form, interrupted)
    if received:
        sys.exit(SIGNALLED + received[0])
    sys.exit(EXIT_CODES[report.verdict] if report.verdict in FAIL_ON[fail_on] else 0)


def _measured(
    settings: "Settings",
    checks: tuple[Check, ...],
    profile: str,
    saturation: Saturation,
    form: str,
    interrupted: threading.Event,
) -> "Report":
    from probe import output
    from probe import plan as planning
    from probe.run import run as run_plan

    if form == "auto":
        form = "text" if settings.cloud_run.job == "local" else "log"
    instance = settings.application_target.instance
    if saturation is Saturation.FULL and instance not in settings.pool.saturation_allowed:
        refuse(
            f"--saturate full: {instance} is not in pool.saturation_allowed: nothing else may be filled up"
        )

    def deliver(report: "Report", left_s: float) -> "Delivery":
        return output.deliver(settings, report, left_s, interrupted)

    with output.watcher(form) as watcher:
        plan = planning.plan(settings, profile=profile, only=checks, saturation=saturation, watcher=watcher)
        if not plan.measures_anything:
            refuse(f"--check: the profile {profile!r} has none of these checks that the settings allow")
        report = run_plan(plan, deliver=deliver, interrupted=interrupted, watcher=watcher)
    output.tell(report, form)
    return report


@cli.command()
@click.option("--fault", "faults", multiple=True, metavar="NAME", help="Break this; may be given repeatedly.")
@click.option("--list-faults", is_flag=True, help="Say what can be broken, and how.")
@run_options
def demo(
    *,
    faults: tuple[str, ...],
    list_faults: bool,
    checks: tuple[str, ...],
    profile: str,
    form: str,
    fail_on: str,
    saturate: str,
) -> None:
    """Run on an embedded staging environment: real PostgreSQL, real mTLS, stand-ins for Google's APIs."""
    try:
        from probe.sandbox.demo import run_demo
        from probe.sandbox.faults import FAULTS
    except ImportError as error:
        refuse(f"the sandbox is not installed ({error}): pip install 'cloudsql-vpc-probe[sandbox]'")
    if list_faults:
        width = max(len(name) for name in FAULTS)
        for name, fault in FAULTS.items():
            click.echo(f"{name:<{width}}  {fault.description}")
        return
    unknown = [name for name in faults if name not in FAULTS]
    if unknown:
        refuse(f"--fault: there is no fault {unknown[0]!r}{near(unknown[0], FAULTS)}; see --list-faults")
    arguments = ["--profile", profile, "--format", form, "--fail-on", fail_on, "--saturate", saturate]
    arguments += [word for check in checks for word in ("--check", check)]
    sys.exit(run_demo(faults, arguments))


@cli.command("check-config")
@config_option
def check_config(*, config: str | None) -> None:
    """Validate the settings without opening a socket; warnings come with their arithmetic."""
    from probe.diagnosis.configuration import broken_rules, gateway_rules
    from probe.settings import doubts

    settings = _settings(config, secrets=False)
    rules = broken_rules(settings.application)
    rules += gateway_rules(settings.connector.gateway, settings.targets, settings.neighbours)
    warnings = [f"{rule.cause}: {rule.sentence}" for rule in rules] + list(doubts(settings))
    for warning in warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"valid: {len(settings.targets)} target(s), {len(warnings)} warning(s)")


@cli.command()
@click.argument("cause", required=False)
def explain(*, cause: str | None) -> None:
    """Say what a cause means, how it was told, and what to do; without one, list them all."""
    from probe.diagnosis.catalogue import CATALOGUE
    from probe.model.cause import Cause

    if cause is None:
        width = max(len(one) for one in CATALOGUE)
        for one, entry in CATALOGUE.items():
            click.echo(f"{one:<{width}}  {entry.meaning}")
        return
    if cause not in Cause.__members__.values():
        refuse(f"there is no cause {cause!r}{near(cause, CATALOGUE)}; `probe explain` lists them")
    entry = CATALOGUE[Cause(cause)]
    click.echo(f"{cause}: {entry.meaning}")
    click.echo(f"  category     {entry.category}, layer {entry.layer}, {entry.severity}")
    click.echo(f"  how it is told  {entry.told_by}")
    click.echo(f"  what to do   {entry.action}")
    click.echo(f"  escalate     {'to the infrastructure team' if entry.escalate else 'no'}")


@cli.group()
def metrics() -> None:
    """The metrics that the probe writes."""


@metrics.command("list")
def metrics_list() -> None:
    """Print the catalogue as a table."""
    from probe.sinks.catalogue import markdown_table

    click.echo(markdown_table())


@metrics.command("apply")
@config_option
def metrics_apply(*, config: str | None) -> None:
    """Create or update the metric descriptors; once at deployment, not each run.

    Exit code 4 where that could not be done for all of them.
    """
    from probe.sinks.cloud_monitoring import apply_descriptors

    settings = _settings(config, secrets=False)
    outcome = apply_descriptors(
        project=settings.project,
        endpoint=settings.monitoring.endpoint,
        budget_s=settings.monitoring.budget_s,
    )
    for done in ("created", "updated", "unchanged"):
        click.echo(f"{done}: {len(getattr(outcome, done))}")
    for name, error in outcome.failed.items():
        click.echo(f"error: {name}: {error.message}", err=True)
    if outcome.error and not outcome.failed:
        click.echo(f"error: nothing was done: {outcome.error.message}", err=True)
    if outcome.failure:
        sys.exit(NOT_DONE)


def _settings(config: str | None, *, secrets: bool) -> "Settings":
    from probe.settings import SettingsError, load

    try:
        return load(config, os.environ, secrets=secrets)
    except SettingsError as error:
        for problem in error.problems:
            click.echo(f"error: {problem}", err=True)
        sys.exit(USAGE)


def main() -> None:
    """Entry point: no traceback ever, and no exit code but the documented ones."""
    replace_closed()
    try:
        code = _command_line()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    sys.exit(code if flush_stdout() or code else NOT_DONE)


def _command_line() -> int:
    """The exit code; bad usage and what the probe itself got wrong are one line each."""
    try:
        # Not cli.main(), which ends with 1, our "degraded", when a reader such as `head` leaves early.
        with cli.make_context("probe", sys.argv[1:]) as context:
            cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.UsageError as error:
        where = f"{error.ctx.command_path}: " if error.ctx else ""
        refuse(where + error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return SIGNALLED + signal.SIGINT
    except OSError as error:
        give_up_stdout(error)
        return 0 if isinstance(error, BrokenPipeError) else NOT_DONE
    except Exception as error:
        click.echo(f"error: the probe itself failed: {type(error).__name__}: {error}", err=True)
        return NOT_DONE
    return 0
