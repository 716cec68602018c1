"""What a drop-in promises of `generate-ca`: files that other tools, and our own loader, take."""

import os
import shutil
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.generation import ALGORITHMS
from iron_proxy.certs.leaf_cache import LeafCache

RUN = "import sys; from iron_proxy.cli.generate_ca import run; sys.exit(run(sys.argv[1:]))"
needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command is not installed")


def _generate(*arguments: str, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=False, umask=umask
    )


def _openssl(*arguments: str) -> str:
    result = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True)
    return result.stdout


@pytest.fixture(scope="module", params=ALGORITHMS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ca") / str(request.param)
    result = _generate("-outdir", str(out), "-alg", request.param, "-name", "Contract CA", "-expiry-hours", "24")
    assert (result.returncode, result.stdout) == (0, f"wrote {out}/ca.crt\nwrote {out}/ca.key\n")
    return out


def test_it_is_a_ca_that_we_load(folder: Path) -> None:
    authority = CertificateAuthority.load(str(folder / "ca.crt"), str(folder / "ca.key"))

    remaining = authority.not_after - datetime.now(UTC)
    assert abs(remaining.total_seconds() - 24 * 3600) < 120


async def test_a_strict_client_that_trusts_it_accepts_our_leaves(folder: Path) -> None:
    authority = CertificateAuthority.load(str(folder / "ca.crt"), str(folder / "ca.key"))
    server = await LeafCache(authority, 10, 72).context_for("api.example.com", False, True)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_verify_locations(folder / "ca.crt")
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="api.example.com"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]

    for end in ends * 2:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass

    assert ends[0].getpeercert()["subject"] == ((("commonName", "api.example.com"),),)  # type: ignore[index]  # not None


@needs_openssl
def test_openssl_accepts_the_certificate_under_its_strict_rules(folder: Path) -> None:
    certificate = str(folder / "ca.crt")

    assert _openssl("verify", "-x509_strict", "-CAfile", certificate, certificate) == f"{certificate}: OK\n"


@needs_openssl
def test_openssl_reads_the_profile(folder: Path) -> None:
    text = _openssl("x509", "-noout", "-text", "-in", str(folder / "ca.crt"))

    assert "CA:TRUE, pathlen:0" in text
    assert "Certificate Sign, CRL Sign" in text
    assert "CN=Contract CA" in text.replace(" = ", "=")


@needs_openssl
def test_openssl_reads_the_key_and_finds_the_certificates(folder: Path) -> None:
    of_key = _openssl("pkey", "-pubout", "-in", str(folder / "ca.key"))
    of_certificate = _openssl("x509", "-noout", "-pubkey", "-in", str(folder / "ca.crt"))

    assert of_key == of_certificate


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=["umask 000", "umask 077"])
def test_modes_do_not_depend_on_the_umask(umask: int, tmp_path: Path) -> None:
    result = _generate("-outdir", str(tmp_path / "out"), "-alg", "p256", umask=umask)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert result.returncode == 0
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600}


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_key_file_that_is_something_else_is_refused_and_no_certificate_is_left(kind: str, tmp_path: Path) -> None:
    if kind == "link":
        (tmp_path / "ca.key").symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(tmp_path / "ca.key")

    result = _generate("-outdir", str(tmp_path), "-alg", "p256")

    assert result.returncode == 1
    assert result.stderr.startswith(f"error: creating {tmp_path}/ca.key: file exists")
    assert [path.name for path in tmp_path.iterdir()] == ["ca.key"]
