import socket
import threading
import time
from dataclasses import replace

from probe.checks import cloudsql
from probe.checks.concurrently import Nobody, observe
from probe.dial.admin_api import AdminApi
from probe.dial.clock import Deadline
from probe.dial.credentials import Identity
from probe.dial.keys import generate
from probe.dial.paths import STAGES, Equipment
from probe.dial.redaction import Redaction
from probe.model.observation import Observation
from probe.model.target import Target, Timeouts
from probe.model.words import Check, Failure, Outcome, Path, SkipReason, Stage
from tests.dial.peers import BUDGET_S, LOGGED_IN, ONE_ROW, Serve, answers, asks_for, error, peer, silent

PASSWORD = "correct-horse-battery"
TIMEOUTS = Timeouts(connection_s=2, tcp_s=1, login_s=BUDGET_S, query_s=BUDGET_S)


def equipment() -> Equipment:
    return Equipment(
        timeouts=TIMEOUTS,
        admin_api=AdminApi("http://127.0.0.1:9", Identity(metadata_expected=False, redaction=Redaction())),
        key=generate,
        run_id="run",
        password=PASSWORD,
    )


def observed(serve: Serve, samples: int) -> tuple[Observation, ...]:
    """Connections over the private_ip path, without TLS, to a server that does this to each."""
    with peer(serve) as (host, port):
        target = Target(
            name="db",
            instance="p:r:i",
            paths=(Path.PRIVATE_IP,),
            private_ip=host,
            port=port,
            user="probe",
            samples=samples,
            interval_s=0.01,
        )
        redaction = Redaction()
        redaction.add(PASSWORD)
        series = cloudsql.series([target], {"db": equipment()})
        return observe(
            [replace(one, redaction=redaction) for one in series],
            origin_ns=time.monotonic_ns(),
            deadline=Deadline.after(5),
            interrupted=threading.Event(),
            watcher=Nobody(),
        )


def test_each_path_is_a_series_of_its_samples_with_its_stages() -> None:
    target = Target(name="db", instance="p:r:i", paths=tuple(Path), samples=4, interval_s=7)
    series = cloudsql.series([target], {"db": equipment()})
    assert [one.path for one in series] == list(Path)
    for one in series:
        assert (one.check, one.target, one.attempts, one.interval_s) == (Check.CLOUDSQL, "db", 4, 7)
        assert one.path
        assert one.stages == STAGES[one.path]
        assert one.budget_s == TIMEOUTS.connection_s
        assert not one.insists
    (insisting,) = cloudsql.series(
        [replace(target, paths=(Path.SOCKET,), proxy_check="on")], {"db": equipment()}
    )
    assert insisting.insists


def test_a_healthy_server_passes_every_attempt() -> None:
    observations = observed(answers(LOGGED_IN, ONE_ROW), samples=3)
    assert [observation.outcome for observation in observations] == [Outcome.PASSED] * 3


def test_a_server_that_echoes_the_password_is_cleaned() -> None:
    def echo(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(asks_for(3))
        said = client.recv(65536)[5:-1].decode()
        client.sendall(error("28P01", f"no: {said}, {said!r}" + " " * 450 + said))
        silent(client)

    (observation,) = observed(echo, samples=1)
    assert observation.failure is Failure.PASSWORD_REJECTED
    assert "***" in str(observation)
    assert "correct" not in str(observation)


def test_a_silent_server_is_measured_twice_and_then_left_alone() -> None:
    observations = observed(silent, samples=4)
    assert [observation.failure for observation in observations] == [Failure.TIMEOUT] * 2 + [None] * 2
    assert {observation.skip_reason for observation in observations[2:]} == {SkipReason.REPEATED_FAILURE}
    for observation in observations[:2]:
        failed = observation.failed_stage
        assert failed
        assert failed.span
        assert failed.stage is Stage.LOGIN
        assert BUDGET_S <= failed.span.duration_s < BUDGET_S + 0.1


def test_start_parameters_that_are_refused_are_left_out_in_one_more_attempt() -> None:
    def old(client: socket.socket) -> None:
        if b"idle_session_timeout" in client.recv(65536):
            client.sendall(error("42704", 'unrecognized configuration parameter "idle_session_timeout"'))
        else:
            client.sendall(LOGGED_IN)
            answers(ONE_ROW)(client)

    observations = observed(old, samples=2)
    assert [observation.failure for observation in observations] == [
        Failure.PARAMETER_REFUSED,
        None,
        None,
    ]
    assert [observation.outcome for observation in observations[1:]] == [Outcome.PASSED] * 2
