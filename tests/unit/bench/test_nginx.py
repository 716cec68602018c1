from pathlib import Path

import pytest
from bench.certificates import CertificateFiles
from bench.nginx import command, origin_configuration, reverse_proxy_configuration, write_documents
from bench.setting import LARGE_BYTES, MIDDLE_BYTES, REAL_SECRET, SMALL_BODY, Ports, Setting


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    files = CertificateFiles(tmp_path / "ca.crt", tmp_path / "ca.key", tmp_path / "leaf.crt", tmp_path / "leaf.key")
    return Setting(tmp_path, files, Ports(8080, 8443))


def test_the_origin_gives_its_answers_to_the_real_secret_only(setting: Setting, tmp_path: Path) -> None:
    text = origin_configuration(setting, setting.origin, tmp_path)

    assert f'"Bearer {REAL_SECRET}" 1;' in text
    assert text.count("return 401;") == 4  # small, 16 KiB, upload, unary call
    assert len(SMALL_BODY) == 62


def test_the_rival_verifies_the_origin_keeps_its_connections_and_logs(setting: Setting, tmp_path: Path) -> None:
    text = reverse_proxy_configuration(setting, Ports(9080, 9443), tmp_path / "access.log")

    for line in (
        "listen 127.0.0.1:9443 ssl",
        "proxy_pass https://https_origin;",
        "server 127.0.0.1:8443;",
        "proxy_ssl_verify on;",
        "keepalive 128;",
        f"access_log {tmp_path}/access.log audit",
    ):
        assert line in text


def test_every_listener_is_on_loopback(setting: Setting, tmp_path: Path) -> None:
    texts = [
        origin_configuration(setting, setting.origin, tmp_path),
        reverse_proxy_configuration(setting, Ports(9080, 9443), tmp_path / "access.log"),
    ]

    listens = [line.strip() for text in texts for line in text.splitlines() if line.strip().startswith("listen ")]
    assert len(listens) == 5
    assert all(line.startswith("listen 127.0.0.1:") for line in listens)


def test_nginx_stays_within_the_folder_of_its_configuration() -> None:
    assert command(Path("/a/nginx.conf")) == ["nginx", "-p", "/a", "-e", "/a/error.log", "-c", "/a/nginx.conf"]


@pytest.mark.slow
def test_the_documents_have_their_lengths(tmp_path: Path) -> None:
    write_documents(tmp_path)

    assert (tmp_path / "16k").stat().st_size == MIDDLE_BYTES
    assert (tmp_path / "100mb").stat().st_size == LARGE_BYTES
