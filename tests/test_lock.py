"""The lock file of the image still satisfies pyproject.toml."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "deploy" / "requirements.lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UNREACHABLE = re.compile(
    r"failed to (fetch|connect)|error sending request|dns error|timed out"
    r"|connect(ion)? (error|refused)|certificate",
    re.IGNORECASE,
)
RESOLVE_LIMIT_S = 60.0


def entries(text: str) -> list[str]:
    """Each requirement with its hashes on one line, without comments."""
    lines = [line.partition("#")[0].rstrip() for line in text.splitlines()]
    return [line for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines() if line.strip()]


def pins(text: str) -> dict[str, Requirement]:
    requirements = (Requirement(entry.partition(" --hash")[0]) for entry in entries(text))
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def version_of(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "=="
    return specifier.version


@pytest.mark.parametrize("dependency", PROJECT["dependencies"])
def test_a_dependency_is_pinned_within_its_range(dependency: str) -> None:
    wanted = Requirement(dependency)
    pin = pins(LOCK.read_text())[canonicalize_name(wanted.name)]
    assert pin.marker is None
    assert wanted.specifier.contains(version_of(pin))


def test_the_extras_are_not_in_the_image() -> None:
    extras = [Requirement(line).name for lines in PROJECT["optional-dependencies"].values() for line in lines]
    brought_by_others = {"cryptography", "packaging"}
    locked = set(pins(LOCK.read_text()))
    assert {canonicalize_name(name) for name in extras} & locked <= brought_by_others


def test_every_entry_is_one_version_with_hashes() -> None:
    for entry in entries(LOCK.read_text()):
        requirement, *hashes = entry.split(" --hash=")
        assert version_of(Requirement(requirement))
        assert hashes, entry
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each.strip()) for each in hashes), requirement


def test_the_file_names_no_host_and_no_path() -> None:
    text = LOCK.read_text()
    assert "make lock" in text.splitlines()[1]
    assert not re.search(r"https?:|file:|index-url|find-links|trusted-host", text)
    assert not re.search(r"(?<![\w.])/\w", text)


def image_python() -> str:
    """The version that the lock file is for, as the Makefile has it."""
    found = re.search(r"^IMAGE_PYTHON := ([\d.]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_the_image_has_a_python_that_the_package_takes() -> None:
    assert SpecifierSet(PROJECT["requires-python"]).contains(image_python())
    assert f"for Python {image_python()}" in LOCK.read_text().splitlines()[1]


def test_the_pins_resolve_to_themselves(tmp_path: Path) -> None:
    output = tmp_path / "requirements.lock"
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", str(ROOT / "pyproject.toml")]
    command += ["--constraints", str(LOCK), "--universal", "--python-version", image_python(), "--quiet"]
    done = subprocess.run(
        [*command, "--output-file", str(output), "--cache-dir", str(tmp_path / "cache")],
        env={**os.environ, "UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "1"},
        capture_output=True,
        text=True,
        timeout=RESOLVE_LIMIT_S,
        check=False,
    )
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    resolved = {name: version_of(pin) for name, pin in pins(output.read_text()).items()}
    assert resolved == {name: version_of(pin) for name, pin in pins(LOCK.read_text()).items()}
