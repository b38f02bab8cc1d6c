from probe.model.cause import Cause


def test_a_cause_is_written_as_it_is_named() -> None:
    assert all(cause.value == cause.name.lower() for cause in Cause)
