import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from probe.dial.credentials import Identity
from probe.dial.redaction import Redaction
from probe.sandbox.child_environ import refused_credentials
from probe.sandbox.http_server import HttpServer, Request, Response, json_response

SCOPE_ROOT = "https://www.googleapis.com/auth/"


class TokenServer(HttpServer):
    """Google's token endpoint: the token that it issues names the scopes that were asked for."""

    def __init__(self) -> None:
        self.lifetime_s = 3600
        self.issued: list[str] = []
        super().__init__(host="127.0.0.1", answer=self._answer)

    def _answer(self, request: Request) -> Response | str:
        assertion = parse_qs(request.body.decode())["assertion"][0]
        claims = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
        scopes = [scope.removeprefix(SCOPE_ROOT) for scope in claims["scope"].split()]
        self.issued.append("+".join(scopes))
        token = f"token-{len(self.issued)}-for-{self.issued[-1]}"
        return json_response({"access_token": token, "expires_in": self.lifetime_s, "token_type": "Bearer"})


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as running:
        yield running


@pytest.fixture
def redaction() -> Redaction:
    return Redaction()


@pytest.fixture
def identity(
    tokens: TokenServer,
    redaction: Redaction,
    account_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Identity:
    """A service account whose token endpoint is ours."""
    account = json.loads(account_file.read_text()) | {"token_uri": f"http://{tokens.address}/token"}
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv("NO_PROXY", "*")
    return Identity(metadata_expected=False, redaction=redaction)


@pytest.fixture(scope="session")
def account_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key file; making the key is slow."""
    return refused_credentials(tmp_path_factory.mktemp("account"), "http://127.0.0.1:9/token")
