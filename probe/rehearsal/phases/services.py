"""Phases ``services`` and ``finalize``: health over HTTP, of what the application calls and of itself."""

import json

from probe.dial.failures import MAX_MESSAGE, StageFailure
from probe.model.facts import ErrorFacts
from probe.model.words import Failure
from probe.rehearsal.act import Act
from probe.rehearsal.phases.exchange import Answer, get, shown

WELL = frozenset({"healthy", "ok"})
OK = 200
SAID_BYTES = 64
"""What is quoted of an answer."""


def services(act: Act) -> bool:
    """The health of each service, in order, one step each."""
    urls = act.kit.request.startup.services
    for url in urls:
        _ask(act, shown(url), url)
    return bool(urls)


def finalize(act: Act) -> bool:
    """The application's own health."""
    url = act.kit.request.startup.health
    if url:
        _ask(act, "health", url)
    return bool(url)


def _ask(act: Act, step: str, url: str) -> None:
    budget_s = act.kit.request.application.health_check_timeout_s
    deadline = act.begin(step, budget_s, endpoint=shown(url))
    complaint = unwell(get(act.kit, url, deadline))
    if complaint is not None:
        raise StageFailure(Failure.UNHEALTHY, complaint)


def unwell(answer: Answer) -> ErrorFacts | None:
    """What is wrong with a health answer; None: it is 200, and where it names a ``status``, a good one."""
    if answer.status != OK:
        return _complaint(answer, repr(answer.body[:SAID_BYTES]))
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):  # plain text: 200 is all there is to say
        return None
    status = said.get("status", "ok") if isinstance(said, dict) else "ok"
    well = isinstance(status, str) and status.lower() in WELL
    return None if well else _complaint(answer, f"status {json.dumps(status)}")


def _complaint(answer: Answer, said: str) -> ErrorFacts:
    message = f"HTTP {answer.status}: {said}"[:MAX_MESSAGE]
    return ErrorFacts(type="HTTP", message=message, http_status=answer.status)
