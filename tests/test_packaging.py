"""What is installed, and what it needs."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from probe import __version__

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "probe"
SANDBOX = PACKAGE / "sandbox"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
DECLARED = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
EXTRA = {canonicalize_name(Requirement(line).name) for line in PROJECT["optional-dependencies"]["sandbox"]}

# Imported, and not declared: a declared dependency cannot do without it.
COMES_WITH = {
    "aiohttp": "cloud-sql-python-connector",
    "cryptography": "cloud-sql-python-connector",
    "grpcio": "google-cloud-monitoring",
    "protobuf": "google-cloud-monitoring",
    "googleapis-common-protos": "google-api-core",
    "google-api-core": "google-cloud-monitoring",
    "grpcio-status": "google-api-core",
    "scramp": "pg8000",
}


@pytest.mark.parametrize("command", [["-m", "probe"], ["-c", "from probe.cli import main; main()"]])
def test_every_way_in_says_the_version(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command, "--version"], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == f"probe, version {__version__}\n"


def test_the_command_is_installed() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("probe"), "--version"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout == f"probe, version {__version__}\n"


def test_every_file_that_is_no_module_is_package_data() -> None:
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["probe"]
    packaged = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    others = {
        p for p in PACKAGE.rglob("*") if p.is_file() and p.suffix != ".py" and p.parent.name != "__pycache__"
    }
    assert others == packaged


def test_every_folder_of_modules_is_a_package() -> None:
    assert [p for p in PACKAGE.rglob("*.py") if not (p.parent / "__init__.py").exists()] == []


def test_what_the_package_imports_is_declared() -> None:
    needed = _distributions(path for path in PACKAGE.rglob("*.py") if SANDBOX not in path.parents)
    assert needed - DECLARED - set(COMES_WITH) == set()


def test_what_the_sandbox_imports_is_declared() -> None:
    needed = _distributions(SANDBOX.rglob("*.py"))
    assert needed - DECLARED - EXTRA - set(COMES_WITH) == set()


@pytest.mark.parametrize(("name", "bringer"), COMES_WITH.items())
def test_what_comes_with_a_dependency_does(name: str, bringer: str) -> None:
    requirements = (Requirement(line) for line in distribution(bringer).requires or ())
    assert name in {canonicalize_name(requirement.name) for requirement in requirements}
    assert bringer in DECLARED | set(COMES_WITH)


def _distributions(modules: Iterator[Path]) -> set[str]:
    """The distributions whose modules are imported, outside the standard library and the package."""
    names = {name for module in modules for name in _imported(ast.parse(module.read_text()))}
    return {
        _distribution(name) for name in names if name.split(".")[0] not in {*sys.stdlib_module_names, "probe"}
    }


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _distribution(name: str) -> str:
    """The distribution of a module; of those that share the folder ``google`` the one with that file."""
    parts = name.split(".")
    owners = set(packages_distributions()[parts[0]])
    for length in range(len(parts), 0, -1):
        module = re.compile("/".join(parts[:length]) + r"(\.py|/__init__\.py|\.cpython-.*)$")
        for owner in sorted(owners):
            if any(module.match(str(file)) for file in distribution(owner).files or ()):
                return canonicalize_name(owner)
    raise PackageNotFoundError(name)
