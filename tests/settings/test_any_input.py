import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from probe.settings import Settings, SettingsError, load

TARGET_KEYS = ["name", "instance", "paths", "port", "tls", "password_env", "iam_auth", "samples", "zzz"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
TARGETS = st.lists(st.dictionaries(st.sampled_from(TARGET_KEYS), VALUES) | VALUES, max_size=3) | VALUES


def outcome(environ: dict[str, str]) -> Settings | tuple[str, ...]:
    try:
        return load(None, environ)
    except SettingsError as error:
        return error.problems


@given(TARGETS, VALUES, VALUES)
def test_any_json_gives_settings_or_printable_problems(targets: Any, neighbours: Any, profiles: Any) -> None:
    found = outcome(
        {
            "PROBE_PROJECT": "p",
            "PROBE_REGION": "r",
            "PROBE_TARGETS": json.dumps(targets),
            "PROBE_NEIGHBOURS": json.dumps(neighbours),
            "PROBE_PROFILES": json.dumps(profiles),
        }
    )
    assert isinstance(found, Settings) or all(line.isprintable() and line for line in found)


@given(st.text(), st.text(), st.text(), st.text())
def test_any_text_in_a_variable_gives_settings_or_printable_problems(
    number: str, truth: str, url: str, address: str
) -> None:
    found = outcome(
        {
            "PROBE_PROJECT": "p",
            "PROBE_REGION": "r",
            "PROBE_TARGETS": '[{"name": "db", "instance": "p:r:i", "user": "u", "iam_auth": true}]',
            "PROBE_TIMEOUTS__TCP_S": number,
            "PROBE_ROUTE__ATTEMPTS": number,
            "PROBE_MONITORING__ENABLED": truth,
            "PROBE_SQLADMIN__ENDPOINT": url,
            "PROBE_EGRESS__ADDRESS": address,
            "PROBE_CONNECTOR__GATEWAY": address,
        }
    )
    assert isinstance(found, Settings) or all(line.isprintable() and line for line in found)
