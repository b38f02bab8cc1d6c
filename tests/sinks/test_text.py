import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.sinks.text import bounded, printable


@given(st.text())
def test_what_is_printable_has_no_control_character(text: str) -> None:
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("ü█", "ü█"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\r\nb\tc", "a  b c"),
        ("\u202eevil", r"\u202eevil"),
        ("\x9b", r"\x9b"),
        ("\udc80", r"\udc80"),
    ],
)
def test_what_cannot_be_printed_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_what_is_too_long_is_cut_off() -> None:
    assert printable("x" * 10, 4) == "xxxx..."


def test_a_bounded_structure_counts_what_it_leaves_out() -> None:
    value = {"a": "x" * 9, "b": [1, 2, 3, 4], "c": {"d": "short"}, "e": 1.5}
    assert bounded(value, 3) == {
        "a": "xxx... (9 characters)",
        "b": [1, 2, 3, "... (4 in all)"],
        "c": {"d": "sho... (5 characters)"},
        "e": 1.5,
    }


def test_a_table_of_names_is_bounded_too() -> None:
    assert len(bounded({str(number): number for number in range(1000)}, 10)) == 60


def test_a_key_that_somebody_else_chose_is_bounded_too() -> None:
    assert list(bounded({"x" * 1000: 1, "started_s": 2}, 10)) == ["x" * 100, "started_s"]
