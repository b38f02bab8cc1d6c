"""What each kind of phase does, in the order in which the application usually does it."""

from collections.abc import Callable, Mapping

from probe.model.application import PhaseKind
from probe.rehearsal.act import Act
from probe.rehearsal.phases.cache import cache
from probe.rehearsal.phases.database import database
from probe.rehearsal.phases.dependencies import dependencies, init
from probe.rehearsal.phases.services import finalize, services
from probe.rehearsal.phases.websocket import websocket

PHASES: Mapping[PhaseKind, Callable[[Act], bool]] = {
    PhaseKind.INIT: init,
    PhaseKind.DEPENDENCIES: dependencies,
    PhaseKind.DATABASE: database,
    PhaseKind.CACHE: cache,
    PhaseKind.SERVICES: services,
    PhaseKind.WEBSOCKET: websocket,
    PhaseKind.FINALIZE: finalize,
}
"""Each raises what its client raises, and returns whether anything was configured for it."""
