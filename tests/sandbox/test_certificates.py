from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from probe.sandbox.certificates import client_signer, make_authority, write_server_certificate
from tests.sandbox.client import PUBLIC_KEY_PEM

AUTHORITY = make_authority("CA")


def _signed(variant: str) -> x509.Certificate:
    pem = client_signer(AUTHORITY, variant)(PUBLIC_KEY_PEM)  # type: ignore[arg-type]  # a parameter of a test
    certificate = x509.load_pem_x509_certificate(pem.encode())
    certificate.verify_directly_issued_by(AUTHORITY.certificate)
    return certificate


def test_a_valid_client_certificate_has_an_hour_left_and_tolerates_a_slow_clock() -> None:
    certificate, now = _signed("valid"), datetime.now(UTC)
    assert certificate.not_valid_after_utc - now > timedelta(minutes=59)
    assert now - certificate.not_valid_before_utc > timedelta(minutes=9)


def test_an_expired_one_ended_an_hour_ago() -> None:
    age = datetime.now(UTC) - _signed("expired").not_valid_after_utc
    assert timedelta(minutes=59) < age < timedelta(minutes=61)


@pytest.mark.parametrize(
    ("variant", "usage"),
    [("valid", ExtendedKeyUsageOID.CLIENT_AUTH), ("wrong-usage", ExtendedKeyUsageOID.SERVER_AUTH)],
)
def test_the_usage_is_the_clients_or_wrong(variant: str, usage: x509.ObjectIdentifier) -> None:
    extension = _signed(variant).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(extension.value) == [usage]


def test_the_clients_own_key_is_certified() -> None:
    certificate = _signed("valid")
    assert (
        certificate.public_key()
        == x509.load_pem_x509_certificate(client_signer(AUTHORITY)(PUBLIC_KEY_PEM).encode()).public_key()
    )


def test_what_is_no_public_key_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r".+"):
        client_signer(AUTHORITY)("not a key")


def test_the_servers_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "server.pem"
    write_server_certificate(AUTHORITY, name="p:db", address="127.0.0.1", path=path)
    assert path.stat().st_mode & 0o777 == 0o600
    x509.load_pem_x509_certificate(path.read_bytes()).verify_directly_issued_by(AUTHORITY.certificate)
