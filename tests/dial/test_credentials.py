import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

import google.oauth2.credentials
import pytest
from google.auth.transport.requests import Request as GoogleRequest

from probe.dial.clock import Deadline
from probe.dial.credentials import LOGIN_SCOPE, Identity, _down_scoped
from probe.dial.redaction import SHOWN, Redaction
from probe.model.words import Failure
from probe.sandbox.child_environ import child_environ, refused_credentials
from probe.sandbox.http_server import HttpServer, Request, Response, json_response
from probe.sandbox.metadata import MetadataServer
from tests.dial.peers import BUDGET_S, Serve, bounded_by, failure_of, peer, refusing, silent
from tests.dial.token_server import TokenServer, use_account

ROOT = File(__file__).parents[2]
ASK = """
import json, sys, time
import google.auth.transport.requests, google.auth.compute_engine
from probe.dial.clock import Deadline
from probe.dial.credentials import Identity
from probe.dial.failures import StageFailure
from probe.dial.redaction import Redaction

redaction = Redaction()
identity = Identity(metadata_expected=sys.argv[1] == "True", redaction=redaction)
budget_s = float(sys.argv[2])
begun = time.monotonic()
try:
    said = [identity.token(Deadline.after(budget_s)), identity.token(Deadline.after(budget_s))]
    said.append(identity.login_token(Deadline.after(budget_s)))
except StageFailure as failure:
    said = [failure.failure, failure.error.message]
taken_s = time.monotonic() - begun
print(json.dumps({"said": said, "taken_s": taken_s, "cleaned": redaction.clean(said[0])}))
"""


