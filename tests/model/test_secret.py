import pickle

import pytest

from probe.model.secret import Secret

SECRET = Secret("hunter2")


def test_only_reveal_gives_it_away() -> None:
    assert SECRET.reveal() == "hunter2"
    assert "hunter2" not in f"{SECRET} {SECRET!r} {[SECRET]}"
    assert not hasattr(SECRET, "__dict__")


def test_two_secrets_are_equal_when_their_values_are() -> None:
    assert {SECRET, Secret("hunter2")} == {SECRET}
    assert Secret("other") != SECRET
    assert SECRET != "hunter2"


def test_it_is_not_serialised() -> None:
    with pytest.raises(TypeError, match="not serialised"):
        pickle.dumps(SECRET)
