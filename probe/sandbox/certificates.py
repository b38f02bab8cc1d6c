"""A certificate authority made on the spot, and the certificates Cloud SQL would issue, right or wrong."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ClientCertificate = Literal["valid", "expired", "wrong-usage"]

CLOCK_SKEW = timedelta(minutes=10)
LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Authority:
    """A self-signed CA and its key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """The certificate, as the Admin API gives it."""
        return self.certificate.public_bytes(Encoding.PEM).decode()


def make_authority(name: str) -> Authority:
    """Return a CA that is valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        _builder(name, name, key.public_key(), now - CLOCK_SKEW, now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Authority(key, builder.sign(key, hashes.SHA256()))


def write_server_certificate(authority: Authority, *, name: str, address: str, path: Path) -> None:
    """Write a server certificate and its key, as one PEM file that only the owner can read."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    alternatives = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(address))]
    )
    builder = _leaf(authority, name, key.public_key(), now - CLOCK_SKEW, now + timedelta(days=1))
    certificate = builder.add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
    ).add_extension(alternatives, critical=False)
    pem = certificate.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)
    path.touch(mode=0o600)
    path.write_bytes(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def client_signer(authority: Authority, variant: ClientCertificate = "valid") -> Callable[[str], str]:
    """Return what signs a client's public key (PEM) and gives its certificate (PEM).

    ``expired`` ended an hour ago; ``wrong-usage`` is meant for servers only. An untrusted certificate is a
    valid one of another authority. Raises ``ValueError`` for a text that is no public key.
    """

    def sign(public_key_pem: str) -> str:
        public_key = load_pem_public_key(public_key_pem.encode())
        now = datetime.now(UTC)
        ends = now - LIFETIME if variant == "expired" else now + LIFETIME
        wrong_usage = variant == "wrong-usage"
        usage = ExtendedKeyUsageOID.SERVER_AUTH if wrong_usage else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = _leaf(authority, "probe-client", public_key, ends - LIFETIME - CLOCK_SKEW, ends)
        certificate = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return certificate.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    return sign


def _leaf(
    authority: Authority, name: str, public_key: object, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    issuer = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return (
        _builder(name, str(issuer), public_key, begins, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )


def _builder(
    name: str, issuer: str, public_key: object, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public_key)  # type: ignore[arg-type]  # X25519 and the like are refused by the builder
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
