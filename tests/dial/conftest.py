from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.dial.clock import Deadline
from probe.dial.credentials import Identity
from probe.dial.redaction import Redaction
from probe.sandbox.child_environ import refused_credentials
from tests.dial.token_server import TokenServer, use_account


@pytest.fixture(scope="session")
def account_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service account's key file; making the key is slow."""
    return refused_credentials(tmp_path_factory.mktemp("account"), "http://127.0.0.1:9/token")


@pytest.fixture(scope="session")
def redaction() -> Redaction:
    return Redaction()


@pytest.fixture(scope="session")
def identity(
    redaction: Redaction, account_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Identity]:
    """A service account whose token endpoint is ours; its token for the Admin API is here already."""
    with TokenServer() as tokens, pytest.MonkeyPatch.context() as environ:
        path = tmp_path_factory.mktemp("account") / "key.json"
        use_account(environ, account_file, path, tokens)
        made = Identity(metadata_expected=False, redaction=redaction)
        made.token(Deadline.after(5))
        yield made
