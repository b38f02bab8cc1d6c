import pytest

from probe.diagnosis.catalogue import CATALOGUE
from probe.model.cause import Cause
from probe.model.words import Blame, Category, Layer, Severity


def test_every_cause_has_an_entry_in_the_order_of_the_causes() -> None:
    assert list(CATALOGUE) == list(Cause)


@pytest.mark.parametrize("cause", Cause)
def test_an_entry_says_what_it_means_how_it_was_told_and_what_to_do(cause: Cause) -> None:
    entry = CATALOGUE[cause]
    for text in (entry.meaning, entry.told_by, entry.action):
        assert text.strip() == text
        assert text.endswith((".", "?"))
        assert text.isprintable()


def test_a_fault_of_the_probe_is_never_reported_as_the_targets() -> None:
    own = [entry for entry in CATALOGUE.values() if entry.category is Category.PROBE_FAULT]
    assert Blame.TARGET not in {entry.blame for entry in own}
    assert {entry.layer for entry in own} == {Layer.PROBE, Layer.MONITORING}


def test_the_probes_own_identity_is_the_probes() -> None:
    identity = [entry for entry in CATALOGUE.values() if entry.layer is Layer.CREDENTIALS]
    assert {entry.blame for entry in identity} == {Blame.PROBE}


def test_advice_is_never_critical() -> None:
    advice = [entry for entry in CATALOGUE.values() if entry.blame is Blame.NOBODY]
    assert Severity.CRITICAL not in {entry.severity for entry in advice}


def test_the_infrastructure_team_is_called_for_the_network_only_when_it_is_broken() -> None:
    network = {cause: entry for cause, entry in CATALOGUE.items() if entry.layer is Layer.NETWORK}
    assert [cause for cause, entry in network.items() if not entry.escalate] == [Cause.EGRESS_SLOW]
