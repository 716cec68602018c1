from pathlib import Path

import pytest

from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.generation import generate_ca
from iron_proxy.config.schema import TLSConfig
from iron_proxy.errors import StartupError
from iron_proxy.jail.trust import certificates_of
from iron_proxy.session.certificates import BUNDLE, CA, JAVA_STORE, session_ca, trust_files


def test_without_a_ca_in_the_configuration_one_is_made_in_memory_for_this_run() -> None:
    first, second = session_ca(TLSConfig()), session_ca(TLSConfig())

    assert first is not None
    assert second is not None
    assert first.key != second.key
    assert not CertificateAuthority.from_files(first).is_slow
    assert b"PRIVATE" not in repr(first).encode()


def test_the_configurations_ca_is_used(tmp_path: Path) -> None:
    ca = generate_ca("mine", 24, "p256")
    (tmp_path / "ca.crt").write_bytes(ca.certificate_pem)
    (tmp_path / "ca.key").write_bytes(ca.key_pem)

    files = session_ca(TLSConfig(ca_cert=str(tmp_path / "ca.crt"), ca_key=str(tmp_path / "ca.key")))

    assert files is not None
    assert files.certificate == ca.certificate_pem


def test_files_that_are_not_there_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError):
        session_ca(TLSConfig(ca_cert=str(tmp_path / "ca.crt"), ca_key=str(tmp_path / "ca.key")))


def test_where_no_tls_is_terminated_there_is_no_ca() -> None:
    assert session_ca(TLSConfig(mode="sni-only")) is None


def test_programs_are_shown_the_certificate_in_every_form_and_never_the_key() -> None:
    files = session_ca(TLSConfig())
    assert files is not None

    shown = trust_files(files.certificate)

    assert shown.keys() == {CA, BUNDLE, JAVA_STORE}
    assert certificates_of(shown[CA])[0] in certificates_of(shown[BUNDLE])
    assert not any(b"PRIVATE" in content for content in shown.values())
