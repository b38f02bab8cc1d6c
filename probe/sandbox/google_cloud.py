"""Google's own APIs around the instance: Admin API, metadata server, Cloud Monitoring."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from probe.sandbox.certificates import client_signer, make_authority
from probe.sandbox.child_environ import refused_credentials
from probe.sandbox.control_plane import AdminApi, Instance
from probe.sandbox.data_plane import DataPlane
from probe.sandbox.metadata import MetadataServer
from probe.sandbox.monitoring import CloudMonitoring
from probe.sandbox.ports import bind
from probe.sandbox.staging import INSTANCE, NO_ROUTE, OWN_ADDRESS, PROJECT, REGION, Staging


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleCloud:
    """The stand-ins, and where a client is told that they are: a fault may lie about that."""

    admin_api: AdminApi
    admin_endpoint: str
    metadata: MetadataServer
    metadata_address: str
    monitoring: CloudMonitoring


def start_google_cloud(stack: ExitStack, staging: Staging, plane: DataPlane) -> GoogleCloud:
    """Start the stand-ins for a data plane; the stack stops them."""
    admin_api = stack.enter_context(_admin_api(staging, plane))
    metadata = stack.enter_context(_metadata_server(staging, plane.host))
    monitoring = CloudMonitoring(host=plane.host, project=PROJECT, behaviour=staging.monitoring)
    down = staging.metadata == "down"
    return GoogleCloud(
        admin_api=admin_api,
        admin_endpoint=_admin_endpoint(stack, staging, admin_api, plane.host),
        metadata=metadata,
        metadata_address=_deserted_address(stack, plane.host) if down else metadata.address,
        monitoring=stack.enter_context(monitoring),
    )


def identity(staging: Staging, cloud: GoogleCloud, folder: Path) -> dict[str, str]:
    """Return the environment variables that lead google-auth to the stand-in's identity, or to none."""
    if staging.credentials == "missing":
        return {"NO_GCE_CHECK": "true"}
    metadata = {"GCE_METADATA_HOST": cloud.metadata_address, "GCE_METADATA_IP": cloud.metadata_address}
    token_urls = {
        "refused": cloud.metadata.token_url_refused,
        "endpoint-down": f"http://{NO_ROUTE}:9/token",
        "endpoint-html": cloud.metadata.token_url_html,
    }
    if staging.credentials in token_urls:
        credentials = refused_credentials(folder, token_urls[staging.credentials])
        return metadata | {"GOOGLE_APPLICATION_CREDENTIALS": str(credentials)}
    return metadata


def _admin_api(staging: Staging, plane: DataPlane) -> AdminApi:
    instance = Instance(
        project=PROJECT,
        region=staging.region,
        name=INSTANCE,
        server_ca_pem=plane.authority.pem,
        private_address=plane.host if staging.private_address == OWN_ADDRESS else staging.private_address,
        dns_name=staging.dns_name,
        database_version=staging.database_version,
    )
    if staging.client_certificate == "foreign":
        sign = client_signer(make_authority("Foreign Client CA"))
    else:
        sign = client_signer(plane.authority, staging.client_certificate)
    behaviours = {
        "connect_settings": staging.connect_settings,
        "generate_ephemeral_cert": staging.generate_ephemeral_cert,
    }
    return AdminApi(host=plane.host, instance=instance, sign=sign, behaviours=behaviours)


def _metadata_server(staging: Staging, host: str) -> MetadataServer:
    behaviour = "normal" if staging.metadata == "down" else staging.metadata
    return MetadataServer(host=host, project=PROJECT, region=REGION, behaviour=behaviour)


def _admin_endpoint(stack: ExitStack, staging: Staging, admin_api: AdminApi, host: str) -> str:
    match staging.admin_endpoint:
        case "stand-in":
            return admin_api.endpoint
        case "https":
            return admin_api.endpoint.replace("http:", "https:")
        case "unreachable":
            return f"http://{NO_ROUTE}:9"
        case "refused":
            return f"http://{_deserted_address(stack, host)}"


def _deserted_address(stack: ExitStack, host: str) -> str:
    """Bound, so that nobody else takes it; nobody listens."""
    return "{}:{}".format(*bind(stack, host).getsockname())
