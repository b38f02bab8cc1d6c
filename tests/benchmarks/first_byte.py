"""Run Python in this process and print, at its first network connection, the time since its start.

``python first_byte.py MODULE_OR_FILE [ARGUMENT ...]``: the time stands on standard error, in seconds.
"""

import os
import runpy
import sys
import time
from pathlib import Path


def since_start_s() -> float:
    """Seconds since the kernel started this process."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def watch(event: str, _arguments: tuple[object, ...]) -> None:
    global seen  # noqa: PLW0603 - an audit hook has no other place to remember
    if not seen and event in {"socket.connect", "socket.sendto"}:
        seen = True
        sys.stderr.write(f"first-byte {since_start_s():.4f}\n")


seen = False
sys.addaudithook(watch)
sys.argv = sys.argv[1:]
if sys.argv[0].endswith(".py"):
    runpy.run_path(sys.argv[0], run_name="__main__")
else:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
