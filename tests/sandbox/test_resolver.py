import os
import socket
import subprocess
from pathlib import Path

import pytest

from probe.sandbox.resolver import (
    SilentNameServer,
    cannot_bind_name_server,
    cannot_replace_resolver,
    resolver_prefix,
)


def test_a_child_sees_its_own_name_server_and_nobody_else_does(tmp_path: Path) -> None:
    if reason := cannot_replace_resolver():
        pytest.skip(reason)
    before = Path("/etc/resolv.conf").read_text()
    command = [*resolver_prefix(tmp_path, name_server="127.64.0.1"), "cat", "/etc/resolv.conf"]
    child = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    assert child.stdout == "nameserver 127.64.0.1\n"
    assert Path("/etc/resolv.conf").read_text() == before


def test_the_arguments_of_a_child_come_through_as_they_are(tmp_path: Path) -> None:
    if reason := cannot_replace_resolver():
        pytest.skip(reason)
    command = [*resolver_prefix(tmp_path, name_server="127.64.0.1"), "printf", "%s|", "a b", "$c", "'d"]
    child = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    assert child.stdout == "a b|$c|'d|"


def test_a_silent_name_server_takes_a_question_and_says_nothing() -> None:
    if reason := cannot_bind_name_server():
        pytest.skip(reason)
    with SilentNameServer("127.64.0.2"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.64.0.2", 53))
        client.settimeout(0.2)
        client.send(b"who?")
        with pytest.raises(TimeoutError):
            client.recv(100)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to bind port 53 once")
def test_a_second_one_at_the_same_address_is_an_error() -> None:
    with (
        SilentNameServer("127.64.0.3"),
        pytest.raises(OSError, match="in use"),
        SilentNameServer("127.64.0.3"),
    ):
        pass
