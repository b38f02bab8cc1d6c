"""The data folder of the embedded PostgreSQL: made by initdb, configured by text."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from probe.sandbox.binaries import SandboxError, postgres_home
from probe.sandbox.workspace import UNPRIVILEGED_ID, Workspace, runs_as_root

SUPERUSER = "postgres"
MAX_CONNECTIONS = 25
RESERVED_CONNECTIONS = 3

Recovery = Literal["none", "starting", "standby"]

INITDB_S = 60.0

# A restore command runs in the data folder. This one ends with its server, however that ends.
WAITING_RESTORE = "while kill -0 $(head -n 1 postmaster.pid); do sleep 0.1; done 2> /dev/null; exit 1"

RECOVERY: dict[Recovery, tuple[str, ...]] = {
    "none": (),
    "starting": ("recovery.signal", f"restore_command = '{WAITING_RESTORE}'"),
    "standby": ("standby.signal", "restore_command = 'false'", "hot_standby = off"),
}
"""The signal file, then what goes into the configuration."""

CONFIGURATION = (
    f"max_connections = {MAX_CONNECTIONS}",
    f"superuser_reserved_connections = {RESERVED_CONNECTIONS}",
    "listen_addresses = ''",
    "unix_socket_permissions = 0777",
    "password_encryption = 'scram-sha-256'",
    "fsync = off",
    "full_page_writes = off",
    "shared_buffers = 16MB",
    "min_dynamic_shared_memory = 0",
    "max_wal_senders = 0",
    "wal_level = minimal",
    "autovacuum = off",
    "logging_collector = off",
    "log_destination = 'stderr'",
    "lc_messages = 'C'",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A data folder and the programs that serve it."""

    home: Path
    data: Path
    socket_dirs: tuple[Path, ...]
    superuser_password: str


def create_cluster(
    workspace: Workspace,
    *,
    socket_dirs: Sequence[Path],
    superuser_password: str,
    hba_lines: Sequence[str] = (),
    recovery: Recovery = "none",
    home: Path | None = None,
) -> Cluster:
    """Run initdb and write the configuration. Raises ``SandboxError`` with initdb's last words."""
    cluster = Cluster(
        home=postgres_home(workspace, home),
        data=workspace.folder("data", mode=0o700),
        socket_dirs=tuple(socket_dirs),
        superuser_password=superuser_password,
    )
    _run_initdb(workspace, cluster)
    _configure(cluster, recovery)
    hba = ("local all postgres scram-sha-256", *hba_lines, "local all all scram-sha-256", "")
    (cluster.data / "pg_hba.conf").write_text("\n".join(hba))
    return cluster


def start_server_program(
    command: Sequence[str | Path], *, process_group: int, output: int, cwd: Path
) -> subprocess.Popen[bytes]:
    """Start a program as the uid that PostgreSQL may run as, in the workspace's process group."""
    identity = UNPRIVILEGED_ID if runs_as_root() else None
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        process_group=process_group,
        cwd=cwd,
        env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"},
        user=identity,
        group=identity,
        extra_groups=None if identity is None else [],
    )


def _run_initdb(workspace: Workspace, cluster: Cluster) -> None:
    password_file = workspace.path / "superuser-password"
    password_file.touch(mode=0o600)
    password_file.write_text(cluster.superuser_password)
    if runs_as_root():
        os.chown(password_file, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    command = [str(cluster.home / "bin" / "initdb"), f"--pgdata={cluster.data}", f"--username={SUPERUSER}"]
    command += ["--auth=scram-sha-256", f"--pwfile={password_file}"]
    command += ["--no-sync", "--no-locale", "--encoding=UTF8", "--no-instructions"]
    initdb = start_server_program(
        command, process_group=workspace.process_group, output=subprocess.PIPE, cwd=cluster.data
    )
    try:
        output, _ = initdb.communicate(timeout=INITDB_S)
    finally:
        initdb.kill()
        initdb.wait()
    password_file.unlink()
    if initdb.returncode != 0:
        raise SandboxError(f"initdb failed: {output.decode(errors='replace').strip().splitlines()[-1]}")


def _configure(cluster: Cluster, recovery: Recovery) -> None:
    signal_file, *recovery_lines = RECOVERY[recovery] or (None,)
    folders = ", ".join(str(folder) for folder in cluster.socket_dirs)
    lines = [*CONFIGURATION, f"unix_socket_directories = '{folders}'", *recovery_lines, ""]
    with (cluster.data / "postgresql.conf").open("a") as configuration:
        configuration.write("\n".join(lines))
    if signal_file is not None:
        (cluster.data / signal_file).touch()
