"""Check ``configuration``: hands the application's figures to the diagnosis, which holds the rules."""

from probe.checks.series import Series
from probe.model.application import Application
from probe.model.words import Check


def series(application: Application) -> tuple[Series, ...]:
    """One observation that carries the figures."""
    return (
        Series(
            check=Check.CONFIGURATION,
            target="application",
            dial=lambda _trace, _concessions: None,
            budget_s=1.0,
            result=application,
        ),
    )
