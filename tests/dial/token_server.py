"""A token endpoint of our own, and the service account that uses it."""

import base64
import json
from pathlib import Path
from urllib.parse import parse_qs

import pytest

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


def use_account(environ: pytest.MonkeyPatch, account: Path, copy: Path, tokens: TokenServer) -> None:
    """From now on the default credentials are this service account's at this token endpoint."""
    key = json.loads(account.read_text()) | {"token_uri": f"http://{tokens.address}/token"}
    copy.write_text(json.dumps(key))
    environ.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(copy))
    environ.setenv("NO_PROXY", "*")
