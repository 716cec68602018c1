import datetime
from pathlib import Path

from bench.certificates import make_certificates
from cryptography import x509


def test_the_leaf_is_for_the_host_and_signed_by_the_ca(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, "localhost")

    ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
    leaf = x509.load_pem_x509_certificate(files.leaf.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    leaf.verify_directly_issued_by(ca)
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert leaf.not_valid_after_utc > datetime.datetime.now(datetime.UTC)


def test_both_keys_are_there(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, "localhost")

    assert all(key.read_bytes().startswith(b"-----BEGIN") for key in (files.ca_key, files.leaf_key))
