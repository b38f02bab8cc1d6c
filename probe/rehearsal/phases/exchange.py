"""One HTTP request of the application: no proxies, no redirects, every byte and second bounded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx

from probe.dial.bounded import bounded
from probe.dial.clock import Deadline
from probe.rehearsal.kit import Kit

MAX_BODY_BYTES = 64 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; of the body no more than the bound."""

    status: int
    body: bytes


def get(kit: Kit, url: str, deadline: Deadline) -> Answer:
    """GET. Raises httpx.HTTPError, OSError, TimeoutError: a drip does not outlive the deadline."""
    return exchange(kit, url, {"Accept-Encoding": "identity"}, deadline, _read)


def exchange(
    kit: Kit, url: str, headers: dict[str, str], deadline: Deadline, take: Callable[[httpx.Response], T]
) -> T:
    """Send a GET, and give its answer, of which nothing but the head was read yet, to ``take``."""
    client = httpx.Client(verify=kit.web_tls, trust_env=False, timeout=deadline.left_s())
    request = client.build_request("GET", url, headers={"User-Agent": "cloudsql-vpc-probe"} | headers)

    def call() -> T:
        response = client.send(request, stream=True, follow_redirects=False)
        try:
            return take(response)
        finally:
            response.close()

    try:
        return bounded(call, deadline, abandon=client.close)
    finally:
        client.close()


def shown(url: str) -> str:
    """The address without what may be secret in it: a name and password, a query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _read(response: httpx.Response) -> Answer:
    octets = bytearray()
    for chunk in response.iter_raw():
        octets += chunk
        if len(octets) >= MAX_BODY_BYTES:
            break
    return Answer(response.status_code, bytes(octets[:MAX_BODY_BYTES]))
