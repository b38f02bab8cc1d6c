from probe.model.words import Verdict
from tests.factories import report


def test_a_report_without_a_delivery_claims_none() -> None:
    plain = type(report())(
        identity=report().identity,
        duration_s=1.0,
        verdict=Verdict.HEALTHY,
        targets=(),
        headline="",
        findings=(),
        observations=(),
    )
    assert (plain.delivery.written, plain.delivery.dropped, plain.delivery.failure) == (0, 0, None)
    assert not plain.interrupted
