from dataclasses import replace

from probe.diagnosis.diagnose import diagnose
from probe.model.cause import Cause
from probe.model.facts import TcpFacts
from probe.model.observation import Observation
from probe.model.report import Finding
from probe.model.target import Thresholds
from probe.model.words import Layer, Path, Stage
from tests.factories import PASSED, attempts, question, span, target

BOTH = question(target("staging-db", Path.CONNECTOR, Path.PRIVATE_IP))


def findings(*observations: Observation) -> tuple[Finding, ...]:
    return diagnose(observations, BOTH).findings


def only(*observations: Observation) -> Finding:
    (finding,) = findings(*observations)
    return finding


def test_connections_slow_on_average_are_told_with_the_slowest_stage_and_its_layer() -> None:
    finding = only(*attempts(Path.PRIVATE_IP, PASSED, PASSED, seconds=3.76))
    assert (finding.cause, finding.layer) == (Cause.SLOW_CONNECTION, Layer.NETWORK)
    assert finding.summary == (
        "staging-db: connections over private_ip take 15 s on average and 15 s at most "
        "(thresholds 15 s and 28 s); the slowest stage is tcp with 3.76 s"
    )


def test_connections_at_the_thresholds_are_not_slow() -> None:
    at_the_mean = attempts(Path.PRIVATE_IP, PASSED, seconds=15.0 / 4)
    at_the_most = [
        *attempts(Path.PRIVATE_IP, PASSED, seconds=28.0 / 4),
        *attempts(Path.PRIVATE_IP, PASSED, id="second", attempt=2, seconds=0.01),
    ]
    assert findings(*at_the_mean) == findings(*at_the_most) == ()


def test_a_single_slow_connection_is_slow() -> None:
    fast = attempts(Path.PRIVATE_IP, *[PASSED] * 4)
    slow = attempts(Path.PRIVATE_IP, PASSED, id="slow", attempt=5, seconds=28.1 / 4)
    finding = only(*fast, *slow)
    assert finding.cause is Cause.SLOW_CONNECTION
    assert "on average and 28.1 s at most" in finding.summary


def test_what_is_slow_is_a_matter_of_the_thresholds() -> None:
    strict = question(thresholds=Thresholds(connection_mean_s=0.01))
    (finding,) = diagnose(attempts(Path.CONNECTOR, PASSED), strict).findings
    assert finding.cause is Cause.SLOW_CONNECTION


def sent_again(*counts: int | None) -> str:
    slow = [
        observation
        for number, count in enumerate(counts, start=1)
        for observation in attempts(
            Path.PRIVATE_IP,
            PASSED,
            id=f"o{number}",
            attempt=number,
            seconds=8.0,
            facts={Stage.TCP: TcpFacts(address="10.20.1.3:5432", retransmissions=count)},
        )
    ]
    return only(*slow).summary


def test_a_slow_connect_says_how_often_the_syn_was_sent_again() -> None:
    assert sent_again(1, 0, 3).endswith(
        "; the slowest stage is tcp with 8 s, SYNs sent again: 4 in 2 of 3 attempts"
    )


def test_a_slow_connect_without_a_lost_syn_claims_none() -> None:
    assert sent_again(0, None).endswith("; the slowest stage is tcp with 8 s")


def test_a_slow_login_says_nothing_of_syns() -> None:
    lost = TcpFacts(address="10.20.1.3:5432", retransmissions=1)
    slow = attempts(Path.PRIVATE_IP, PASSED, seconds=8.0, facts={Stage.TCP: lost})
    stages = tuple(s for s in slow[0].stages if s.stage is not Stage.TCP)
    quick = replace(slow[0], stages=(replace(slow[0].stages[0], span=span(0.0, 0.001)), *stages))
    assert only(quick).summary.endswith("; the slowest stage is tls with 8 s")
