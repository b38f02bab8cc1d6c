import threading
import time

from probe.checks import configuration
from probe.checks.concurrently import Nobody, observe
from probe.dial.clock import Deadline
from probe.model.application import Application
from probe.model.words import Check, Outcome


def test_the_figures_are_handed_on_and_nothing_is_measured() -> None:
    application = Application(pool_size=3)
    (observation,) = observe(
        configuration.series(application),
        origin_ns=time.monotonic_ns(),
        deadline=Deadline.after(2),
        interrupted=threading.Event(),
        watcher=Nobody(),
    )
    assert (observation.check, observation.target) == (Check.CONFIGURATION, "application")
    assert (observation.outcome, observation.result) == (Outcome.PASSED, application)
    assert observation.stages == ()
