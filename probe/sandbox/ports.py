"""Addresses of the sandbox's own: several sandboxes run side by side, each with its port 3307."""

import secrets
import socket
from contextlib import ExitStack

from probe.sandbox import private_front, server_proxy
from probe.sandbox.binaries import SandboxError

FALLBACK = "127.0.0.1"
"""Where only one loopback address is configured, as on macOS."""

TRIALS = 50
KERNEL_CHOOSES = 0


def bind_pair(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Bind 3307, and 5432 if it is free, at one loopback address that nobody else has.

    Raises ``SandboxError`` when 3307 is taken everywhere. The stack closes both.
    """
    for host in [*(_random_host() for _ in range(TRIALS)), FALLBACK]:
        try:
            proxy = bind(stack, host, server_proxy.PORT)
        except OSError:
            continue
        return proxy, _bind_private(stack, host)
    raise SandboxError(f"port {server_proxy.PORT} is taken on every loopback address")


def bind(stack: ExitStack, host: str, port: int = KERNEL_CHOOSES) -> socket.socket:
    """Bind a TCP port without listening: until somebody does, it refuses connections. Raises ``OSError``."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stack.callback(bound.close)
    if host == FALLBACK:  # shared with earlier sandboxes and their lingering connections
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


def _bind_private(stack: ExitStack, host: str) -> socket.socket:
    try:
        return bind(stack, host, private_front.PORT)
    except OSError:  # a PostgreSQL server on every address of this machine, say
        return bind(stack, host)


def _random_host() -> str:
    return f"127.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
