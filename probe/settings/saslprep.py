"""Which names and passwords the login's SCRAM exchange cannot carry: SASLprep, RFC 4013."""

from collections.abc import Callable


def refused(text: str) -> str | None:
    """Why a driver refuses this text before it sends anything, or None."""
    if text.isascii():  # the tables cost more than a password of ASCII is worth
        return None if text.isprintable() else "control characters"
    import stringprep
    import unicodedata

    mapped = (
        " " if stringprep.in_table_c12(letter) else letter
        for letter in text
        if not stringprep.in_table_b1(letter)
    )
    normal = unicodedata.ucd_3_2_0.normalize("NFKC", "".join(mapped))
    prohibited: dict[str, Callable[[str], bool]] = {
        "characters that Unicode 3.2 does not know": stringprep.in_table_a1,
        "control characters": stringprep.in_table_c21_c22,
        "characters for private use": stringprep.in_table_c3,
        "code points that are no characters": stringprep.in_table_c4,
        "surrogates": stringprep.in_table_c5,
        "characters that are no plain text": stringprep.in_table_c6,
        "ideographic descriptions": stringprep.in_table_c7,
        "characters that change how others are shown": stringprep.in_table_c8,
        "tags": stringprep.in_table_c9,
        "writing in both directions": _against(normal),
    }
    return next((what for what, among in prohibited.items() if any(map(among, normal))), None)


def _against(text: str) -> Callable[[str], bool]:
    """Which letters run against the direction in which a text begins, and has to end."""
    import stringprep

    begins_right, ends_right = (
        stringprep.in_table_d1(letter) for letter in (text[:1] or "a", text[-1:] or "a")
    )
    if begins_right and ends_right:
        return stringprep.in_table_d2
    return stringprep.in_table_d1
