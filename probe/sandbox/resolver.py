"""A resolver configuration of its own for one child process, by a mount namespace."""

import functools
import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

NAME_SERVER_PORT = 53
TRIAL_S = 5.0


class SilentNameServer:
    """A UDP socket at port 53 of ``host`` that nobody reads. Raises ``OSError`` without the privilege."""

    def __init__(self, host: str) -> None:
        self._host = host

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((self._host, NAME_SERVER_PORT))
        except OSError:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


def resolver_prefix(folder: Path, *, name_server: str) -> tuple[str, ...]:
    """Return what to put before a command so that it sees only this name server."""
    resolv_conf = folder / "resolv.conf"
    resolv_conf.write_text(f"nameserver {name_server}\n")
    return _prefix(resolv_conf)


@functools.cache
def cannot_replace_resolver() -> str | None:
    """Say why no child here can have a resolver configuration of its own; None: it can."""
    if shutil.which("unshare") is None:
        return "there is no unshare program"
    trial = subprocess.run(
        [*_prefix(Path("/etc/resolv.conf")), "true"], check=False, capture_output=True, timeout=TRIAL_S
    )
    reason = trial.stderr.decode(errors="replace").strip()
    return None if trial.returncode == 0 else f"no mount namespace: {reason}"


@functools.cache
def cannot_bind_name_server() -> str | None:
    """Say why there cannot be a silent name server here either; None: there can."""
    if reason := cannot_replace_resolver():
        return reason
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.bind(("127.0.0.53", NAME_SERVER_PORT))
    except PermissionError:
        return "port 53 needs root"
    except OSError:
        return None  # taken there, but not forbidden
    return None


def _prefix(resolv_conf: Path) -> tuple[str, ...]:
    namespace = (
        ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--mount")
    )
    script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    return (*namespace, "sh", "-c", script, str(resolv_conf))
