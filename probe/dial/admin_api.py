"""Stages ``admin_api`` and ``certificate``: the two Admin API calls that every connector makes."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probe.dial.bounded import bounded
from probe.dial.clock import Deadline, Trace
from probe.dial.credentials import Identity
from probe.dial.credentials import prepare as prepare_credentials
from probe.dial.failures import MAX_MESSAGE, StageFailure, as_failure, error_facts, stage_failure
from probe.model.facts import AdminApiFacts, CertificateFacts, ErrorFacts
from probe.model.words import Failure, Stage

# httpx imports its command line, and with it rich and pygments, where they are installed: 40 ms and 6 MB.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
import httpx  # noqa: E402

if sys.modules["httpx._main"] is None:
    del sys.modules["httpx._main"]

MAX_BODY_BYTES = 1024 * 1024
MAX_NAME = 255
"""Characters of a region, a version or an address: they are kept as evidence."""
ADDRESS_TYPES = {"private": "PRIVATE", "public": "PRIMARY", "psc": "PSC"}

STATUS_FAILURES = {
    400: Failure.HTTP_BAD_REQUEST,
    401: Failure.UNAUTHENTICATED,
    403: Failure.FORBIDDEN,
    404: Failure.NOT_FOUND,
    429: Failure.RATE_LIMITED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceName:
    """``PROJECT:REGION:INSTANCE``; the project may be domain-scoped, ``example.com:project``."""

    project: str
    region: str
    instance: str

    @classmethod
    def parse(cls, text: str) -> "InstanceName":
        """From the connection name, which the settings have validated."""
        project, region, instance = text.rsplit(":", 2)
        return cls(project=project, region=region, instance=instance)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSettings:
    """Where the instance is and whom to trust."""

    address: str
    server_ca_pem: str
    database_version: str


def prepare() -> None:
    """Import what a first call would import, so that no stopwatch runs meanwhile."""
    import cryptography.x509  # noqa: F401

    httpx.Client(verify=False, trust_env=False).close()  # noqa: S501 - it connects to nobody
    prepare_credentials()


class AdminApi:
    """The Admin API at one endpoint; each call has its own connection and a deadline that holds in all."""

    def __init__(self, endpoint: str, identity: Identity) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._identity = identity
        # Made here, outside of every stopwatch: reading the CA bundle costs more than the call.
        self._verify = httpx.create_ssl_context() if endpoint.startswith("https:") else False

    def connect_settings(
        self, trace: Trace, name: InstanceName, ip_type: str, budget_s: float
    ) -> ConnectSettings:
        """Stage ``admin_api``: credentials, then ``connectSettings``. Raises StageFailure, TimeoutError."""
        deadline = trace.begin(Stage.ADMIN_API, budget_s)
        trace.learn(AdminApiFacts(endpoint=self._endpoint))
        begun_ns = time.monotonic_ns()
        token = self._identity.token(deadline)
        token_s = (time.monotonic_ns() - begun_ns) / 1e9
        trace.learn(AdminApiFacts(endpoint=self._endpoint, token_s=token_s))

        def learn_status(status: int) -> None:
            trace.learn(AdminApiFacts(endpoint=self._endpoint, token_s=token_s, http_status=status))

        path = f"projects/{name.project}/instances/{name.instance}/connectSettings"
        answer = self._call("GET", path, token, deadline, learn_status)
        addresses = _addresses(answer)
        region, version = _name(answer, "region"), _name(answer, "databaseVersion")
        trace.learn(
            AdminApiFacts(
                endpoint=self._endpoint,
                token_s=token_s,
                http_status=200,
                region=region,
                database_version=version,
                address_types=tuple(kind for kind in addresses if kind in ADDRESS_TYPES.values()),
            )
        )
        return _settings(answer, name, ip_type, region=region, version=version, addresses=addresses)

    def ephemeral_certificate(
        self, trace: Trace, name: InstanceName, public_key_pem: str, budget_s: float, *, iam_auth: bool
    ) -> tuple[str, str | None]:
        """Stage ``certificate``: the client certificate (PEM), and with IAM the login token in it."""
        deadline = trace.begin(Stage.CERTIFICATE, budget_s)
        trace.learn(CertificateFacts())
        body = {"public_key": public_key_pem}
        login_token = self._identity.login_token(deadline) if iam_auth else None
        if login_token is not None:
            body["access_token"] = login_token
        path = f"projects/{name.project}/instances/{name.instance}:generateEphemeralCert"
        token = self._identity.token(deadline)

        def learn_status(status: int) -> None:
            trace.learn(CertificateFacts(http_status=status))

        answer = self._call("POST", path, token, deadline, learn_status, body=body)
        certificate = answer.get("ephemeralCert")
        pem = _text(certificate if isinstance(certificate, dict) else {}, "cert")
        expires_at = _expires_at(pem)
        trace.learn(CertificateFacts(http_status=200, expires_at=expires_at))
        return pem, login_token

    def login_token(self, trace: Trace, budget_s: float) -> str:
        """Stage ``admin_api`` for a login token alone. Raises StageFailure, TimeoutError."""
        deadline = trace.begin(Stage.ADMIN_API, budget_s)
        return self._identity.login_token(deadline)

    def _call(
        self,
        method: str,
        path: str,
        token: str,
        deadline: Deadline,
        learn_status: Callable[[int], None],
        *,
        body: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        client = httpx.Client(verify=self._verify, trust_env=False, timeout=deadline.left_s())
        request = client.build_request(
            method,
            f"{self._endpoint}/sql/v1beta4/{path}",
            headers={
                "Authorization": f"Bearer {token}",
                "Accept-Encoding": "identity",  # a compressed answer has no bound that we could hold
                "Content-Type": "application/json",
                "User-Agent": "cloudsql-vpc-probe",
            },
            json=body,
        )
        try:
            status, octets = bounded(lambda: _exchange(client, request), deadline, abandon=client.close)
        except Exception as error:
            raise _http_failure(error) or error from error
        finally:
            client.close()
        learn_status(status)
        return _decoded(status, octets)


def _exchange(client: httpx.Client, request: httpx.Request) -> tuple[int, bytes]:
    response = client.send(request, stream=True)
    octets = bytearray()
    for chunk in response.iter_raw():
        octets += chunk
        if len(octets) > MAX_BODY_BYTES:
            raise stage_failure(Failure.MALFORMED, f"an answer of more than {MAX_BODY_BYTES} bytes")
    return response.status_code, bytes(octets)


def _http_failure(error: Exception) -> StageFailure | None:
    known = as_failure(error)
    if known is None and isinstance(error, httpx.RemoteProtocolError):
        early = "disconnected" in str(error) or "closed" in str(error)  # httpx has no type for it
        return StageFailure(Failure.CLOSED if early else Failure.PROTOCOL, error_facts(error))
    return known


def _decoded(status: int, octets: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(octets)
    except (ValueError, RecursionError):  # nested without end
        answer = None
    if status != httpx.codes.OK:
        failure = STATUS_FAILURES.get(status, Failure.SERVER_ERROR if status >= 500 else Failure.MALFORMED)  # noqa: PLR2004
        error = ErrorFacts(type="HTTP", message=_api_message(status, answer, octets), http_status=status)
        raise StageFailure(failure, error)
    if answer is None:
        raise stage_failure(Failure.NOT_JSON, f"expected JSON, got {octets[:64]!r}")
    if not isinstance(answer, dict):
        raise stage_failure(Failure.MALFORMED, f"expected an object, got {octets[:64]!r}")
    return answer


def _api_message(status: int, answer: object, octets: bytes) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    said = message if isinstance(message, str) else repr(octets[:64])
    return f"HTTP {status}: {said}"[:MAX_MESSAGE]


def _text(answer: dict[str, Any], key: str) -> str:
    value = answer.get(key)
    if not isinstance(value, str) or not value:
        raise stage_failure(Failure.MALFORMED, f"the answer has no {key!r}")
    return value


def _name(answer: dict[str, Any], key: str) -> str:
    text = _text(answer, key)
    if len(text) > MAX_NAME:
        raise stage_failure(Failure.MALFORMED, f"{key!r} has more than {MAX_NAME} characters")
    return text


def _addresses(answer: dict[str, Any]) -> dict[str, str]:
    """The instance's addresses by type, as the connectors read them."""
    try:
        addresses = {str(entry["type"]): str(entry["ipAddress"]) for entry in answer.get("ipAddresses") or ()}
        name = _psc_name(answer) if answer.get("pscEnabled") else None
    except (TypeError, KeyError) as error:
        message = "the addresses are not what the API promises"
        raise stage_failure(Failure.MALFORMED, message, cause=error) from error
    return addresses | ({"PSC": name} if name else {})


