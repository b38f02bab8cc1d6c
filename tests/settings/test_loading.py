import json
import os
import pickle
from pathlib import Path as File

import pytest

from probe.model.secret import Secret
from probe.model.words import Check, Path
from probe.settings import NOT_SETTINGS, Settings, SettingsError, load, settings_table

STAGING = str(File(__file__).parents[2] / "deploy" / "staging.toml")
TOP = 'project = "p"\nregion = "r"\n'
TARGET = '[[targets]]\nname = "db"\ninstance = "p:r:i"\nuser = "u"\npassword_env = "DB_PASSWORD"\n'
ENVIRON = {"DB_PASSWORD": "hunter2"}
TLS_LINE = (
    'targets[0].tls: expected one of "disable", "require", "verify-ca", got "requires"'
    " - did you mean `require`?"
)
CHECKS = ", ".join(f'"{check}"' for check in Check)
CHECKS_LINE = f'profiles.x.checks[0]: expected one of {CHECKS}, got "rute" - did you mean `route`?'
EVERY_TIME = tuple(check for check in Check if check not in (Check.CAPACITY, Check.HERD))
"""What the scheduled profile checks."""


def loaded(tmp_path: File, text: str, **environ: str) -> Settings:
    file = tmp_path / "probe.toml"
    file.write_text(text)
    return load(str(file), ENVIRON | environ)


