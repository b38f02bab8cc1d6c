"""What the start-up's and the pool's settings refuse, and that a secret in the wrong place is not shown."""

from pathlib import Path

import pytest

from probe.sandbox.certificates import make_authority
from probe.settings import SettingsError, load

TOP = """
project = "p"
region = "r"
[[targets]]
name = "db"
instance = "p:r:i"
user = "u"
password_env = "DB_PASSWORD"
"""
ENVIRON = {"DB_PASSWORD": "x", "CACHE_PASSWORD": "hunter2"}


def problems(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    path = tmp_path / "probe.toml"
    path.write_text(TOP + text)
    with pytest.raises(SettingsError) as caught:
        load(str(path), ENVIRON if environ is None else environ)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[startup]\nservices = ["https://bob:hunter2@h/x"]', "startup.services: entry 1 must be http://"),
        ('[startup]\nservices = ["http://h/", "ftp://h/"]', "startup.services: entry 2 must be http://"),
        ('[startup]\nservices = ["http://[::1/"]', "startup.services: entry 1 must be http://"),
        ('[startup]\nsecrets = ["my-hunter2-secret!"]', "startup.secrets: entry 1 is not the name"),
        ('[startup]\nrequired_tables = ["a.b.c"]', "startup.required_tables: entry 1 must be TABLE or"),
        ('[startup]\nwebsocket = "http://h/ws"', "startup.websocket: must be ws://"),
        ('[startup]\nhealth = "h/health"', "startup.health: must be http://"),
        ('[startup.cache]\naddress = "cache"', "startup.cache.address: must be HOST:PORT"),
        ('[startup.cache]\nserver_ca = "/nowhere"', "startup.cache.server_ca: cannot be read"),
        (
            '[startup.cache]\npassword_env = "A"\npassword_file = "/b"',
            "startup.cache.password_env: stands beside",
        ),
        (
            '[startup.cache]\npassword_env = "NOT_SET"',
            "NOT_SET is not set: it holds the password of the cache",
        ),
        ("[pool]\nsaturation_hold_s = 3", "pool.saturation_hold_s: must be at most 2"),
        ("[pool]\nsaturation_hold_s = 0", "pool.saturation_hold_s: must be above 0"),
        ('[pool]\nsaturation_allowed = ["i"]', "pool.saturation_allowed: entry 1 must be PROJECT"),
        ('[application]\ntarget = "nobody"', 'application.target: "nobody" is not the name of a target'),
        ('[application]\npath = "socket"', 'application.path: "socket" is not one of the `paths` of db'),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_key_and_without_its_value(
    tmp_path: Path, text: str, said: str
) -> None:
    told = problems(tmp_path, text)
    assert [line for line in told if said in line], told
    assert not [line for line in told if "hunter2" in line]


def test_two_phases_of_one_name_are_refused(tmp_path: Path) -> None:
    phase = '[[startup.phases]]\nname = "a"\ndoes = "init"\nbudget_s = 1\n'
    assert problems(tmp_path, phase * 2) == ['startup.phases: names "a" twice']


def test_a_server_ca_needs_tls(tmp_path: Path) -> None:
    certificate = tmp_path / "ca.pem"
    certificate.write_text(make_authority("CA").pem)
    (told,) = problems(tmp_path, f'[startup.cache]\nserver_ca = "{certificate}"')
    assert told == "startup.cache.server_ca: has no meaning without `tls = true`"


def test_the_caches_password_is_read_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    path.write_text(TOP + '[startup.cache]\naddress = "h:6379"\npassword_env = "CACHE_PASSWORD"\n')
    settings = load(str(path), ENVIRON)
    assert settings.cache_password is not None
    assert settings.cache_password.reveal() == "hunter2"
    assert "hunter2" not in repr(settings)