def _psc_name(answer: dict[str, Any]) -> str | None:
    entries = [entry for entry in answer.get("dnsNames") or () if isinstance(entry, dict)]
    names = [
        str(entry.get("name", "")).rstrip(".")
        for entry in entries
        if entry.get("connectionType") == "PRIVATE_SERVICE_CONNECT" and entry.get("dnsScope") == "INSTANCE"
    ]
    names.sort(key=lambda name: not name.endswith(".sql-psc.goog"))
    return next(iter(names), None) or str(answer.get("dnsName") or "").rstrip(".") or None


def _settings(
    answer: dict[str, Any],
    name: InstanceName,
    ip_type: str,
    *,
    region: str,
    version: str,
    addresses: dict[str, str],
) -> ConnectSettings:
    if region != name.region:
        raise stage_failure(Failure.WRONG_REGION, f"the instance is in {region}, not in {name.region}")
    if not version.startswith("POSTGRES"):
        raise stage_failure(Failure.WRONG_ENGINE, f"the instance runs {version}, not PostgreSQL")
    wanted = ADDRESS_TYPES[ip_type]
    if wanted not in addresses:
        have = ", ".join(addresses) or "none"
        raise stage_failure(Failure.NO_ADDRESS, f"no {wanted} address; it has: {have}")
    authority = answer.get("serverCaCert")
    server_ca_pem = _text(authority if isinstance(authority, dict) else {}, "cert")
    return ConnectSettings(
        address=_name(addresses, wanted), server_ca_pem=server_ca_pem, database_version=version
    )


def _expires_at(pem: str) -> str:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc.isoformat()
    except (ValueError, x509.InvalidVersion) as error:
        message = "the ephemeral certificate is not PEM"
        raise stage_failure(Failure.MALFORMED, message, cause=error) from error
