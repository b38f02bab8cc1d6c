from dataclasses import fields

import pytest

from probe.model.application import Alternatives, Application
from probe.model.target import Neighbour, Target, Thresholds, Timeouts, primary_path
from probe.model.words import Path
from tests.factories import target


@pytest.mark.parametrize("table", [Timeouts, Target, Neighbour, Thresholds, Alternatives, Application])
def test_every_setting_says_what_it_is(table: type) -> None:
    undocumented = [field.name for field in fields(table) if not field.metadata.get("doc")]
    assert undocumented == []


def test_the_primary_path_is_the_first_unless_another_is_named() -> None:
    assert primary_path(target("db", Path.PRIVATE_IP, Path.CONNECTOR)) is Path.PRIVATE_IP
    named = target("db", Path.PRIVATE_IP, Path.CONNECTOR, primary_path=Path.CONNECTOR)
    assert primary_path(named) is Path.CONNECTOR
