"""The sandbox's folder and process group: what has to vanish with it."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

UNPRIVILEGED_ID = 65534
"""PostgreSQL refuses to run as root; this uid and gid exist on every Linux."""

SOCKET_PATH_BYTES = 107
"""The longest path of a Unix socket on Linux (103 on macOS)."""

LONGEST_BASE_BYTES = 18
"""``$TMPDIR`` above this leaves too little room for an instance's socket path: /tmp is taken."""

EXIT_S = 10.0


class Workspace:
    """A folder of its own under the temporary folder, and the keeper that removes it behind a killed sandbox.

    Every process of the sandbox joins ``process_group``. Leaving stops none of them: their owners do, before.
    """

    path: Path
    process_group: int

    def __enter__(self) -> Self:
        base = tempfile.gettempdir()
        if len(base) > LONGEST_BASE_BYTES:
            base = "/tmp"  # noqa: S108 - mkdtemp makes a folder of its own in it
        self.path = Path(tempfile.mkdtemp(prefix="probe-", dir=base))
        self.path.chmod(0o711)  # the server's uid passes through
        try:
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "probe.sandbox.keeper", str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
        except BaseException:
            self._remove()
            raise
        self.process_group = self._keeper.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()
        self._keeper.communicate(timeout=EXIT_S)

    def folder(self, name: str, *, mode: int = 0o755) -> Path:
        """Make a folder that the server may write into, and return it."""
        folder = self.path / name
        folder.mkdir(parents=True)
        folder.chmod(mode)
        if runs_as_root():
            os.chown(folder, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
        return folder

    def _remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def runs_as_root() -> bool:
    """Whether this process has to give privileges away before it starts PostgreSQL."""
    return os.geteuid() == 0
