from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from probe.dial import keys


def test_the_pair_is_rsa_2048_in_the_forms_that_the_admin_api_and_openssl_take() -> None:
    pair = keys.generate()
    private = serialization.load_pem_private_key(pair.private_pem.encode(), password=None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == 2048
    assert pair.public_pem.startswith("-----BEGIN PUBLIC KEY-----")
    public = serialization.load_pem_public_key(pair.public_pem.encode())
    assert public == private.public_key()


def test_the_private_key_is_in_no_repr() -> None:
    pair = keys.generate()
    assert "PRIVATE" not in repr(pair)
