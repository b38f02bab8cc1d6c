import subprocess
import sys
from pathlib import Path as File

import pytest

from probe.dial import dns
from probe.dial.clock import Deadline
from probe.dial.failures import StageFailure, as_failure
from probe.model.facts import DnsFacts
from probe.model.words import Failure, Outcome, SkipReason, Stage
from probe.sandbox.resolver import SilentNameServer, cannot_bind_name_server, resolver_prefix
from tests.dial.peers import trace

RESOLVE = """
import sys, time
from probe.dial import dns
from probe.dial.clock import Deadline
begun = time.monotonic()
try:
    dns.lookup("no-such-host.example", Deadline.after(0.3))
except TimeoutError:
    print(time.monotonic() - begun)
"""


@pytest.mark.parametrize("address", ["127.0.0.1", "10.20.1.3", "::1", "2001:db8::1"])
def test_an_address_skips_the_stage(address: str) -> None:
    attempt = trace()
    assert dns.resolve(attempt, address, 1) == (address,)
    (record,) = attempt.records()
    assert (record.stage, record.skip_reason, record.span) == (
        Stage.DNS,
        SkipReason.LITERAL_ADDRESS,
        None,
    )


def test_a_name_is_resolved_and_its_addresses_kept() -> None:
    attempt = trace()
    addresses = dns.resolve(attempt, "localhost", 2)
    attempt.finish()
    (record,) = attempt.records()
    assert set(addresses) <= {"127.0.0.1", "::1"}
    assert isinstance(record.facts, DnsFacts)
    assert (record.outcome, record.facts.addresses) == (Outcome.PASSED, addresses)


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 300, "a b", "-"])
def test_an_impossible_name_is_not_found_without_asking_anybody(name: str) -> None:
    with pytest.raises(OSError, match="not known") as caught:
        dns.lookup(name, Deadline.after(5))
    known = as_failure(caught.value)
    assert known
    assert known.failure is Failure.NAME_NOT_FOUND


@pytest.mark.parametrize("name", ["é" * 100, "\ud800", "a\u3002.b"])
def test_a_name_that_no_codec_takes_is_not_found(name: str) -> None:
    with pytest.raises(StageFailure) as caught:
        dns.lookup(name, Deadline.after(5))
    assert caught.value.failure is Failure.NAME_NOT_FOUND


@pytest.mark.skipif(cannot_bind_name_server() is not None, reason=str(cannot_bind_name_server()))
def test_a_name_server_that_never_answers_costs_the_budget_and_no_more(tmp_path: File) -> None:
    host = "127.53.4.1"
    with SilentNameServer(host):
        command = [*resolver_prefix(tmp_path, name_server=host), sys.executable, "-c", RESOLVE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert 0.3 <= float(done.stdout) < 0.4
