"""Lines out of a pipe that does not block."""

import os

from probe.rehearsal.messages import MAX_LINE_BYTES, GarbageError

CHUNK_BYTES = 65536


class Lines:
    """What has come so far, line by line."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self._looked = 0

    def read_from(self, fd: int) -> bool:
        """Take what is there; whether there may be more later."""
        octets = read(fd)
        self._octets += octets or b""
        return octets != b""

    def next_line(self) -> bytes | None:
        """The next whole line; None: there is none yet. Raises GarbageError for one without end."""
        end = self._octets.find(b"\n", self._looked)
        if end < 0:
            self._looked = len(self._octets)
            if self._looked > MAX_LINE_BYTES:
                raise GarbageError(f"a line of more than {MAX_LINE_BYTES} bytes")
            return None
        line = bytes(self._octets[:end])
        del self._octets[: end + 1]
        self._looked = 0
        return line


def read(fd: int) -> bytes | None:
    """What is there, b"" at the end; None: nothing yet."""
    try:
        return os.read(fd, CHUNK_BYTES)
    except BlockingIOError:
        return None
