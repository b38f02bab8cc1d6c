"""Application Default Credentials: found once a run, refreshed when stale, each wait bounded."""

import threading
from typing import Any

import google.auth
import google.auth.exceptions
from google.auth.credentials import Credentials, TokenState

from probe.dial.bounded import bounded
from probe.dial.clock import Deadline
from probe.dial.failures import StageFailure, error_facts, stage_failure
from probe.dial.redaction import Redaction
from probe.model.words import Failure

SCOPES = (
    "https://www.googleapis.com/auth/sqlservice.admin",
    "https://www.googleapis.com/auth/cloud-platform",
)
LOGIN_SCOPE = "https://www.googleapis.com/auth/sqlservice.login"
MALFORMED_ANSWERS = (TypeError, ValueError, LookupError, AttributeError)
"""What google-auth raises over an answer of status 200 that is not the JSON it expects."""


def prepare() -> None:
    """Import what finding and refreshing credentials imports, so that no stopwatch runs meanwhile."""
    import netrc  # requests looks for one at each call  # noqa: F401

    import google.auth.compute_engine
    import google.auth.transport._http_client
    import google.auth.transport.requests
    import google.oauth2.credentials  # noqa: F401


class Identity:
    """Who the probe is to Google: access tokens, shared by all paths of a run."""

    def __init__(self, *, metadata_expected: bool, redaction: Redaction) -> None:
        self._redaction = redaction
        self._metadata_expected = metadata_expected
        self._lock = threading.Lock()
        self._found: Any = None
        self._for_login: Any = None

    def token(self, deadline: Deadline) -> str:
        """A fresh access token. Raises StageFailure, TimeoutError."""
        return self._fresh(deadline, login=False)

    def login_token(self, deadline: Deadline) -> str:
        """A token that can do nothing but log in to a database. Raises StageFailure, TimeoutError."""
        return self._fresh(deadline, login=True)

    def _fresh(self, deadline: Deadline, *, login: bool) -> str:
        try:
            return bounded(lambda: self._refreshed(deadline, login=login), deadline)
        except TimeoutError as error:
            raise self._too_late(error) from error

    def _too_late(self, error: TimeoutError) -> StageFailure:
        if self._found is None and not self._metadata_expected:
            message = "no credentials were found within the budget"
            return stage_failure(Failure.CREDENTIALS_MISSING, message, cause=error)
        return stage_failure(self._no_token(), "no access token within the budget", cause=error)

    def _refreshed(self, deadline: Deadline, *, login: bool) -> str:
        if not self._lock.acquire(timeout=deadline.left_s()):
            raise TimeoutError("another thread still waits for the credentials")
        try:
            credentials = self._login_credentials() if login else self._credentials()
            if credentials.token_state is not TokenState.FRESH:
                self._refresh(credentials)
            token = str(credentials.token)
            self._redaction.add(token)
            return token
        finally:
            self._lock.release()

    def _credentials(self) -> Any:
        if self._found is None:
            try:
                self._found, _project = google.auth.default(scopes=SCOPES)
            except google.auth.exceptions.DefaultCredentialsError as error:
                failure = (
                    Failure.METADATA_UNAVAILABLE if self._metadata_expected else Failure.CREDENTIALS_MISSING
                )
                raise StageFailure(failure, error_facts(error)) from error
        return self._found

    def _login_credentials(self) -> Any:
        if self._for_login is None:
            found = self._credentials()
            self._for_login = _down_scoped(found)
        return self._for_login

    def _refresh(self, credentials: Any) -> None:
        import google.auth.transport.requests

        try:
            credentials.refresh(google.auth.transport.requests.Request())
        except google.auth.exceptions.RefreshError as error:
            raise StageFailure(self._refused(error), error_facts(error)) from error
        except google.auth.exceptions.TransportError as error:
            raise StageFailure(self._no_token(), error_facts(error)) from error
        except MALFORMED_ANSWERS as error:
            message = f"what the token endpoint answers is no token: {error}"
            raise stage_failure(self._no_token(), message, cause=error) from error
        if credentials.token_state is TokenState.INVALID:
            message = f"the token endpoint issued a token that expired at {credentials.expiry} UTC"
            raise stage_failure(Failure.TOKEN_EXPIRED, message)

    def _refused(self, error: google.auth.exceptions.RefreshError) -> Failure:
        unheard = (google.auth.exceptions.TransportError, *MALFORMED_ANSWERS)
        no_answer = error.retryable or isinstance(error.__cause__, unheard)
        return self._no_token() if no_answer else Failure.TOKEN_REFUSED

    def _no_token(self) -> Failure:
        """Whoever should have issued a token did not."""
        return Failure.METADATA_UNAVAILABLE if self._on_google() else Failure.TOKEN_ENDPOINT_UNAVAILABLE

    def _on_google(self) -> bool:
        if self._found is None:
            return self._metadata_expected
        return type(self._found).__module__.startswith("google.auth.compute_engine")


def _down_scoped(credentials: Credentials) -> Any:
    """The same identity with the login scope alone, as the Cloud SQL connectors do it."""
    import copy

    from google.auth.credentials import Scoped

    if isinstance(credentials, Scoped):
        return credentials.with_scopes([LOGIN_SCOPE])
    narrowed: Any = copy.copy(credentials)
    narrowed._scopes = [LOGIN_SCOPE]  # noqa: SLF001 - user credentials have no public way
    narrowed.token = None
    return narrowed