def problems(tmp_path: File, text: str, **environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text, **environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def problem(tmp_path: File, text: str, **environ: str) -> str:
    (only,) = problems(tmp_path, text, **environ)
    return only


def test_the_staging_file_loads_with_every_value_of_the_defaults_it_repeats() -> None:
    settings = load(STAGING, {"PROBE_DB_PASSWORD": "x"})
    assert settings.targets[0].paths == (Path.CONNECTOR, Path.PRIVATE_IP, Path.SOCKET)
    assert (settings.timeouts.connection_s, settings.timeouts.tcp_s) == (35.0, 30.0)
    assert settings.connector.gateway == "10.8.0.1"
    assert settings.application.alternatives.connection_limit == 100
    assert settings.profiles["scheduled"].checks == EVERY_TIME


def test_a_minimal_file_takes_every_default(tmp_path: File) -> None:
    settings = loaded(tmp_path, TOP + TARGET)
    assert (settings.deadline_s, settings.confirm_after_s, settings.egress.limit_s) == (540.0, 60.0, 75.0)
    assert settings.targets[0].samples == 5
    assert settings.profiles["scheduled"].checks == EVERY_TIME


def test_the_file_may_be_named_by_the_environment(tmp_path: File) -> None:
    file = tmp_path / "probe.toml"
    file.write_text(TOP + TARGET)
    assert load(None, ENVIRON | {"PROBE_CONFIG": str(file)}).project == "p"


def test_settings_may_come_from_the_environment_alone() -> None:
    target = {"name": "db", "instance": "p:r:i", "user": "u", "iam_auth": True}
    environ = {
        "PROBE_PROJECT": "p",
        "PROBE_REGION": "r",
        "PROBE_TARGETS": json.dumps([target]),
        "PROBE_MONITORING__ENABLED": "false",
        "PROBE_APPLICATION__ALTERNATIVES__CONNECTION_LIMIT": "100",
        "PROBE_APPLICATION__CONNECTOR_TIMEOUT_S": "",
        "PROBE_PROFILES__QUICK__CHECKS": '["route"]',
    }
    settings = load(None, environ)
    assert settings.targets[0].iam_auth
    assert not settings.monitoring.enabled
    assert settings.application.alternatives.connection_limit == 100
    assert settings.application.connector_timeout_s is None
    assert settings.profiles["quick"].checks == (Check.ROUTE,)
    assert settings.passwords == {}


def test_the_environment_wins_over_the_file(tmp_path: File) -> None:
    text = TOP + TARGET + "[timeouts]\ntcp_s = 20\n"
    assert loaded(tmp_path, text, PROBE_TIMEOUTS__TCP_S="3").timeouts.tcp_s == 3.0


def test_a_built_in_profile_keeps_its_checks_where_only_its_deadline_is_given(tmp_path: File) -> None:
    profile = loaded(tmp_path, TOP + TARGET + "[profiles.scheduled]\ndeadline_s = 60\n").profiles["scheduled"]
    assert profile.checks == EVERY_TIME
    assert profile.deadline_s == 60.0


def test_cloud_run_is_read_from_its_own_variables(tmp_path: File) -> None:
    there = loaded(
        tmp_path, TOP + TARGET, CLOUD_RUN_JOB="job", CLOUD_RUN_EXECUTION="job-x", CLOUD_RUN_TASK_INDEX="2"
    ).cloud_run
    here = loaded(tmp_path, TOP + TARGET).cloud_run
    assert (there.job, there.execution, there.task_index, there.metadata_expected) == (
        "job",
        "job-x",
        "2",
        True,
    )
    assert (here.job, here.execution, here.task_index, here.metadata_expected) == ("local", "", "0", False)


@pytest.mark.parametrize("variable", sorted(NOT_SETTINGS - {"PROBE_CONFIG"}))
def test_options_of_the_command_line_are_no_settings(tmp_path: File, variable: str) -> None:
    assert loaded(tmp_path, TOP + TARGET, **{variable: "whatever"}).project == "p"


def test_a_variable_named_for_a_secret_is_no_setting(tmp_path: File) -> None:
    text = TOP + TARGET.replace("DB_PASSWORD", "PROBE_DB_PASSWORD")
    settings = loaded(tmp_path, text, PROBE_DB_PASSWORD="s3cret")
    assert settings.passwords["db"].reveal() == "s3cret"


# Secrets


def test_a_secret_shows_itself_to_reveal_alone(tmp_path: File) -> None:
    settings = loaded(tmp_path, TOP + TARGET)
    assert settings.passwords == {"db": Secret("hunter2")}
    assert "hunter2" not in repr(settings)
    assert f"{settings.passwords['db']}" == "***"
    assert hash(Secret("a")) == hash(Secret("a"))


def test_a_secret_is_not_serialised() -> None:
    with pytest.raises(TypeError, match="not serialised"):
        pickle.dumps(Secret("a"))


def test_without_secrets_nothing_is_looked_up(tmp_path: File) -> None:
    file = tmp_path / "probe.toml"
    file.write_text(TOP + TARGET)
    assert load(str(file), {}, secrets=False).passwords == {}


@pytest.mark.parametrize(("environ", "state"), [({}, "is not set"), ({"DB_PASSWORD": ""}, "is empty")])
def test_a_missing_password_names_its_variable(tmp_path: File, environ: dict[str, str], state: str) -> None:
    file = tmp_path / "probe.toml"
    file.write_text(TOP + TARGET)
    with pytest.raises(SettingsError) as caught:
        load(str(file), environ)
    assert caught.value.problems == (f"targets[0]: DB_PASSWORD {state}: it holds the password of db",)


def test_a_password_that_was_put_in_place_of_its_variable_is_not_shown(tmp_path: File) -> None:
    assert "hunter2" not in str(problems(tmp_path, TOP + TARGET.replace("DB_PASSWORD", "hunter2")))
    assert "hunter-2" not in str(problems(tmp_path, TOP + TARGET.replace("DB_PASSWORD", "hunter-2")))
    assert "4711" not in str(problems(tmp_path, TOP + TARGET.replace('"DB_PASSWORD"', "4711")))


def from_file(tmp_path: File, content: bytes) -> str:
    (tmp_path / "password").write_bytes(content)
    return TOP + TARGET.replace('password_env = "DB_PASSWORD"', f'password_file = "{tmp_path}/password"')


@pytest.mark.parametrize("content", [b"s3cret", b"s3cret\n", b"s3cret\r\n", b"s3cret\nmore\n"])
def test_a_password_file_holds_the_password_in_its_first_line(tmp_path: File, content: bytes) -> None:
    assert loaded(tmp_path, from_file(tmp_path, content)).passwords["db"].reveal() == "s3cret"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "its first line is empty"),
        (b"\nsecond", "its first line is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"x" * 5000, "is larger than 4096 bytes"),
    ],
)
def test_a_password_file_that_holds_none_is_refused(tmp_path: File, content: bytes, said: str) -> None:
    line = problem(tmp_path, from_file(tmp_path, content))
    assert line == f"targets[0]: password_file {tmp_path}/password of db: {said}"


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (os.fsdecode(b"p\xffssword"), "is not UTF-8"),
        ("tab\tbed", "cannot be sent in a login: SASLprep refuses control characters"),
        (
            "key\U0001f511",
            "cannot be sent in a login: SASLprep refuses characters that Unicode 3.2 does not know",
        ),
    ],
)
def test_a_password_that_no_login_can_carry_is_refused_and_not_shown(
    tmp_path: File, secret: str, why: str
) -> None:
    line = problem(tmp_path, TOP + TARGET, DB_PASSWORD=secret)
    assert line == f"targets[0]: DB_PASSWORD of db: {why}"
    if secret.isprintable():
        in_file = problem(tmp_path, from_file(tmp_path, secret.encode()))
        assert in_file.endswith(f"/password of db: {why}")


