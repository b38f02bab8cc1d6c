"""What the parent asks a rehearsal of: everything that the application itself would be told."""

from dataclasses import dataclass, field

from probe.model.application import PHASES, Application, Phase, Startup
from probe.model.target import Target, Timeouts
from probe.model.words import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupRequest:
    """One start-up of the application. Goes to the child over its standard input, never elsewhere."""

    target: Target
    path: Path
    application: Application
    startup: Startup
    timeouts: Timeouts
    password: str | None = field(repr=False)
    cache_password: str | None = field(default=None, repr=False)
    sqladmin_endpoint: str
    metadata_expected: bool
    run_id: str

    @property
    def phases(self) -> tuple[Phase, ...]:
        """In order."""
        return self.startup.phases or PHASES

    @property
    def asks_google(self) -> bool:
        """Whether the way in needs a Google identity: the connector, an IAM login, an address to be asked."""
        return self.path is Path.CONNECTOR or self.target.iam_auth or self.asks_for_address

    @property
    def asks_for_address(self) -> bool:
        """Whether the Admin API has to tell the private address."""
        return self.path is Path.PRIVATE_IP and not self.target.private_ip
