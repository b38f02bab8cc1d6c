"""The command line: words in, an exit code out, nothing else. Slow imports wait until they are needed."""

import difflib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import click

from probe import __version__
from probe.model.words import Check, Verdict
from probe.signals import SIGNALLED, signals
from probe.streams import flush_stdout, give_up_stdout, replace_closed

if TYPE_CHECKING:
    from probe.model.observation import Delivery
    from probe.model.report import Report
    from probe.settings import Settings

EXIT_CODES = {Verdict.HEALTHY: 0, Verdict.DEGRADED: 1, Verdict.DOWN: 3, Verdict.INCONCLUSIVE: 4}
USAGE = 2
NOT_DONE = 4
FAIL_ON = {
    "never": frozenset({Verdict.INCONCLUSIVE}),
    "degraded": frozenset({Verdict.DEGRADED, Verdict.DOWN, Verdict.INCONCLUSIVE}),
    "down": frozenset({Verdict.DOWN, Verdict.INCONCLUSIVE}),
}

Command = Callable[..., None]


class Word(click.Choice[str]):
    """One of a few words; a misspelt one is refused with the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word itself. Raises BadParameter."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            near = _near(str(value), self.choices)
            raise click.BadParameter(error.message.rstrip(".") + near, ctx, param) from None


config_option = click.option(
    "--config", metavar="FILE", help="Settings file (TOML); PROBE_CONFIG names one as well."
)


def run_options(command: Command) -> Command:
    """The options that `run` and `demo` share."""
    options = (
        click.option(
            "--check",
            "checks",
            multiple=True,
            envvar="PROBE_CHECK",
            type=Word([check.value for check in Check]),
            help="Only this check of the profile; may be given more than once.",
        ),
        click.option(
            "--profile", default="scheduled", show_default=True, envvar="PROBE_PROFILE", help="Set of checks."
        ),
        click.option(
            "--format",
            "form",
            type=Word(["auto", "text", "json", "log"]),
            default="auto",
            show_default=True,
            envvar="PROBE_FORMAT",
            help="auto: text, but log in a Cloud Run job.",
        ),
        click.option(
            "--fail-on",
            type=Word(list(FAIL_ON)),
            default="degraded",
            show_default=True,
            envvar="PROBE_FAIL_ON",
            help="The mildest verdict with an exit code above 0; inconclusive always has one.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


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
def run(*, config: str | None, checks: tuple[str, ...], profile: str, form: str, fail_on: str) -> None:
    """Measure once, judge, deliver the metrics, say what was found."""
    with signals() as (interrupted, received):
        settings = _settings(config, secrets=True)
        if profile not in settings.profiles:
            near = _near(profile, settings.profiles)
            known = ", ".join(settings.profiles)
            _refuse(f"--profile: there is no profile {profile!r}{near}; there are: {known}")
        report = _measured(settings, tuple(Check(c) for c in checks), profile, form, interrupted)
    if received:
        sys.exit(SIGNALLED + received[0])
    sys.exit(EXIT_CODES[report.verdict] if report.verdict in FAIL_ON[fail_on] else 0)


def _measured(
    settings: "Settings", checks: tuple[Check, ...], profile: str, form: str, interrupted: threading.Event
) -> "Report":
    from probe import output
    from probe import plan as planning
    from probe.run import run as run_plan

    if form == "auto":
        form = "text" if settings.cloud_run.job == "local" else "log"
    plan = planning.plan(settings, profile=profile, only=checks)
    if not plan.opening and not plan.main:
        _refuse(f"--check: the profile {profile!r} has none of these checks that the settings allow")

    def deliver(report: "Report", left_s: float) -> "Delivery":
        return output.deliver(settings, report, left_s, interrupted)

    with output.watcher(form) as watcher:
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
) -> None:
    """Run on an embedded staging environment: real PostgreSQL, real mTLS, stand-ins for Google's APIs."""
    try:
        from probe.sandbox.demo import run_demo
        from probe.sandbox.faults import FAULTS
    except ImportError as error:
        _refuse(f"the sandbox is not installed ({error}): pip install 'cloudsql-vpc-probe[sandbox]'")
    if list_faults:
        width = max(len(name) for name in FAULTS)
        for name, fault in FAULTS.items():
            click.echo(f"{name:<{width}}  {fault.description}")
        return
    unknown = [name for name in faults if name not in FAULTS]
    if unknown:
        _refuse(f"--fault: there is no fault {unknown[0]!r}{_near(unknown[0], FAULTS)}; see --list-faults")
    arguments = ["--profile", profile, "--format", form, "--fail-on", fail_on]
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
        _refuse(f"there is no cause {cause!r}{_near(cause, CATALOGUE)}; `probe explain` lists them")
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


def _refuse(message: str) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(USAGE)


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, [str(one) for one in known], n=1)
    return f", did you mean {near[0]!r}?" if near else ""


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
        _refuse(where + error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return SIGNALLED + signal.SIGINT
    except OSError as error:
        give_up_stdout(error)
        return 0 if isinstance(error, BrokenPipeError) else NOT_DONE
    except Exception as error:
        click.echo(f"error: the probe itself failed: {type(error).__name__}: {error}", err=True)
        return NOT_DONE
    return 0
