"""What holds for the code as a whole."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "probe"
MODULES = sorted(PACKAGE.rglob("*.py"))

LONGEST_MODULE_LINES = 300
LONGER_BY_NATURE = {"probe/diagnosis/catalogue.py": "a literal catalogue, an entry for each cause"}

VAGUE_WORDS = frozenset(
    {"manager", "helper", "helpers", "util", "utils", "handler", "handlers", "data", "info"}
)
NAMES_OF_OTHERS = {
    "probe/model/words.py: INFO": "Cloud Logging's severity",
    "probe/dial/tcp.py: TCP_INFO_BYTES": "the kernel's name",
    "probe/sandbox/cluster.py: data": "PostgreSQL's name for its folder",
    "probe/sandbox/data_plane.py: data_plane": "the opposite of the control plane",
    "probe/sandbox/data_plane.py: start_data_plane": "the same",
    "probe/sandbox/data_plane.py: DataPlane": "the same",
}

TEST_FOLDERS_OF_THEIR_OWN = {
    "scenarios": "whole runs on the sandbox, one for each fault",
    "benchmarks": "what the probe is compared with",
    "promise": "whole runs that must harm nobody, and are ended in every way",
}

# In pieces, so that this file does not hold what it looks for.
OF_ONE_MACHINE = re.compile(
    "|".join(["/wor" + "k/", "/roo" + "t/", "/hom" + "e/", "/op" + "t/", "find-" + "links ="])
)
REGISTRIES = re.compile(
    "|".join(["pypi" + r"\.", "pythonhosted" + r"\.", "--index" + "-url", "artifact" + "ory"])
)
NOT_OURS = re.compile(
    r"^\.(?!ci$|gitignore$|github$|dockerignore$|gcloudignore$)|^__pycache__$|\.egg-info$|^(build|dist)$"
)
TEXT_BYTES = 2_000_000


def test_the_import_rules_hold() -> None:
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--config",
        str(ROOT / "pyproject.toml"),
        "--no-cache",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_is_two_in_one() -> None:
    lengths = {str(module.relative_to(ROOT)): len(module.read_text().splitlines()) for module in MODULES}
    assert {path for path, lines in lengths.items() if lines > LONGEST_MODULE_LINES} == set(LONGER_BY_NATURE)


def test_names_say_what_a_thing_is() -> None:
    assert sorted(set(_vague_names())) == sorted(NAMES_OF_OTHERS)


def _vague_names() -> Iterator[str]:
    for module in MODULES:
        for name in (module.stem, *_defined(ast.parse(module.read_text()))):
            if VAGUE_WORDS & set(_words(name)):
                yield f"{module.relative_to(ROOT)}: {name}"


def _defined(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _words(name: str) -> list[str]:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")


def test_names_split_into_their_words() -> None:
    assert _words("ConnectSettings_v2") == ["connect", "settings", "v2"]
    assert _words("_TCP_INFO") == ["", "tcp", "info"]


def test_nothing_in_the_package_prints() -> None:
    prints = [
        f"{module.relative_to(ROOT)}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert prints == []


@pytest.mark.parametrize("pattern", [OF_ONE_MACHINE, REGISTRIES], ids=["paths", "registries"])
def test_no_file_speaks_of_the_machine_that_it_was_written_on(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in _ours(ROOT)
        if (match := pattern.search(path.read_text(errors="replace")))
    ]
    assert found == []


def _ours(folder: Path) -> Iterator[Path]:
    """Every file of the project, without what tools leave behind."""
    for path in sorted(folder.iterdir()):
        if NOT_OURS.search(path.name) or path.is_symlink():
            continue
        if path.is_dir():
            yield from _ours(path)
        elif path.stat().st_size < TEXT_BYTES:
            yield path


def test_the_tests_mirror_the_package() -> None:
    folders = {
        path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folders - packages == set(TEST_FOLDERS_OF_THEIR_OWN)