def asked(
    folder: File, environ: Mapping[str, str], *, metadata_expected: bool = True, budget_s: float = 3
) -> Any:
    """What an identity says in a process of its own: google-auth reads its environment at import."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(metadata_expected), str(budget_s)],
        env=child_environ(folder, environ),
        cwd=ROOT,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    assert answer["taken_s"] < budget_s + 0.1
    return answer


def metadata_at(address: str) -> dict[str, str]:
    return {"GCE_METADATA_HOST": address, "GCE_METADATA_IP": address}


# In processes of their own


def test_the_metadata_server_gives_a_token_that_is_kept_while_it_is_fresh(tmp_path: File) -> None:
    with MetadataServer(host="127.0.0.1", project="p", region="r") as server:
        answer = asked(tmp_path, metadata_at(server.address))
    assert answer["said"] == ["sandbox-token-1", "sandbox-token-1", "sandbox-token-2"]
    assert answer["cleaned"] == SHOWN


def test_a_token_that_has_expired_when_it_is_issued_is_told(tmp_path: File) -> None:
    with MetadataServer(host="127.0.0.1", project="p", region="r", behaviour="expired") as server:
        answer = asked(tmp_path, metadata_at(server.address))
    assert answer["said"][0] == Failure.TOKEN_EXPIRED


@pytest.mark.parametrize(
    ("metadata_expected", "failure"),
    [(True, Failure.METADATA_UNAVAILABLE), (False, Failure.CREDENTIALS_MISSING)],
)
def test_a_silent_metadata_server_costs_the_budget_and_no_more(
    tmp_path: File, metadata_expected: bool, failure: Failure
) -> None:
    with MetadataServer(host="127.0.0.1", project="p", region="r", behaviour="silent") as server:
        environ = metadata_at(server.address)
        answer = asked(tmp_path, environ, metadata_expected=metadata_expected, budget_s=0.4)
    assert answer["said"][0] == failure


def test_a_metadata_server_that_is_down_costs_the_budget_and_no_more(tmp_path: File) -> None:
    with refusing() as (host, port):
        answer = asked(tmp_path, metadata_at(f"{host}:{port}"), budget_s=0.5)
    assert answer["said"][0] == Failure.METADATA_UNAVAILABLE


def test_a_metadata_server_that_refuses_a_token_is_unavailable(tmp_path: File) -> None:
    def answer(request: Request) -> Response:
        missing = request.path.partition("?")[0].endswith("/token")
        headers = {"Metadata-Flavor": "Google"}
        return Response(status=404 if missing else 200, body=b"project", headers=headers)

    with HttpServer(host="127.0.0.1", answer=answer) as server:
        said = asked(tmp_path, metadata_at(server.address))["said"]
    assert said[0] == Failure.METADATA_UNAVAILABLE


@pytest.mark.parametrize(
    ("metadata_expected", "failure"),
    [(False, Failure.CREDENTIALS_MISSING), (True, Failure.METADATA_UNAVAILABLE)],
)
def test_without_any_credentials_they_are_missing_unless_a_platform_should_have_them(
    tmp_path: File, metadata_expected: bool, failure: Failure
) -> None:
    answer = asked(tmp_path, {"NO_GCE_CHECK": "true"}, metadata_expected=metadata_expected)
    assert answer["said"][0] == failure


@pytest.mark.parametrize("reached", [False, True])
def test_a_users_credentials_without_a_way_to_google_are_told(tmp_path: File, reached: bool) -> None:
    key = tmp_path / "user.json"
    user = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    key.write_text(json.dumps(user))
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(key), "NO_PROXY": "", "no_proxy": ""}
    with peer(silent) if reached else refusing() as (host, port):
        proxy = {"HTTPS_PROXY": f"http://{host}:{port}"}
        answer = asked(tmp_path, environ | proxy, metadata_expected=False, budget_s=0.5)
    assert answer["said"][0] == Failure.TOKEN_ENDPOINT_UNAVAILABLE


def test_a_refused_grant_is_told(tmp_path: File) -> None:
    with MetadataServer(host="127.0.0.1", project="p", region="r") as server:
        key = refused_credentials(tmp_path, server.token_url_refused)
        answer = asked(tmp_path, {"GOOGLE_APPLICATION_CREDENTIALS": str(key)}, metadata_expected=False)
    assert answer["said"][0] == Failure.TOKEN_REFUSED
    assert "Invalid JWT Signature" in answer["said"][1]


# In this one


@pytest.fixture
def mine(account_file: File, tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> Any:
    with TokenServer() as tokens:
        use_account(monkeypatch, account_file, tmp_path / "key.json", tokens)
        yield Identity(metadata_expected=False, redaction=Redaction()), tokens


def test_the_login_token_can_do_nothing_but_log_in(mine: tuple[Identity, TokenServer]) -> None:
    identity, tokens = mine
    identity.token(Deadline.after(5))
    identity.login_token(Deadline.after(5))
    identity.login_token(Deadline.after(5))
    assert tokens.issued == ["sqlservice.admin+cloud-platform", "sqlservice.login"]


def test_a_token_that_soon_expires_is_fetched_anew(mine: tuple[Identity, TokenServer]) -> None:
    identity, tokens = mine
    tokens.lifetime_s = 60
    first = identity.token(Deadline.after(5))
    assert identity.token(Deadline.after(5)) != first


def test_threads_share_one_token(mine: tuple[Identity, TokenServer]) -> None:
    identity, tokens = mine
    said: list[str] = []
    threads = [
        threading.Thread(target=lambda: said.append(identity.token(Deadline.after(5)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(said), len(set(said)), len(tokens.issued)) == (8, 1, 1)


def with_endpoint(account: File, folder: File, url: str) -> File:
    copy = folder / "key.json"
    copy.write_text(json.dumps(json.loads(account.read_text()) | {"token_uri": url}))
    return copy


def test_one_that_hangs_does_not_hold_the_next_beyond_its_budget(
    account_file: File, tmp_path: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with peer(silent) as (host, port):
        key = with_endpoint(account_file, tmp_path, f"http://{host}:{port}/")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        identity = Identity(metadata_expected=False, redaction=Redaction())
        for _ in range(2):
            with bounded_by(BUDGET_S):
                failure = failure_of(identity.token, Deadline.after(BUDGET_S))
                assert failure is Failure.TOKEN_ENDPOINT_UNAVAILABLE


def closes_at_once(_client: object) -> None:
    return


@pytest.mark.parametrize("serve", [None, closes_at_once])
def test_a_token_endpoint_that_is_not_there_is_unavailable(
    account_file: File, tmp_path: File, monkeypatch: pytest.MonkeyPatch, serve: Serve | None
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with refusing() if serve is None else peer(serve) as (host, port):
        key = with_endpoint(account_file, tmp_path, f"http://{host}:{port}/")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        identity = Identity(metadata_expected=False, redaction=Redaction())
        assert failure_of(identity.token, Deadline.after(5)) is Failure.TOKEN_ENDPOINT_UNAVAILABLE


def test_a_token_endpoint_whose_name_does_not_exist_is_unavailable(
    account_file: File, tmp_path: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    key = with_endpoint(account_file, tmp_path, f"http://{'x' * 64}.example.internal/token")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    identity = Identity(metadata_expected=False, redaction=Redaction())
    assert failure_of(identity.token, Deadline.after(5)) is Failure.TOKEN_ENDPOINT_UNAVAILABLE


@pytest.mark.parametrize(
    "body",
    [b"<html>Welcome</html>", b"{}", b"[]", b"null", b'"text"', b'{"access_token": 1, "expires_in": "x"}'],
)
@pytest.mark.parametrize("status", [200, 503])
def test_an_answer_that_is_no_token_is_the_token_endpoints_failure(
    account_file: File, tmp_path: File, monkeypatch: pytest.MonkeyPatch, body: bytes, status: int
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with HttpServer(host="127.0.0.1", answer=lambda _: Response(status=status, body=body)) as server:
        key = with_endpoint(account_file, tmp_path, f"http://{server.address}/")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        identity = Identity(metadata_expected=False, redaction=Redaction())
        budget_s = 2.0 if status == 200 else BUDGET_S
        assert failure_of(identity.token, Deadline.after(budget_s)) is Failure.TOKEN_ENDPOINT_UNAVAILABLE


def test_a_users_credentials_are_narrowed_to_the_login_scope_and_stay_as_they_were() -> None:
    heard: list[bytes] = []

    def answer(request: Request) -> Response:
        heard.append(request.body)
        return json_response({"access_token": "narrow", "expires_in": 3600, "scope": LOGIN_SCOPE})

    with HttpServer(host="127.0.0.1", answer=answer) as server:
        user = google.oauth2.credentials.Credentials(  # type: ignore[no-untyped-call]
            "wide",
            refresh_token="r",
            client_id="c",
            client_secret="s",
            token_uri=f"http://{server.address}/",
        )
        narrowed = _down_scoped(user)
        narrowed.refresh(GoogleRequest())
    assert (user.token, narrowed.token) == ("wide", "narrow")
    assert b"scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fsqlservice.login" in heard[0]
