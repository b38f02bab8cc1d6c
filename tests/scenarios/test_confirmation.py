"""A ``down`` is measured once more, as observations of their own."""

from probe.sandbox.settings_file import Pace
from tests.scenarios.runs import roots, run_on


def test_a_down_that_stays_is_confirmed_by_a_second_round() -> None:
    code, document = run_on(("proxy-refused",), pace=Pace(samples=2, confirm_after_s=0.2, interval_s=0.05))
    again = [o for o in document["observations"] if o["facts"]["confirmation"]]
    assert (code, roots(document)) == (3, ["endpoint_refused"])
    assert {o["path"] for o in again if o["check"] == "cloudsql"} == {"connector", "private_ip", "socket"}
    assert all(o["started_s"] >= 0.2 for o in again)


def test_two_identical_failures_end_the_sampling_and_the_rest_is_said_to_be_skipped() -> None:
    _code, document = run_on(("proxy-refused",), pace=Pace(samples=5, confirm_after_s=0.0, interval_s=0.02))
    attempts = [o for o in document["observations"] if (o["check"], o["path"]) == ("cloudsql", "connector")]
    assert [o["outcome"] for o in attempts] == ["failed", "failed", "skipped", "skipped", "skipped"]
    assert {o["facts"]["skip_reason"] for o in attempts[2:]} == {"repeated_failure"}
