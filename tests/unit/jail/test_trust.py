"""The certificates that a workload trusts: found, joined, written."""

import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from iron_proxy.certs.generation import generate_ca
from iron_proxy.errors import StartupError
from iron_proxy.jail import trust
from iron_proxy.jail.trust import (
    JAVA_STORE_PASSWORD,
    SystemRoots,
    bundle_with,
    certificates_of,
    holds_ca,
    java_store_with,
    read_ca_certificate,
    system_roots,
    trust_targets,
    write_trust_file,
)


def a_certificate(name: str) -> bytes:
    return generate_ca(name, 24, "p256").certificate_pem


CA = a_certificate("the proxy's")
ROOT = a_certificate("a root")
OTHER = a_certificate("another root")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """What stands for the system's bundle: text between blocks, as distributions write it."""
    path = tmp_path / "system.crt"
    path.write_bytes(b"# a root\n" + ROOT + b"\n# another\n" + OTHER)
    return path


def roots_of(*pems: bytes) -> SystemRoots:
    return SystemRoots(tuple(der for pem in pems for der in certificates_of(pem)), ("somewhere",))


def test_the_first_file_with_certificates_counts(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.crt").write_bytes(b"")
    paths = [str(tmp_path / "missing.crt"), str(tmp_path / "empty.crt"), str(bundle)]

    roots = system_roots({}, paths)

    assert roots == SystemRoots(tuple(certificates_of(ROOT + OTHER)), (str(bundle),))


def test_what_ssl_cert_file_names_is_added(bundle: Path, tmp_path: Path) -> None:
    corporate = tmp_path / "corporate.crt"
    corporate.write_bytes(ROOT + CA)

    roots = system_roots({"SSL_CERT_FILE": str(corporate)}, [str(bundle)])

    assert roots.certificates == tuple(certificates_of(ROOT + OTHER + CA))
    assert roots.sources == (str(bundle), str(corporate))


def test_a_bundle_of_ours_is_no_source(bundle: Path, tmp_path: Path) -> None:
    yesterdays = tmp_path / "ca-bundle.crt"
    yesterdays.write_bytes(bundle_with(CA, roots_of(ROOT)))

    roots = system_roots({"SSL_CERT_FILE": str(yesterdays)}, [str(yesterdays), str(bundle)])

    assert roots.certificates == tuple(certificates_of(ROOT + OTHER))
    assert roots.sources == (str(bundle),)


def test_without_a_system_bundle_that_of_certifi_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = ssl.get_default_verify_paths()._replace(openssl_cafile=str(tmp_path / "missing"))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: defaults)

    roots = system_roots({}, [])

    assert len(roots.certificates) > 50
    assert roots.sources[0].endswith("certifi/cacert.pem")


def test_without_any_roots_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = ssl.get_default_verify_paths()._replace(openssl_cafile=str(tmp_path / "missing"))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: defaults)
    monkeypatch.setattr(trust, "find_spec", lambda name: None)

    assert system_roots({}, []) == SystemRoots((), ())


def test_a_file_that_is_too_large_is_not_read(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "MAX_FILE_BYTES", 10)

    assert str(bundle) not in system_roots({}, [str(bundle)]).sources


def test_a_bundle_has_the_roots_and_the_ca_each_once() -> None:
    text = bundle_with(CA + ROOT, roots_of(ROOT, OTHER))

    assert certificates_of(text) == certificates_of(ROOT + OTHER + CA)
    assert text.count(b"BEGIN CERTIFICATE") == 3


def test_openssl_loads_a_bundle(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=bundle_with(CA, roots_of(ROOT)).decode("ascii"))

    assert len(context.get_ca_certs()) == 2


def test_damaged_blocks_and_keys_are_left_out() -> None:
    key = generate_ca("x", 24, "p256").key_pem
    damaged = b"-----BEGIN CERTIFICATE-----\n!\xff=A\n-----END CERTIFICATE-----\n"

    assert certificates_of(key + damaged + ROOT)[-1:] == certificates_of(ROOT)
    assert b"PRIVATE" not in bundle_with(key + CA, roots_of())


def test_a_java_store_has_all_of_them_under_names_of_their_own() -> None:
    store = pkcs12.load_pkcs12(java_store_with(CA, roots_of(ROOT, OTHER)), JAVA_STORE_PASSWORD.encode())

    assert [each.certificate.public_bytes(Encoding.DER) for each in store.additional_certs] == certificates_of(
        CA + ROOT + OTHER
    )
    assert len({each.friendly_name for each in store.additional_certs}) == 3


def test_a_root_that_cannot_be_parsed_is_left_out_of_a_java_store() -> None:
    store = pkcs12.load_pkcs12(
        java_store_with(CA, SystemRoots((b"no certificate",), ("x",))), JAVA_STORE_PASSWORD.encode()
    )

    assert len(store.additional_certs) == 1


def test_trust_targets_are_the_files_behind_links_each_once(bundle: Path, tmp_path: Path) -> None:
    link = tmp_path / "cert.pem"
    link.symlink_to(bundle)

    assert trust_targets([str(link), str(bundle), str(tmp_path / "missing")]) == [str(bundle)]


def test_whether_a_file_holds_the_ca(bundle: Path, tmp_path: Path) -> None:
    assert holds_ca(str(bundle), ROOT)
    assert not holds_ca(str(bundle), ROOT + CA)
    assert not holds_ca(str(tmp_path / "missing"), CA)


def test_a_bundle_of_ours_holds_the_ca(tmp_path: Path) -> None:
    (tmp_path / "ours.crt").write_bytes(bundle_with(CA, roots_of(ROOT)))

    assert holds_ca(str(tmp_path / "ours.crt"), CA)


def test_a_ca_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(CA)

    assert read_ca_certificate(str(tmp_path / "ca.crt")) == CA


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "no such file or directory; make a CA with"), (b"text", "holds no certificate in PEM form")],
    ids=["missing", "no certificate"],
)
def test_a_ca_that_cannot_be_used_is_told(content: bytes | None, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(StartupError, match=f"reading CA cert: {path}.*{sentence}"):
        read_ca_certificate(str(path))


def test_a_nul_in_a_name_is_told() -> None:
    with pytest.raises(StartupError, match="not a file name"):
        read_ca_certificate("a\0b")


def test_a_file_is_written_for_all_to_read_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "ca-bundle.crt"
    path.write_bytes(b"old")
    path.chmod(0o600)

    write_trust_file(str(path), b"new")

    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["ca-bundle.crt"]


def test_a_file_that_cannot_be_written_is_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()

    with pytest.raises(StartupError, match="no such file or directory; name another place with: -bundle FILE"):
        write_trust_file(str(tmp_path / "missing" / "x"), b"")
    with pytest.raises(StartupError, match="is a directory"):
        write_trust_file(str(tmp_path / "folder"), b"")
    assert os.listdir(tmp_path) == ["folder"]
