"""What the application's way in needs to be told; without the stock stack, which the parent does not load."""

from dataclasses import dataclass, field

from probe.dial.parameters import Purpose
from probe.model.target import Target
from probe.model.words import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """What a connection of the application needs."""

    target: Target
    path: Path
    run_id: str
    purpose: Purpose
    password: str | None = field(repr=False)
    login_token: str | None = field(default=None, repr=False)
    """With IAM login, off the connector path: serves as the password."""
    host: str = ""
    """For the private_ip path: the address, from the settings or the Admin API."""
    connector_wait_s: float = 30.0
    sqladmin_endpoint: str = ""
    ssl_request: bool = True
    """Whether pg8000 sends its SSLRequest inside the connector's TLS, as it does by default."""
