"""A configuration read again: its problems, what is built of it, and a CA key that is no longer there."""

from pathlib import Path

import pytest

from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.config.schema import TLSConfig
from iron_proxy.errors import ConfigError, StartupError
from iron_proxy.runtime.policy_reading import Origin, read_ca_again, read_policy


def origin(folder: Path, text: str) -> Origin:
    path = folder / "p.yaml"
    path.write_text(text)
    return Origin(str(path), {"IRON_DNS_ENABLED": "false", "IRON_PROXY_HTTPS_LISTEN": "off"})


async def test_all_that_stands_alone_is_built(tmp_path: Path) -> None:
    text = "clients: [{name: ci, cidrs: [192.0.2.0/24]}]\ntransforms: [{name: allowlist, config: {domains: [a.test]}}]"

    policy = read_policy(origin(tmp_path, text))

    assert policy.problems.errors == []
    assert policy.pipeline.names == ["allowlist"]
    assert policy.clients.by_address("192.0.2.1:1") == "ci"
    await policy.aclose()


async def test_where_spans_are_made_the_client_s_trace_is_looked_for_first(tmp_path: Path) -> None:
    path, variables = origin(tmp_path, "transforms: [{name: allowlist, config: {domains: [a.test]}}]")

    policy = read_policy(Origin(path, {**variables, "OTEL_TRACES_EXPORTER": "otlp"}))

    assert policy.pipeline.names == ["trace_context", "allowlist"]
    await policy.aclose()


async def test_problems_of_every_part_are_there_at_once(tmp_path: Path) -> None:
    text = "log: {level: x}\ntransforms:\n  - {name: allowlist, config: {domain: [a]}}\n"

    policy = read_policy(origin(tmp_path, text))

    assert [problem.partition("p.yaml:")[2].partition(":")[0] for problem in policy.problems.errors] == ["1", "3"]
    await policy.aclose()


def test_what_is_no_yaml_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read_policy(origin(tmp_path, "{{{"))


class CA:
    """Two files and what was read of them at the start."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "ca.crt", folder / "ca.key"
        self.certificate.write_bytes(b"certificate")
        self.key.write_bytes(b"key")
        self.tls = TLSConfig(ca_cert=str(self.certificate), ca_key=str(self.key))
        self.former = CAFiles(b"certificate", b"key", str(self.certificate), str(self.key))


def test_files_are_read_again(tmp_path: Path) -> None:
    ca = CA(tmp_path)
    ca.key.write_bytes(b"new")

    files, left = read_ca_again(ca.tls, ca.former)

    assert files is not None
    assert (files.key, left) == (b"new", None)


@pytest.mark.parametrize("certificate", ["there", "gone"])
def test_a_key_that_is_gone_is_kept_with_a_word(tmp_path: Path, certificate: str) -> None:
    ca = CA(tmp_path)
    ca.key.unlink()
    if certificate == "gone":
        ca.certificate.unlink()

    files, left = read_ca_again(ca.tls, ca.former)

    assert files is ca.former
    assert left is not None
    assert left.key == "tls.ca_key"


@pytest.mark.parametrize("change", ["another certificate", "another path", "no former"])
def test_a_key_that_is_gone_is_a_problem_for_any_other_ca(tmp_path: Path, change: str) -> None:
    ca = CA(tmp_path)
    ca.key.unlink()
    tls, former = ca.tls, ca.former
    if change == "another certificate":
        ca.certificate.write_bytes(b"other")
    elif change == "another path":
        tls = TLSConfig(ca_cert=tls.ca_cert, ca_key=str(tmp_path / "other.key"))

    with pytest.raises(StartupError, match="CA key"):
        read_ca_again(tls, None if change == "no former" else former)


def test_no_ca_is_read_where_none_is_needed() -> None:
    assert read_ca_again(TLSConfig(), None) == (None, None)
    assert read_ca_again(TLSConfig(mode="sni-only", ca_cert="/x", ca_key="/y"), None) == (None, None)
