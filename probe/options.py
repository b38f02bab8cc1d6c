"""The options of the command line, and how words that are none are refused."""

import difflib
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import click

from probe.model.ramp import Saturation
from probe.model.words import Check, Verdict

USAGE = 2
FAIL_ON = {
    "never": frozenset({Verdict.INCONCLUSIVE}),
    "degraded": frozenset({Verdict.DEGRADED, Verdict.DOWN, Verdict.INCONCLUSIVE}),
    "down": frozenset({Verdict.DOWN, Verdict.INCONCLUSIVE}),
}

Command = Callable[..., None]


def refuse(message: str) -> NoReturn:
    """One line on standard error, and exit code 2."""
    click.echo(f"error: {message}", err=True)
    sys.exit(USAGE)


def near(name: str, known: Iterable[str]) -> str:
    """``, did you mean ...?`` where one of the known names resembles this one."""
    matches = difflib.get_close_matches(name, [str(one) for one in known], n=1)
    return f", did you mean {matches[0]!r}?" if matches else ""


class Word(click.Choice[str]):
    """One of a few words; a misspelt one is refused with the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word itself. Raises BadParameter."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            message = error.message.rstrip(".") + near(str(value), self.choices)
            raise click.BadParameter(message, ctx, param) from None


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
        click.option(
            "--saturate",
            type=Word([one.value for one in Saturation]),
            default=Saturation.GUARDED.value,
            show_default=True,
            envvar="PROBE_SATURATE",
            help="full: fill the pool up; only an instance of `pool.saturation_allowed`.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
