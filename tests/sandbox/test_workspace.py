import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from probe.sandbox.binaries import SandboxError, postgres_home
from probe.sandbox.cluster import create_cluster
from probe.sandbox.postgres import PostgresServer
from probe.sandbox.staging import INSTANCE_NAME
from probe.sandbox.workspace import SOCKET_PATH_BYTES, Workspace

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives privileges away")


def test_the_longest_socket_path_fits() -> None:
    with Workspace() as workspace:
        path = workspace.path / "cloudsql" / INSTANCE_NAME / ".s.PGSQL.5432"
        assert len(os.fsencode(path)) <= SOCKET_PATH_BYTES


SAYS_WHERE = "from probe.sandbox.workspace import Workspace\nwith Workspace() as w: print(w.path.parent)"


def test_a_long_temporary_folder_is_left_for_a_short_one(tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", SAYS_WHERE]
    child = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=10)
    assert Path(child.stdout.strip()) == Path(tempfile.gettempdir())


def test_a_folder_is_made_for_the_servers_uid() -> None:
    with Workspace() as workspace:
        folder = workspace.folder("data", mode=0o700)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == (65534 if os.geteuid() == 0 else os.geteuid())


@AS_ROOT
def test_programs_that_the_servers_uid_cannot_reach_are_copied_and_run(tmp_path: Path) -> None:
    with Workspace() as workspace:
        hidden = tmp_path / "hidden"
        hidden.mkdir(mode=0o700)
        package = postgres_home(workspace).parent
        home = hidden / package.name / "pginstall"
        shutil.copytree(package / "pginstall", home)
        shutil.copytree(f"{package}.libs", f"{home.parent}.libs")
        cluster = create_cluster(
            workspace, socket_dirs=[workspace.folder("pg")], superuser_password="superuser", home=home
        )
        assert cluster.home.is_relative_to(workspace.path)
        with PostgresServer(cluster, process_group=workspace.process_group) as server:
            server.await_ready()
            assert server.execute("SELECT 1")[0][0] == 1


def test_a_server_that_cannot_start_says_its_last_words() -> None:
    with Workspace() as workspace:
        cluster = create_cluster(workspace, socket_dirs=[workspace.folder("pg")], superuser_password="s")
        with (cluster.data / "postgresql.conf").open("a") as configuration:
            configuration.write("nonsense = 1\n")
        server = PostgresServer(cluster, process_group=workspace.process_group)
        with pytest.raises(SandboxError, match=r"PostgreSQL does not come up: .*contains errors"), server:
            pass
        with pytest.raises(SandboxError, match="not running"):
            server.freeze()


def test_an_initdb_that_fails_says_why(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("initdb", "postgres"):
        (programs / name).write_text("#!/bin/sh\necho 'could not'; exit 1\n")
        (programs / name).chmod(0o755)
    for part in ("lib", "share"):
        (tmp_path / part).mkdir()
    with Workspace() as workspace, pytest.raises(SandboxError, match="initdb failed: could not"):
        create_cluster(workspace, socket_dirs=[workspace.folder("pg")], superuser_password="s", home=tmp_path)


def test_a_server_can_be_stopped_and_started_again() -> None:
    with Workspace() as workspace:
        cluster = create_cluster(workspace, socket_dirs=[workspace.folder("pg")], superuser_password="s")
        with PostgresServer(cluster, process_group=workspace.process_group) as server:
            server.await_ready()
            server.execute("CREATE TABLE kept (id int)")
            server.stop()
            assert not server.socket_path.exists()
            server.start()
            server.await_ready()
            assert server.execute("SELECT count(*) FROM kept")[0][0] == 0
