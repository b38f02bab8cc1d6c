"""Phases ``init`` and ``dependencies``: the environment, secrets, credentials, the Admin API."""

import os

from probe.dial.admin_api import InstanceName
from probe.dial.clock import Deadline, Trace
from probe.dial.failures import stage_failure
from probe.model.words import Failure, Path
from probe.rehearsal.act import Act
from probe.rehearsal.kit import Kit
from probe.rehearsal.request import StartupRequest

CREDENTIALS_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
LAST_WORD_S = 0.05
"""So much earlier the dialler gives up: it knows better than the end of the budget who did not answer."""


def init(act: Act) -> bool:
    """The environment as it was found: no network. The settings have been decoded already."""
    act.begin("environment")
    if act.kit.request.asks_google:
        _require_credentials_file(os.environ.get(CREDENTIALS_FILE, ""))
    return True


def dependencies(act: Act) -> bool:
    """Secrets, then an access token and where the instance is, as far as the way in needs these."""
    request = act.kit.request
    wanted = _secrets(request)
    if wanted:
        act.begin("secrets")
        act.findings.missing = tuple(name for name, there in wanted.items() if not there)
        if act.findings.missing:
            message = f"not set, or empty: {', '.join(act.findings.missing)}"
            raise stage_failure(Failure.SECRET_MISSING, message)
    if request.asks_google:
        deadline = act.begin("admin_api", request.timeouts.admin_api_s, endpoint=request.sqladmin_endpoint)
        ask_google(act.kit, Deadline(deadline.at_ns - int(LAST_WORD_S * 1e9)))
    return bool(wanted) or request.asks_google


def ask_google(kit: Kit, deadline: Deadline) -> None:
    """Learn the instance's address and with IAM the login token. Raises StageFailure, TimeoutError."""
    request, target = kit.request, kit.request.target
    trace = Trace(origin_ns=0, budget_s=deadline.left_s())
    if request.path is Path.CONNECTOR or request.asks_for_address:
        ip_type = target.ip_type if request.path is Path.CONNECTOR else "private"
        name = InstanceName.parse(target.instance)
        kit.address = kit.admin_api.connect_settings(trace, name, ip_type, deadline.left_s()).address
    if target.iam_auth:
        kit.login_token = kit.admin_api.login_token(trace, deadline.left_s())


def _secrets(request: StartupRequest) -> dict[str, bool]:
    """The names of the secrets that have to be there, and whether they are. Never their values."""
    wanted = {name: bool(os.environ.get(name)) for name in request.startup.secrets}
    source = request.target.password_env or request.target.password_file
    return wanted | ({source: bool(request.password)} if source else {})


def _require_credentials_file(name: str) -> None:
    if not name:
        return
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - it is there or not: a path object adds nothing
            file.read(1)
    except OSError as error:
        message = f"{CREDENTIALS_FILE} names {name}, which cannot be read: {error.strerror or error}"
        raise stage_failure(Failure.CREDENTIALS_MISSING, message, cause=error) from error
