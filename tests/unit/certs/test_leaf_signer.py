"""Leaves with their key, ready to be served. The rest is tested through `test_leaf_cache.py`."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.unit.certs.ca_material import DAY, NOW, P256_KEY, make_authority, make_ca_certificate

from iron_proxy.certs.leaf_signer import LeafSigner, context_of
from iron_proxy.errors import IronProxyError, StartupError

HOUR = 3600.0


def test_a_leaf_brings_its_key_and_its_time() -> None:
    signer = LeafSigner(make_authority(), 3, lambda: NOW.timestamp())

    leaf = signer.sign("a.test", False)

    certificate, *chain = x509.load_pem_x509_certificates(leaf.chain_pem)
    assert load_pem_private_key(leaf.key_pem, None).public_key() == certificate.public_key()
    assert len(chain) == 1
    assert leaf.fresh_from == certificate.not_valid_before_utc.timestamp()
    assert leaf.fresh_until == NOW.timestamp() + 2 * HOUR
    assert context_of(leaf, "a.test", ("h2",)).fresh_until == leaf.fresh_until


async def test_what_is_signed_is_counted_and_what_failed_is_not() -> None:
    signer = LeafSigner(make_authority(P256_KEY), 72, lambda: NOW.timestamp())

    def fail() -> None:
        raise IronProxyError("no")

    assert await signer.signing(lambda: signer.sign("a.test", False).fresh_until) > NOW.timestamp()
    with pytest.raises(IronProxyError):
        await signer.signing(fail)
    assert signer.signed == 1


def test_a_ca_that_has_expired_is_told_at_the_start() -> None:
    authority = make_authority(chain=[make_ca_certificate(ends=NOW + timedelta(hours=1))])

    with pytest.raises(StartupError, match=r"^the CA cannot be used for TLS: .* expired on "):
        LeafSigner(authority, 72, lambda: (NOW + DAY).timestamp())
