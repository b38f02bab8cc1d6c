"""Phases ``services`` and ``finalize``: health over HTTP, of what the application calls and of itself."""

import json

import httpx

from probe.dial.failures import MAX_MESSAGE, StageFailure
from probe.model.facts import ErrorFacts
from probe.model.words import Failure
from probe.rehearsal.act import Act
from probe.rehearsal.phases.exchange import MAX_BODY_BYTES, Answer, get, printable, shown

WELL = frozenset({"healthy", "ok"})
JSON = "json"
"""So does every content type end that promises it: ``application/json``, ``application/health+json``."""


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
    """What is wrong with a health answer; None: it is 2xx, and where it names a ``status``, a good one."""
    if not httpx.codes.is_success(answer.status):
        return _complaint(answer, printable(answer.body))
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return _not_read(answer)
    status = said.get("status", "ok") if isinstance(said, dict) else "ok"
    well = isinstance(status, str) and status.lower() in WELL
    return None if well else _complaint(answer, f"status {json.dumps(status)}")


def _not_read(answer: Answer) -> ErrorFacts | None:
    """Plain text says nothing more than its 2xx; JSON that goes on behind the bound may say anything."""
    promised = answer.content_type.partition(";")[0].strip().lower().endswith(JSON)
    if not (answer.cut and promised):
        return None
    return _complaint(answer, f"its body of more than {MAX_BODY_BYTES} bytes was not read")


def _complaint(answer: Answer, said: str) -> ErrorFacts:
    message = f"HTTP {answer.status}: {said or 'no body'}"[:MAX_MESSAGE]
    return ErrorFacts(type="HTTP", message=message, http_status=answer.status)
