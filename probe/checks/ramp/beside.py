"""The logins beside a ramp, one at a time: the guard has kept one place for them."""

import time
from collections.abc import Callable

from probe.checks.ramp.canary import CanaryLogin, canary_budget_s
from probe.checks.ramp.listen import Listening, Stop, origin_ns
from probe.checks.ramp.request import Request
from probe.checks.ramp.watch import LOOK_AROUND_S, CutOff, Entered
from probe.dial.clock import Deadline, Trace
from probe.dial.failures import stage_failure
from probe.model.ramp import Canary, StopReason
from probe.model.words import Failure

GRACE_S = 1.0
"""What a login gets beyond its budget to be told as what it was."""


class Beside:
    """Begins logins and judges them; ``ended`` is told of each that has come to its end."""

    def __init__(
        self,
        request: Request,
        trace: Trace,
        entered: Entered,
        listening: Listening,
        ended: Callable[[Canary], None],
    ) -> None:
        self._request = request
        self._trace = trace
        self._entered = entered
        self._listening = listening
        self._ended = ended
        self._logins: list[CanaryLogin] = []

    @property
    def unanswered(self) -> int:
        """Logins that the server has not answered."""
        return sum(login.unanswered for login in self._logins)

    def try_one(self) -> None:
        """A stranger's login. Raises Stop where it does not get through."""
        self.judge(self.begin())

    def begin(self) -> CanaryLogin:
        """One more login, which nothing waits for."""
        held, origin = self._listening.load.open, origin_ns(self._trace)
        self._listening.canary = CanaryLogin(self._request, self._entered, held=held, origin_ns=origin)
        self._logins.append(self._listening.canary)
        return self._listening.canary

    def others_are_answered(self, within_s: float) -> bool:
        """Whether one more login is answered, be it with a refusal. Raises CutOff."""
        if any(login.done and login.unanswered for login in self._logins):
            return False  # one more would only take one more slot
        login, until = self.begin(), Deadline.after(within_s)
        while not login.done and time.monotonic_ns() < until.at_ns:
            if self._trace.stopped.wait(LOOK_AROUND_S):
                raise CutOff
        return not login.unanswered

    def judge(self, canary: CanaryLogin) -> None:
        """Wait for its end. Raises Stop where it did not get through."""
        budget_s, failure = canary_budget_s(self._request), None
        if not self._listening.until(lambda: canary.done, within_s=budget_s + GRACE_S):
            text = f"a login beside the ramp took more than {budget_s:g} s"
            failure = stage_failure(Failure.TIMEOUT, text)
        self.keep(canary)
        failure = failure or canary.failure
        if failure is not None:
            at_once = bool(self._listening.load.waiting)  # those that hang would not let go in good order
            raise Stop(StopReason.CANARY_FAILED, failure=failure, at_once=at_once)

    def keep(self, canary: CanaryLogin) -> None:
        """Tell of it, where it has come to its end."""
        if canary.done:
            self._ended(canary.record())
