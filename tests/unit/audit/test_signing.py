"""Keys in files that nobody else can read, and signatures that stand for one chain up to one line."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from iron_proxy.audit.signing import read_signer, read_verifier, write_key_pair
from iron_proxy.errors import StartupError


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    paths = (str(tmp_path / "a.key"), str(tmp_path / "a.pub"))
    write_key_pair(*paths)
    return paths


def test_what_one_key_signs_the_other_accepts_and_nothing_else(pair: tuple[str, str]) -> None:
    signer, verifier = read_signer(pair[0]), read_verifier(pair[1])
    signature = signer.sign(7, b"ab")

    assert signer.key_id == verifier.key_id
    assert verifier.accepts(7, b"ab", signature)
    assert not verifier.accepts(8, b"ab", signature)
    assert not verifier.accepts(7, b"ac", signature)
    assert not verifier.accepts(7, b"ab", "AAAA")
    assert not verifier.accepts(7, b"ab", "not base64 é")


def test_only_the_owner_can_read_the_private_key(pair: tuple[str, str]) -> None:
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in pair] == [0o600, 0o644]


def test_a_key_is_never_overwritten_and_no_half_is_left(tmp_path: Path) -> None:
    (tmp_path / "b.pub").write_text("precious")

    with pytest.raises(StartupError, match=r"cannot create .*b\.pub: file exists"):
        write_key_pair(str(tmp_path / "b.key"), str(tmp_path / "b.pub"))

    assert [path.name for path in tmp_path.iterdir()] == ["b.pub"]
    assert (tmp_path / "b.pub").read_text() == "precious"


def test_a_file_that_is_no_key_is_told_by_the_name_of_its_option(tmp_path: Path, pair: tuple[str, str]) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "ec.key", tmp_path / "ec.pub"
    private.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    for path, message in (
        (private, "not an Ed25519 key"),
        (Path(pair[1]), "not an unencrypted private key"),
        (tmp_path / "none", "no such file"),
    ):
        with pytest.raises(StartupError, match=rf"audit\.sign_key: .*{message}"):
            read_signer(str(path))
    for path, message in ((public, "not an Ed25519 key"), (Path(pair[0]), "not a public key"), (tmp_path, "directory")):
        with pytest.raises(StartupError, match=rf"-key: .*{message}"):
            read_verifier(str(path))