def test_a_password_beyond_ascii_is_taken(tmp_path: File) -> None:
    settings = loaded(tmp_path, TOP + TARGET, DB_PASSWORD="p\u00e4ssw\u00f6rd")
    assert settings.passwords["db"].reveal() == "p\u00e4ssw\u00f6rd"


def test_a_missing_password_file_is_named(tmp_path: File) -> None:
    text = from_file(tmp_path, b"")
    (tmp_path / "password").unlink()
    assert problem(tmp_path, text).endswith("/password of db: cannot be read: No such file or directory")


# Files that are none


def unusable(path: File | str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(str(path), {})
    (line,) = caught.value.problems
    return line


def test_a_missing_file_is_said(tmp_path: File) -> None:
    assert unusable(tmp_path / "no").endswith("no: cannot be read: No such file or directory")


def test_a_folder_is_no_file(tmp_path: File) -> None:
    assert unusable(tmp_path).endswith(": cannot be read: Is a directory")


def test_a_name_that_no_file_can_have_is_said() -> None:
    assert unusable("a\0b").startswith(r"a\x00b: cannot be read: embedded null")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'a = "\xff"', "is not UTF-8 (byte 5)"),
        (b"a = 1\n#" + b"x" * (1 << 20), "is larger than 1048576 bytes"),
        (b"a = 1\nb = \n", "is not TOML: Invalid value (at line 2, column 5)"),
        (b"a = 1\na = 2\n", "is not TOML: Cannot overwrite a value (at line 2, column 6)"),
        (b"a = " + b"[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_file_that_is_no_toml_is_said(tmp_path: File, content: bytes, said: str) -> None:
    file = tmp_path / "probe.toml"
    file.write_bytes(content)
    assert unusable(file) == f"{file}: {said}"


def test_a_file_that_may_not_be_read_is_said(tmp_path: File) -> None:
    file = tmp_path / "probe.toml"
    file.symlink_to(file)
    assert "cannot be read: Too many levels of symbolic links" in unusable(file)


# Keys and types


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            TOP + TARGET + "intervall_s = 3",
            "targets[0].intervall_s: unknown key - did you mean `interval_s`?",
        ),
        (
            TOP + TARGET + "[timeouts]\ntcp_ms = 3",
            "timeouts.tcp_ms: unknown key - did you mean `tcp_s`? Times are in seconds",
        ),
        (
            TOP + TARGET + "[timeouts]\ntimeout_seconds = 3",
            "timeouts.timeout_seconds: unknown key - times are in seconds, and their keys end in `_s`",
        ),
        (
            TOP + TARGET + "[timeouts]\ndeadline_s = 3",
            "timeouts.deadline_s: unknown key - it belongs at the top of the file, before the first table",
        ),
        (TOP + "samples = 3\n" + TARGET, "samples: unknown key - it belongs in [[targets]]"),
        (
            TOP + TARGET + "[connector]\nzzz = 1",
            "connector.zzz: unknown key; known here: name, gateway",
        ),
        (TOP + '"\\u001b[2J" = 1\n' + TARGET, None),
        (TOP + TARGET + '[timeouts]\ntcp_s = "3"', 'timeouts.tcp_s: expected a number, got "3"'),
        (TOP + TARGET + "[timeouts]\ntcp_s = true", "timeouts.tcp_s: expected a number, got true"),
        (TOP + TARGET + "[timeouts]\ntcp_s = nan", "timeouts.tcp_s: must be a finite number"),
        (TOP + TARGET + "[timeouts]\ntcp_s = [1]", "timeouts.tcp_s: expected a number, got a list"),
        (TOP + TARGET + "samples = 1.5", "targets[0].samples: expected a whole number, got 1.5"),
        (TOP + TARGET + "iam_auth = 1", "targets[0].iam_auth: expected true or false, got 1"),
        (TOP + TARGET + "database = 1979-05-27", 'targets[0].database: expected a text, got "1979-05-27"'),
        (TOP + TARGET + "database = {}", "targets[0].database: expected a text, got a table"),
        (
            TOP + TARGET + f'iam_auth = "{"x" * 90}"',
            f'targets[0].iam_auth: expected true or false, got "{"x" * 59}...',
        ),
        (TOP + TARGET + 'tls = "requires"', TLS_LINE),
        (TOP + TARGET + '[profiles.x]\nchecks = ["rute"]', CHECKS_LINE),
        (TOP + TARGET + "[profiles.x]", "profiles.x.checks: is missing (names of the checks, in order)"),
        (TOP + "profiles = 3\n" + TARGET, "profiles: expected a table, got 3"),
        (TOP + TARGET + "[profiles]\nscheduled = 3", "profiles.scheduled: expected a table, got 3"),
        (TOP + "timeouts = 3\n" + TARGET, "timeouts: expected a table, got 3"),
        (
            TOP + TARGET.replace("[[targets]]", "[targets]"),
            "targets: expected a list ([[targets]]), got a table",
        ),
        (TOP, "targets: is missing (what is tested: at least one `[[targets]]` table)"),
        (TOP + "targets = []", "targets: is empty: name at least one [[targets]]"),
    ],
)
def test_what_is_no_setting_is_said_with_its_full_key(tmp_path: File, text: str, line: str | None) -> None:
    said = problem(tmp_path, text)
    assert said.isprintable()
    if line is not None:
        assert said == line


