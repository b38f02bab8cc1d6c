import sys
from pathlib import Path as File

import pytest

from probe.sandbox.certificates import make_authority
from probe.settings import Settings, SettingsError, load
from probe.settings.values import MOST_ENDPOINTS, host_and_port, value_problem

TOP = 'project = "p"\nregion = "r"\n'
FILE = {
    "name": '"db"',
    "instance": '"p:r:i"',
    "user": '"u"',
    "password_env": '"DB_PASSWORD"',
}


def outcome(tmp_path: File, text: str) -> Settings | tuple[str, ...]:
    file = tmp_path / "probe.toml"
    file.write_text(text)
    try:
        return load(str(file), {"DB_PASSWORD": "x"})
    except SettingsError as error:
        return error.problems


def target(**keys: str) -> str:
    lines = (f"{key} = {value}\n" for key, value in (FILE | keys).items() if value)
    return TOP + "[[targets]]\n" + "".join(lines)


def table(heading: str, line: str) -> str:
    return target() + f"[{heading}]\n{line}\n"


@pytest.mark.parametrize(
    "text",
    [
        target(instance='"example.com:proj:region:name"'),
        target(private_ip='"db.internal.example"'),
        target(private_ip='"10.0.0.3"'),
        target(private_ip='"fd00::3"'),
        target(primary_path='"socket"', paths='["connector", "socket"]'),
        target(samples="100", interval_s="0"),
        target(iam_auth="true", password_env=""),
        target(iam_auth="true", tls='"disable"'),
        target(iam_auth="true", paths='["private_ip"]'),
        target(user='"j\u00f6rg"', database='"daten bank"'),
        target(tls='"disable"', paths='["private_ip"]'),
        table("sqladmin", 'endpoint = "http://127.0.0.8:8080"'),
        table("sqladmin", 'endpoint = "https://sqladmin.googleapis.com/"'),
        table("monitoring", 'endpoint = "127.0.0.1:9000"'),
        table("egress", 'address = "[fd00::1]:443"'),
        table("route", "interval_s = 0"),
        table("application", "scaling_delay_s = 0"),
        table("application", "max_overflow = 0"),
        table("thresholds", "success_ratio_down = 0"),
        "confirm_after_s = 0\n" + target(),
        "confirm_after_s = 0\ndeadline_s = 35\n" + target() + "[monitoring]\nenabled = false\n",
        "confirm_after_s = 0\ndeadline_s = 47\n" + target(),
        "deadline_s = 81\n" + target(),
        table("profiles.quick", 'checks = ["configuration"]\ndeadline_s = 5'),
        table("profiles.quick", 'checks = ["cloudsql"]\ndeadline_s = 50'),
    ],
)
def test_what_is_possible_is_accepted(tmp_path: File, text: str) -> None:
    assert isinstance(outcome(tmp_path, text), Settings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (target(name='"a b"'), "targets[0].name: must be 1 to 63 letters"),
        (target(name='"egress"'), 'targets[0].name: "egress" is taken by the probe itself'),
        (target(instance='"i"'), "targets[0].instance: must be PROJECT:REGION:INSTANCE"),
        (target(instance='"a:b:c:d"'), "targets[0].instance: must be PROJECT:REGION:INSTANCE"),
        (target(paths="[]"), "targets[0].paths: is empty"),
        (target(paths='["socket", "socket"]'), 'targets[0].paths: names "socket" twice'),
        (target(primary_path='"socket"'), 'targets[0].primary_path: "socket" is not one of `paths`'),
        (target(port="65536"), "targets[0].port: must be from 1 to 65535"),
        (target(private_ip='"10.0.0.3:5432"'), "targets[0].private_ip: must be an address or a name"),
        (target(samples="0"), "targets[0].samples: must be from 1 to 100"),
        (target(interval_s="-1"), "targets[0].interval_s: must not be negative"),
        (target(user='""'), "targets[0].user: is empty"),
        (target(database='""'), "targets[0].database: is empty"),
        (target(socket_dir='"sockets"'), "targets[0].socket_dir: must be an absolute path"),
        (
            target(paths='["socket"]', socket_dir=f'"/{"x" * 100}"'),
            "targets[0].socket_dir: the socket's path is longer than 107 bytes",
        ),
        (target(password_env=""), "targets[0].password_env: is missing"),
        (target(password_file='"/x"'), "targets[0].password_env: stands beside `password_file`"),
        (
            target(iam_auth="true", tls='"disable"', paths='["private_ip"]'),
            'targets[0].tls: "disable" with `iam_auth` would send the access token in clear',
        ),
        (target(tls='"verify-ca"'), "targets[0].server_ca: is needed"),
        (target(tls='"verify-ca"', server_ca='"/no/such"'), "targets[0].server_ca: cannot be read: No such"),
        (target(tls='"verify-ca"', server_ca='"a\\u0000"'), "targets[0].server_ca: has a control character"),
        (target(tls='"verify-ca"', server_ca=f'"{__file__}"'), "targets[0].server_ca: is no PEM file"),
        (target(tls='"verify-ca"', server_ca=f'"{sys.executable}"'), "targets[0].server_ca: is "),
        (target(tls='"verify-ca"', server_ca='"/dev/null"'), "targets[0].server_ca: is no PEM file"),
        (target(tls='"verify-ca"', server_ca='"/dev/zero"'), "targets[0].server_ca: is larger than"),
        (target(user='"a\\tb"'), "targets[0].user: has a control character"),
        (target(user='"\\U0001f511"'), "targets[0].user: cannot be sent in a login: SASLprep refuses"),
        (target(database='"a\\u0000b"'), "targets[0].database: has a control character"),
        (target(socket_dir='"/a\\u007f"'), "targets[0].socket_dir: has a control character"),
        (target(password_env="", password_file='"/a\\u0000"'), "targets[0].password_file: has a control"),
        (table("connector", 'name = "a\\u0001"'), "connector.name: has a control character"),
        (table("timeouts", "tls_s = 0"), "timeouts.tls_s: must be above 0"),
        (table("timeouts", "tls_s = inf"), "timeouts.tls_s: must be a finite number"),
        (table("timeouts", "tls_s = 100000"), "timeouts.tls_s: is more than a day; the unit is seconds"),
        (table("thresholds", "success_ratio_down = 50"), "thresholds.success_ratio_down: must be a share"),
        (table("application", "capacity_safety_margin = 80"), "application.capacity_safety_margin: must be"),
        (table("application", "pool_size = 0"), "application.pool_size: must be from 1"),
        (
            table("application", "reserved_connections = 25"),
            "application.reserved_connections: must be below",
        ),
        (table("sqladmin", 'endpoint = "sqladmin"'), "sqladmin.endpoint: must be http://HOST[:PORT]"),
        (table("sqladmin", 'endpoint = "http://u:pw@h"'), "sqladmin.endpoint: must be http://HOST[:PORT]"),
        (table("sqladmin", 'endpoint = "http://[::1"'), "sqladmin.endpoint: must be http://HOST[:PORT]"),
        (table("sqladmin", 'endpoint = "http://h/v1"'), "sqladmin.endpoint: must be http://HOST[:PORT]"),
        (table("monitoring", 'endpoint = "http://h:1"'), "monitoring.endpoint: must be HOST:PORT"),
        (table("egress", 'address = "h:0"'), "egress.address: must be HOST:PORT"),
        (table("egress", 'address = "[h]:1"'), "egress.address: must be HOST:PORT"),
        (table("connector", 'gateway = "gate"'), "connector.gateway: must be an IP address"),
        (table("profiles.x", "checks = []"), "profiles.x.checks: is empty"),
        (table("profiles.x", 'checks = ["route", "route"]'), 'profiles.x.checks: names "route" twice'),
        (table("profiles.scheduled", "deadline_s = 0"), "profiles.scheduled.deadline_s: must be above 0"),
        ("confirm_after_s = -1\n" + target(), "confirm_after_s: must not be negative"),
        (
            target() + '[[neighbours]]\nname = "db"\naddress = "h:1"',
            'neighbours[0].name: "db" is the name of targets[0].name already',
        ),
    ],
)
def test_what_is_impossible_is_refused_with_its_reason(tmp_path: File, text: str, said: str) -> None:
    lines = outcome(tmp_path, text)
    assert isinstance(lines, tuple)
    assert len(lines) == 1
    assert lines[0].startswith(said)


def test_a_ca_in_pem_is_accepted_for_verify_ca(tmp_path: File) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text(make_authority("Server CA").pem)
    made = outcome(tmp_path, target(tls='"verify-ca"', server_ca=f'"{authority}"'))
    assert isinstance(made, Settings)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("h:1", ("h", 1)),
        ("10.0.0.1:65535", ("10.0.0.1", 65535)),
        ("[::1]:5432", ("::1", 5432)),
        ("::1:5432", None),
        ("h:65536", None),
        ("h:99999999999999999999", None),
        ("h:", None),
        (":1", None),
        ("h", None),
        ("h:²", None),
        ("a b:1", None),
    ],
)
def test_an_address_is_a_host_and_a_port(address: str, parts: tuple[str, int] | None) -> None:
    assert host_and_port(address) == parts


@pytest.mark.parametrize("key", ["targets", "neighbours"])
def test_the_number_of_endpoints_is_bounded(key: str) -> None:
    assert value_problem(Settings, key, (None,) * MOST_ENDPOINTS) is None
    assert value_problem(Settings, key, (None,) * (MOST_ENDPOINTS + 1)) == "has 51 entries: at most 50"
