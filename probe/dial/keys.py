"""The client's RSA key pair: made once a run, outside of every stopwatch (29 ms, and very variable)."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """PEM, as the Admin API takes it (public) and OpenSSL loads it (private)."""

    public_pem: str
    private_pem: str = field(repr=False)


def generate() -> KeyPair:
    """A new RSA 2048 pair: what the Cloud SQL connectors use."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return KeyPair(
        public_pem=key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode("ascii"),
        private_pem=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode("ascii"),
    )
