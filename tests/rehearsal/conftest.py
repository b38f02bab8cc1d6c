import os
from collections.abc import Iterator

import pytest

from probe.sandbox.environment import Environment, sandbox


@pytest.fixture(scope="session")
def healthy() -> Iterator[Environment]:
    """One healthy sandbox for all."""
    with sandbox() as environment:
        yield environment


@pytest.fixture
def inside(healthy: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The healthy sandbox, with its environment as ours: what a child process inherits."""
    for name in set(os.environ) - set(healthy.environ):
        monkeypatch.delenv(name)
    for name, value in healthy.environ.items():
        monkeypatch.setenv(name, value)
    return healthy
