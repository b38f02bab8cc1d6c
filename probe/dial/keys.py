"""The client's RSA key pair: made once a run, outside of every stopwatch (29 ms, and very variable)."""

import threading
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


class InBackground:
    """Made on a thread while slow imports go on; whoever needs it first waits for it."""

    def __init__(self) -> None:
        self._thread = threading.Thread(target=self._make, daemon=True)
        self._made: KeyPair | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def get(self) -> KeyPair:
        """The key pair, as soon as there is one."""
        if self._thread.ident is not None:
            self._thread.join()
        return self._made or self._make()

    def _make(self) -> KeyPair:
        self._made = generate()
        return self._made
