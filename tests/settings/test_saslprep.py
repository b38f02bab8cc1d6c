import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scramp import ScramException
from scramp.utils import saslprep

from probe.settings.saslprep import refused


@pytest.mark.parametrize(
    "text",
    [
        "",
        "correct horse",
        "~!@#$%^&*()",
        "p\u00e4ssw\u00f6rd",
        "\u00aa",
        "\u05d0\u05d1",
        "\u00ad",
        "a\u00a0b",
    ],
)
def test_what_a_login_can_carry_is_not_refused(text: str) -> None:
    assert refused(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a\tb", "control characters"),
        ("a\0b", "control characters"),
        ("\u00e4\x7f", "control characters"),
        ("key\U0001f511", "characters that Unicode 3.2 does not know"),
        ("\ue000", "characters for private use"),
        ("\ufdd0", "code points that are no characters"),
        ("\ud800", "surrogates"),
        ("\ufffd", "characters that are no plain text"),
        ("\u2ff0", "ideographic descriptions"),
        ("\u202e", "characters that change how others are shown"),
        ("\U000e0041", "tags"),
        ("\u05d0a", "writing in both directions"),
        ("a\u05d0", "writing in both directions"),
        ("\u05d0a\u05d0", "writing in both directions"),
    ],
)
def test_what_no_login_can_carry_is_refused_with_the_reason(text: str, why: str) -> None:
    assert refused(text) == why


@given(st.text(max_size=8))
@example("\u0627\u0031")
def test_we_refuse_exactly_what_the_driver_does(text: str) -> None:
    driver_refuses = False
    try:
        saslprep(text)  # type: ignore[no-untyped-call]
    except ScramException:
        driver_refuses = True
    assert (refused(text) is not None) == driver_refuses
