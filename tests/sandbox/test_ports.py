import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from probe.sandbox.ports import FALLBACK, bind, bind_pair


def test_two_pairs_have_addresses_of_their_own() -> None:
    with ExitStack() as stack:
        first, second = bind_pair(stack), bind_pair(stack)
        assert first[0].getsockname()[0] != second[0].getsockname()[0]
        assert [bound.getsockname()[1] for bound in first] == [3307, 5432]


def test_a_bound_port_refuses_until_somebody_listens() -> None:
    with ExitStack() as stack:
        bound = bind(stack, FALLBACK)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(bound.getsockname(), timeout=1)


ELSEWHERE = """
import socket, subprocess, sys
from contextlib import ExitStack
from probe.sandbox.binaries import SandboxError
from probe.sandbox.ports import bind_pair
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with ExitStack() as stack:
    everywhere = stack.enter_context(socket.create_server(("0.0.0.0", int(sys.argv[1]))))
    try:
        proxy, private = bind_pair(stack)
        print(proxy.getsockname()[1], private.getsockname()[1] in {0, 5432})
    except SandboxError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("taken", "outcome"),
    [(5432, "3307 False\n"), (3307, "port 3307 is taken on every loopback address\n")],
)
def test_a_server_on_every_address_moves_the_private_port_and_forbids_a_proxy(
    taken: int, outcome: str
) -> None:
    # In a network of its own, where it is in nobody's way.
    network = ["unshare", "--user", "--map-root-user", "--net"]
    trial = subprocess.run([*network, "ip", "link"], capture_output=True, check=False, timeout=10)
    if trial.returncode != 0:
        pytest.skip("no network namespace here")
    command = [*network, sys.executable, "-c", ELSEWHERE, str(taken)]
    child = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    assert child.stdout == outcome
