"""README.md says what is true of the code as it is."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from probe import __version__
from probe.model.cause import Cause
from probe.model.words import Stage, Verdict
from tests.documentation import BLOCK, DEMOS, EXITS, README, STAGES, TABLES, blocks, demo, renewed, steady

ROOT = Path(__file__).parent.parent
TEXT = README.read_text("utf-8")
PROBE = Path(sys.executable).with_name("probe")

# Command -> its exit code.
RUN = {
    "probe check-config --config deploy/staging.toml": 0,
    "probe demo --list-faults": 0,
    "probe explain tls_silent": 0,
    "probe metrics list": 0,
}
NOT_RUN = {
    "make bench": "a benchmark of minutes",
    "make demo": "a block of its own is compared with its output; what make runs is compared below",
    "make docs": "rewrites README.md; a test says when it is due",
    "make lint": "runs before the tests",
    "make lock": "writes the lock file, which has a test of its own",
    "make lock UPGRADE=1": "the same",
    "make test": "this is it",
    "probe demo --fault tls-silent": "a block of its own is compared with its output",
    "pip install --no-deps .": "changes the environment of the tests",
    "pip install --require-hashes -r deploy/requirements.lock": "the same",
    "probe metrics apply --config deploy/staging.toml": "writes to a real project; tested on a stand-in",
    "probe run --config deploy/staging.toml": "needs the VPC",
    "probe run --profile load": "the same; tests/promise runs it on a stand-in",
    "probe run --profile load --check capacity": "the same",
    "probe run --saturate full --check pool": "the same",
    'make demo ARGS="--format json"': "what make runs is compared below",
    'make demo FAULT="slow neighbour-down"': "the same",
    "make demo FAULT=tls-silent": "the same",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_part_is_up_to_date(name: str) -> None:
    assert blocks(TEXT)[name] == TABLES[name](), "make docs"


def test_every_marked_part_is_generated() -> None:
    assert sorted(blocks(TEXT)) == sorted([*TABLES, *DEMOS])
    assert TEXT.count("<!-- begin: ") == TEXT.count("<!-- end: ") == len(blocks(TEXT))


@pytest.mark.parametrize("name", DEMOS)
def test_a_demonstration_prints_what_is_shown(name: str) -> None:
    assert steady(demo(DEMOS[name])) == steady(blocks(TEXT)[name]), "make docs"


def test_only_what_a_run_measures_anew_may_differ() -> None:
    shown = "run 0a4d6652bb46 | 5.08 s at 127.1.2.3:51, attempt 2 ██"
    assert steady(shown) == steady("run 1a4d6652bb46 |\n 91 ms at 127.9.9.9:52345 attempt 1 █")
    assert steady(shown) != steady(shown.replace("51", "3307"))
    assert steady(shown) != steady(shown.replace("at", "for"))


def test_stale_parts_are_renewed_and_the_rest_stays() -> None:
    stale = "before\n<!-- begin: stages -->\nold\n<!-- end: stages -->\nafter\n"
    assert renewed(stale) == stale.replace("old\n", TABLES["stages"]())


def test_every_stage_and_exit_code_is_described() -> None:
    assert set(STAGES) == set(Stage)
    assert set(EXITS) == {0, 1, 2, 3, 4, 130, 143}


@pytest.mark.parametrize("command", RUN)
def test_a_command_works(command: str) -> None:
    done = subprocess.run(
        [PROBE, *command.split()[1:]],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == RUN[command], done.stderr
    shown = _shown_output(command)
    assert not shown or done.stdout == shown


def test_every_command_is_run_or_has_a_reason_not_to_be() -> None:
    assert set(_commands()) == {*RUN, *NOT_RUN}


def _commands() -> Iterator[str]:
    yield from re.findall(r"^\$ (.+)$", TEXT, re.MULTILINE)
    # A line break in the middle of a command is none.
    prose = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r"`([^`]+)`", BLOCK.sub("", prose)):
        words = " ".join(code.split())
        if re.match(r"(make|probe) [a-z-]+", words):
            yield words


def _shown_output(command: str) -> str | None:
    found = re.search(
        rf"^```console\n\$ {re.escape(command)}\n([^$].*?)^```$", TEXT, re.MULTILINE | re.DOTALL
    )
    return found[1] if found else None


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["demo"], ".venv/bin/probe demo"),
        (["demo", "FAULT=tls-silent"], ".venv/bin/probe demo --fault tls-silent"),
        (["demo", "FAULT=slow neighbour-down"], ".venv/bin/probe demo --fault slow --fault neighbour-down"),
        (["demo", "ARGS=--format json"], ".venv/bin/probe demo --format json"),
    ],
)
def test_make_runs_the_probe(words: list[str], command: str) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("there is no make here")
    environ = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    }
    done = subprocess.run(
        [make, "--dry-run", "--old-file=.venv/.installed", *words],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert " ".join(done.stdout.splitlines()[-1].split()) == command


def test_the_picture_shows_the_folders_as_they_are() -> None:
    (picture,) = re.findall(r"^```text\n(Makefile.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    top = {line.split()[0] for line in picture.splitlines() if not line.startswith(" ")}
    inner = {line.split()[0] for line in picture.splitlines() if line.startswith("  ") and line[2] != " "}
    real = {p.name + "/" * p.is_dir() for p in (ROOT / "probe").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert inner == real - {"__init__.py", "__pycache__/"}
    assert all((ROOT / name).exists() for name in top)


def test_the_document_is_described_field_by_field() -> None:
    schema = json.loads(files("probe.sinks").joinpath("report.schema.json").read_text())
    described = " ".join(line for line in TEXT.splitlines() if line.startswith("| `"))
    missing = {name for name in _properties(schema) if not re.search(rf"`[\w\[\].]*\b{name}`", described)}
    assert missing == set()


def _properties(schema: dict[str, Any]) -> set[str]:
    definitions = schema["$defs"]
    parts = (definitions[name] for name in ("run", "observation", "stage", "finding"))
    names = {name for part in parts for name in part["properties"]}
    return names | set(schema["properties"]) | set(schema["properties"]["metrics"]["properties"])


def test_the_words_that_are_explained_exist() -> None:
    silences = TEXT.partition("### What a silence means")[2].partition("###")[0]
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", silences))
    assert named <= set(Cause)
    verdicts = TEXT.partition("### Verdicts and exit codes")[2].partition("A `down`")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", verdicts, re.MULTILINE)) == set(Verdict)


def test_the_version_has_its_changes() -> None:
    assert f"### {__version__}\n" in TEXT.partition("## Changes")[2]


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:probe|deploy|tests)/[\w./]+)`", BLOCK.sub("", TEXT)))
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []
