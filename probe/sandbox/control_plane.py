"""A stand-in for the two calls of the Cloud SQL Admin API that every connection begins with."""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from probe.sandbox.http_server import MISBEHAVIOURS, HttpServer, Request, Response, json_response

REQUESTS_KEPT = 1000

CALLS = {
    "connect_settings": (
        "GET",
        re.compile(r"/sql/v1beta4/projects/([^/]+)/instances/([^/:]+)/connectSettings"),
    ),
    "generate_ephemeral_cert": (
        "POST",
        re.compile(r"/sql/v1beta4/projects/([^/]+)/instances/([^/:]+):generateEphemeralCert"),
    ),
}

# HTTP status -> canonical status, the API's own reason, and its words.
ERRORS: Mapping[int, tuple[str, str, str]] = {
    400: ("INVALID_ARGUMENT", "invalid", "Invalid request."),
    401: ("UNAUTHENTICATED", "authError", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "notAuthorized", "The client is not authorized to make this request."),
    404: ("NOT_FOUND", "instanceDoesNotExist", "The Cloud SQL instance does not exist."),
    429: ("RESOURCE_EXHAUSTED", "rateLimitExceeded", "Quota exceeded for quota metric 'Queries'."),
    500: ("INTERNAL", "internalError", "Internal error encountered."),
    503: ("UNAVAILABLE", "backendError", "The service is currently unavailable."),
}

HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One Cloud SQL instance as the Admin API describes it."""

    project: str
    region: str
    name: str
    server_ca_pem: str
    private_address: str | None
    public_address: str | None = None
    dns_name: str | None = None
    """Makes it an instance behind Private Service Connect."""
    database_version: str = "POSTGRES_16"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """One request that the API received. The names of the headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    """The JSON body, decoded; None where there was none."""


def error(status: int, message: str = "") -> Response:
    """An error in the JSON form that Google's APIs share."""
    code, reason, words = ERRORS.get(status, ("UNKNOWN", "unknown", HTTPStatus(status).phrase))
    detail = {"message": message or words, "domain": "global", "reason": reason}
    body = {"code": status, "message": message or words, "errors": [detail], "status": code}
    return json_response({"error": body}, status=status)


def connect_settings(instance: Instance) -> dict[str, Any]:
    """What ``connectSettings`` answers: where the instance is and whom to trust."""
    addresses = [("PRIMARY", instance.public_address), ("PRIVATE", instance.private_address)]
    settings: dict[str, Any] = {
        "kind": "sql#connectSettings",
        "serverCaCert": {"kind": "sql#sslCert", "cert": instance.server_ca_pem, "instance": instance.name},
        "ipAddresses": [{"type": kind, "ipAddress": address} for kind, address in addresses if address],
        "region": instance.region,
        "databaseVersion": instance.database_version,
        "backendType": "SECOND_GEN",
    }
    return settings | _private_service_connect(instance.dns_name)


def _private_service_connect(dns_name: str | None) -> dict[str, Any]:
    if dns_name is None:
        return {"pscEnabled": False}
    name = dns_name.rstrip(".") + "."
    entry = {"name": name, "connectionType": "PRIVATE_SERVICE_CONNECT", "dnsScope": "INSTANCE"}
    return {"pscEnabled": True, "dnsName": name, "dnsNames": [entry]}


def _checked(behaviours: Mapping[str, str]) -> Mapping[str, str]:
    statuses = {f"status:{status.value}" for status in HTTPStatus}
    known = {"normal", "html", "malformed", *MISBEHAVIOURS, *statuses}
    for call, behaviour in behaviours.items():
        if call not in CALLS:
            raise ValueError(f"no such call: {call}")
        if behaviour not in known:
            raise ValueError(f"no such behaviour: {behaviour}")
    return behaviours


class AdminApi(HttpServer):
    """The API over plain HTTP in daemon threads; a context manager.

    ``sign`` makes a client certificate (PEM) of a public key (PEM); its ``ValueError`` is a 400.
    ``behaviours`` maps a call (``connect_settings``, ``generate_ephemeral_cert``) to ``normal``,
    ``status:CODE``, ``html``, ``malformed`` or one of ``MISBEHAVIOURS``. Raises ValueError for any other,
    OSError where ``host`` cannot be bound.
    """

    def __init__(
        self,
        *,
        host: str,
        instance: Instance,
        sign: Callable[[str], str],
        behaviours: Mapping[str, str] = {},
    ) -> None:
        self._instance = instance
        self._sign = sign
        self._behaviours = _checked(behaviours)
        self._received: deque[ReceivedRequest] = deque(maxlen=REQUESTS_KEPT)
        super().__init__(host=host, answer=self._answer)
        self.endpoint = f"http://{self.address}"

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The latest requests, oldest first."""
        return list(self._received)

    def _answer(self, request: Request) -> Response | str:
        self._received.append(
            ReceivedRequest(
                method=request.method, path=request.path, headers=request.headers, body=request.json
            )
        )
        for call, (method, pattern) in CALLS.items():
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                return self._behave(call, request, (match[1], match[2]))
        return error(404, "Not Found")

    def _behave(self, call: str, request: Request, asked: tuple[str, str]) -> Response | str:
        behaviour = self._behaviours.get(call, "normal")
        if behaviour == "html":
            return Response(body=HTML, content_type="text/html; charset=UTF-8")
        if behaviour == "malformed":
            return json_response({})
        if behaviour.startswith("status:"):
            return error(int(behaviour.removeprefix("status:")))
        if behaviour == "normal":
            return self._normal(call, request, asked)
        return behaviour

    def _normal(self, call: str, request: Request, asked: tuple[str, str]) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return error(401)
        if asked != (self._instance.project, self._instance.name):
            return error(404)
        if call == "connect_settings":
            return json_response(connect_settings(self._instance))
        return self._certificate(request.json)

    def _certificate(self, body: Any) -> Response:
        if not isinstance(body, dict) or not isinstance(body.get("public_key"), str):
            return error(400, "Missing public key.")
        if not isinstance(body.get("access_token", ""), str):
            return error(400, "Invalid access token.")
        try:
            certificate = self._sign(body["public_key"])
        except ValueError:
            return error(400, "Invalid public key.")
        return json_response(
            {"ephemeralCert": {"kind": "sql#sslCert", "cert": certificate, "instance": self._instance.name}}
        )
