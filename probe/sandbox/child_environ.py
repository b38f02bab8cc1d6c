"""The environment of a child that must see the sandbox and nothing of the developer's own."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from probe.sandbox.staging import PROJECT

# What could lead a child to another identity, another environment, or past the sandbox.
REMOVED_PREFIXES = ("PROBE_", "GOOGLE_", "CLOUDSDK_", "GCE_", "GCLOUD_", "GCP_", "CLOUD_RUN_", "PG", "K_")
REMOVED = frozenset(
    {"NO_GCE_CHECK", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "GRPC_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}
)


def child_environ(folder: Path, added: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment for a child, with an empty home below ``folder``."""
    home = folder / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not _removed(name.upper())}
    neutral = {"HOME": str(home), "CLOUDSDK_CONFIG": str(home), "NO_PROXY": "*", "no_proxy": "*"}
    return {**kept, **neutral, **added}


def refused_credentials(folder: Path, token_url: str) -> Path:
    """Write a service account's key file whose token endpoint is ``token_url``, and return its path."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    credentials = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "sandbox",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": f"probe@{PROJECT}.iam.gserviceaccount.com",
        "client_id": "0",
        "token_uri": token_url,
    }
    path = folder / "credentials.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(credentials))
    return path


def _removed(name: str) -> bool:
    return name in REMOVED or name.startswith(REMOVED_PREFIXES)