def test_every_problem_of_a_file_is_said_at_once(tmp_path: File) -> None:
    text = f"deadline_s = 0\n{TARGET}port = 0\n[timeouts]\ntcp_ms = 1\ntls_s = -1\n"
    keys = [line.partition(":")[0] for line in problems(tmp_path, text)]
    assert sorted(keys) == sorted(
        ["deadline_s", "project", "region", "targets[0].port", "timeouts.tcp_ms", "timeouts.tls_s"]
    )


# Variables


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("PROBE_TIMEOUTS__TCP_S", "abc", 'PROBE_TIMEOUTS__TCP_S: expected a number, got "abc"'),
        ("PROBE_TIMEOUTS__TCP_S", "-1", "PROBE_TIMEOUTS__TCP_S: must be above 0"),
        (
            "PROBE_TIMEOUTS__TPC_S",
            "1",
            "PROBE_TIMEOUTS__TPC_S: unknown variable - did you mean `PROBE_TIMEOUTS__TCP_S`?",
        ),
        (
            "PROBE_TARGETS__0__NAME",
            "x",
            "PROBE_TARGETS__0__NAME: unknown variable; a list is given whole, as JSON in PROBE_TARGETS",
        ),
        ("PROBE_TARGETS", "[]", "PROBE_TARGETS: is empty: name at least one [[targets]]"),
        (
            "PROBE_NEIGHBOURS",
            '[{"name": "n", "address": "x"}]',
            "PROBE_NEIGHBOURS[0].address: must be HOST:PORT (IPv6 in brackets), port 1 to 65535",
        ),
        ("PROBE_NEIGHBOURS", "[", "PROBE_NEIGHBOURS: is not JSON: Input data was truncated"),
        ("PROBE_NEIGHBOURS", "{}", "PROBE_NEIGHBOURS: expected a list ([[neighbours]]), got a table"),
    ],
)
def test_a_problem_of_a_variable_is_called_by_its_name(
    tmp_path: File, variable: str, value: str, line: str
) -> None:
    assert problem(tmp_path, TOP + TARGET, **{variable: value}) == line


def test_a_variable_below_something_that_is_no_table_leaves_the_files_problem(tmp_path: File) -> None:
    line = problem(tmp_path, TOP + "timeouts = 3\n" + TARGET, PROBE_TIMEOUTS__TCP_S="3")
    assert line == "timeouts: expected a table, got 3"


def test_a_table_is_not_given_whole(tmp_path: File) -> None:
    assert problem(tmp_path, TOP + TARGET, PROBE_TIMEOUTS="{}").startswith("PROBE_TIMEOUTS: unknown variable")


# The table


def test_the_table_has_a_row_for_every_kind_of_key() -> None:
    table = settings_table()
    for row in (
        "| `project` | text | required |",
        "| `timeouts.tcp_s` | number | `30.0` | TCP connect;",
        "| `targets[].paths` | list of `connector`, `private_ip`, `socket` |",
        "| `targets[].iam_auth` | true or false | `false` |",
        "| `application.connector_timeout_s` | number |  |",
        "| `application.alternatives.max_overflow` | whole number |  |",
        "| `profiles.NAME.checks` | list of `egress`,",
        "| `route.attempts` | whole number | `3` |",
    ):
        assert row in table
    assert "cloud_run" not in table
    assert "passwords" not in table
