"""The access token for Cloud Monitoring, in time: looking for credentials alone can take half a minute."""

from datetime import UTC, datetime
from typing import Any

from probe.dial import clock
from probe.dial.bounded import bounded
from probe.model.facts import ErrorFacts
from probe.model.words import Failure
from probe.sinks.monitoring_bounds import CallFailed, Deadline, told

SCOPES = ("https://www.googleapis.com/auth/monitoring",)


def access_token(credentials: Any, deadline: Deadline) -> str:
    """A token that has not expired; ``credentials`` None: the Application Default Credentials.

    Raises ``CallFailed`` with ``credentials_missing``, ``metadata_unavailable``, ``token_refused``,
    ``token_expired`` or ``timeout``.
    """
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError

    try:
        return bounded(lambda: _fresh_token(credentials), clock.Deadline.after(deadline.left_s))
    except TimeoutError as error:
        message = "There was no access token within the budget."
        raise CallFailed(Failure.TIMEOUT, ErrorFacts(type="TimeoutError", message=message)) from error
    except DefaultCredentialsError as error:
        raise CallFailed(Failure.CREDENTIALS_MISSING, told(error)) from error
    except GoogleAuthError as error:
        unreachable = isinstance(error, TransportError) or isinstance(error.__cause__, TransportError)
        failure = Failure.METADATA_UNAVAILABLE if unreachable else Failure.TOKEN_REFUSED
        raise CallFailed(failure, told(error)) from error


def _fresh_token(credentials: Any) -> str:
    import google.auth
    from google.auth.transport.requests import Request

    if credentials is None:
        credentials, _project = google.auth.default(scopes=SCOPES)
    if not credentials.valid:
        credentials.refresh(Request())
    # Not ``expired``, which is true minutes before: the token is needed for seconds only.
    if credentials.expiry is not None and credentials.expiry <= datetime.now(UTC).replace(tzinfo=None):
        message = "The token had expired when it was issued."
        raise CallFailed(Failure.TOKEN_EXPIRED, ErrorFacts(type="expired", message=message))
    return str(credentials.token)
