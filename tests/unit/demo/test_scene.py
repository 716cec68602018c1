import ssl
import stat
from pathlib import Path

import pytest

from iron_proxy.config.loading import examine_config
from iron_proxy.demo.scenario import SECRETS
from iron_proxy.demo.scene import Scene, configuration_text


def test_the_folder_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with Scene() as scene:
        assert scene.folder.parent == tmp_path
        assert stat.S_IMODE(scene.folder.stat().st_mode) == 0o700

    assert list(tmp_path.iterdir()) == []


def test_the_configuration_is_one_that_the_proxy_accepts() -> None:
    with Scene() as scene:
        text = scene.write_configuration("127.0.0.1:65535")
        config, problems = examine_config(str(scene.configuration_path), {})

        assert scene.configuration_path.read_text() == text
    assert (problems.errors, problems.warnings) == ([], [])
    assert str(config.dns.upstream_resolver) == "127.0.0.1:65535"
    assert config.metrics.listen is None


def test_no_secret_is_in_the_configuration() -> None:
    text = configuration_text("127.0.0.1:53")

    assert all(secret.token in text and secret.value not in text for secret in SECRETS)


def test_the_configuration_fits_into_80_columns() -> None:
    assert max(map(len, configuration_text("127.0.0.1:65535").splitlines())) <= 78


def test_the_two_authorities_are_not_the_same() -> None:
    with Scene() as scene:
        assert scene.proxy_ca.read_bytes() != scene.origin_ca.read_bytes()


def test_the_origin_gets_a_certificate_for_each_host() -> None:
    with Scene() as scene:
        contexts = scene.origin_contexts(["httpbin.org", "example.com"])

    assert list(contexts) == ["httpbin.org", "example.com"]
    assert all(isinstance(context, ssl.SSLContext) for context in contexts.values())
