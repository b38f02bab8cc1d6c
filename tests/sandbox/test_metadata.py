import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from probe.sandbox.metadata import MetadataServer

ASK_FOR_DEFAULT_CREDENTIALS = """
import json
import google.auth
from google.auth.transport.requests import Request
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(Request())
print(json.dumps([project, credentials.token, credentials.service_account_email, credentials.universe_domain,
                  credentials.valid]))
"""

REFUSED_USER = """
import sys
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials
user = Credentials(None, refresh_token="r", client_id="c", client_secret="s", token_uri=sys.argv[1])
try:
    user.refresh(Request())
except RefreshError as error:
    print(error.args[1]["error"])
"""


@pytest.fixture
def server() -> Iterator[MetadataServer]:
    with MetadataServer(host="127.9.2.1", project="p", region="europe-west1") as running:
        yield running


def _python(source: str, server: MetadataServer, *arguments: str) -> str:
    environment = os.environ | {
        "GCE_METADATA_HOST": server.address,
        "GCE_METADATA_IP": server.address,
        "HOME": "/nonexistent",
        "CLOUDSDK_CONFIG": "/nonexistent",
    }
    environment.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
    command = [sys.executable, "-W", "ignore", "-c", source, *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, check=True
    ).stdout


def _get(server: MetadataServer, path: str, **headers: str) -> httpx.Response:
    flavor = headers or {"Metadata-Flavor": "Google"}
    return httpx.get(f"http://{server.address}{path}", headers=flavor, timeout=2)


def test_application_default_credentials_take_it_for_the_real_one(server: MetadataServer) -> None:
    project, token, email, universe, valid = json.loads(_python(ASK_FOR_DEFAULT_CREDENTIALS, server))
    assert project == "p"
    assert token.startswith("sandbox-token-")
    assert email == "probe@p.iam.gserviceaccount.com"
    assert universe == "googleapis.com"
    assert valid


def test_expired_tokens_are_never_valid() -> None:
    with MetadataServer(host="127.9.2.2", project="p", region="r", behaviour="expired") as server:
        assert json.loads(_python(ASK_FOR_DEFAULT_CREDENTIALS, server))[-1] is False


def test_the_refusing_token_endpoint_answers_invalid_grant(server: MetadataServer) -> None:
    assert _python(REFUSED_USER, server, server.token_url_refused).strip() == "invalid_grant"


def test_a_silent_server_never_answers_and_still_stops() -> None:
    with (
        MetadataServer(host="127.9.2.3", project="p", region="r", behaviour="silent") as server,
        httpx.Client(timeout=0.2) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.get(f"http://{server.address}/")
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 1


def test_a_request_without_the_flavour_is_refused(server: MetadataServer) -> None:
    assert _get(server, "/computeMetadata/v1/project/project-id", Other="x").status_code == 403


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "computeMetadata/\n"),
        ("/computeMetadata/v1/project/project-id", "p"),
        ("/computeMetadata/v1/instance/region", "projects/701982941522/regions/europe-west1"),
        ("/computeMetadata/v1/universe/universe-domain", "googleapis.com"),
        (
            "/computeMetadata/v1/instance/service-accounts/default/email",
            "probe@p.iam.gserviceaccount.com",
        ),
    ],
)
def test_a_key_has_its_value(server: MetadataServer, path: str, text: str) -> None:
    response = _get(server, path)
    assert (response.status_code, response.text) == (200, text)
    assert response.headers["Metadata-Flavor"] == "Google"


@pytest.mark.parametrize(
    "path",
    [
        "/elsewhere",
        "/computeMetadata/v1/instance/nothing",
        "/computeMetadata/v1/instance/service-accounts/default/nothing",
        "/computeMetadata/v1/instance/service-accounts/other/token",
    ],
)
def test_a_key_that_is_not_there_is_404(server: MetadataServer, path: str) -> None:
    assert _get(server, path).status_code == 404


def test_tokens_differ_and_last_an_hour(server: MetadataServer) -> None:
    path = "/computeMetadata/v1/instance/service-accounts/default/token?scopes=a,b"
    first, second = (_get(server, path).json() for _ in range(2))
    assert first["access_token"] != second["access_token"]
    assert first["expires_in"] == 3599


def test_an_unknown_behaviour_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="no such behaviour: odd"):
        MetadataServer(host="127.9.2.4", project="p", region="r", behaviour="odd")
