"""One HTTP request of the application: no proxies, no redirects, every byte and second bounded."""

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import httpx

from probe.dial.bounded import bounded
from probe.dial.clock import Deadline
from probe.rehearsal.kit import Kit

MAX_BODY_BYTES = 64 * 1024
SAID_BYTES = 64
"""What is quoted of an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; of the body no more than the bound."""

    status: int
    body: bytes
    content_type: str = ""
    cut: bool = False
    """Whether there was more than that."""


def get(kit: Kit, url: str, deadline: Deadline) -> Answer:
    """GET. Raises httpx.HTTPError, OSError, TimeoutError: a drip does not outlive the deadline."""
    client = new_client(kit, deadline)
    try:
        headers = {"Accept-Encoding": "identity"}
        return bounded(lambda: _read(ask(client, url, headers)), deadline, abandon=client.close)
    finally:
        client.close()


def new_client(kit: Kit, deadline: Deadline) -> httpx.Client:
    """For one request. Whoever made it closes it, which closes what it has opened."""
    return httpx.Client(verify=kit.web_tls, trust_env=False, timeout=deadline.left_s())


def ask(client: httpx.Client, url: str, headers: dict[str, str]) -> httpx.Response:
    """Send a GET; of the answer nothing but the head was read yet. Not bounded as a whole."""
    request = client.build_request("GET", url, headers={"User-Agent": "cloudsql-vpc-probe"} | headers)
    return client.send(request, stream=True, follow_redirects=False)


def shown(url: str) -> str:
    """The address without what may be secret in it: a name and password, a query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def printable(octets: bytes) -> str:
    """The beginning of it as one line of text; what cannot be shown is a space or U+FFFD."""
    text = octets[:SAID_BYTES].decode("utf-8", "replace")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _read(response: httpx.Response) -> Answer:
    octets = bytearray()
    for chunk in response.iter_raw():
        octets += chunk
        if len(octets) > MAX_BODY_BYTES:
            break
    return Answer(
        response.status_code,
        bytes(octets[:MAX_BODY_BYTES]),
        content_type=response.headers.get("content-type", ""),
        cut=len(octets) > MAX_BODY_BYTES,
    )
