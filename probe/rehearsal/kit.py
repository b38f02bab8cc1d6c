"""What the phases of one start-up share."""

import os
import ssl
from dataclasses import dataclass, field

import httpx

from probe.dial.admin_api import AdminApi
from probe.dial.credentials import Identity
from probe.dial.redaction import Redaction
from probe.rehearsal.request import StartupRequest
from probe.rehearsal.secrets import secrets


@dataclass(slots=True, kw_only=True)
class Kit:
    """Made before the first phase; what one phase learns for a later one is kept here."""

    request: StartupRequest
    redaction: Redaction
    admin_api: AdminApi
    web_tls: ssl.SSLContext
    """For services over https and wss."""
    address: str = ""
    """Of the instance, as the Admin API told it."""
    login_token: str | None = field(default=None, repr=False)


def assemble(request: StartupRequest) -> Kit:
    """The kit; reading the CA bundle and the like costs more than a call, and is in no phase."""
    redaction = Redaction()
    for secret in secrets(request, os.environ):
        redaction.add(secret)
    identity = Identity(metadata_expected=request.metadata_expected, redaction=redaction)
    return Kit(
        request=request,
        redaction=redaction,
        admin_api=AdminApi(request.sqladmin_endpoint, identity),
        web_tls=httpx.create_ssl_context(),
    )
