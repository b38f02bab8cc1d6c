from enum import StrEnum

import pytest

from probe.model import words

ENUMS = [value for value in vars(words).values() if isinstance(value, type) and issubclass(value, StrEnum)]


@pytest.mark.parametrize("enum", [enum for enum in ENUMS if enum is not StrEnum])
def test_a_word_is_written_as_it_is_named(enum: type[StrEnum]) -> None:
    assert all(member.value == member.name.lower() for member in enum)


def test_the_stages_stand_in_the_order_of_the_way() -> None:
    assert list(words.Stage) == [
        "admin_api",
        "certificate",
        "dns",
        "tcp",
        "tls",
        "proxy",
        "login",
        "query",
    ]


def test_severities_stand_worst_first() -> None:
    assert list(words.Severity) == ["critical", "warning", "info"]
