"""A release is signed, and docs/howto/verify-a-release.md is followed word for word, with a key for the occasion."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.pages import fenced_blocks, text_of
from tests.packaging.built import ROOT

KEY = "a-key-for-the-occasion@example.com"

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")


@pytest.fixture(scope="module")
def signer() -> Iterator[dict[str, str]]:
    """The environment of somebody who has a key to sign with."""
    with Keyring() as environment:
        gpg(environment, "--passphrase", "", "--quick-generate-key", f"Release <{KEY}>", "ed25519", "sign", "never")
        yield environment


@pytest.fixture
def user() -> Iterator[dict[str, str]]:
    """The environment of somebody who has never used gpg."""
    with Keyring() as environment:
        yield environment


class Keyring:
    """A folder of gpg: `with` makes it and ends the agent that serves it."""

    def __enter__(self) -> dict[str, str]:
        # Not below pytest's folder: the path of the agent's socket may have some 100 bytes.
        self._folder = tempfile.mkdtemp(prefix="gpg-", dir="/tmp")
        self._environment = {**os.environ, "GNUPGHOME": self._folder, "LC_ALL": "C"}
        return self._environment

    def __exit__(self, *error: object) -> None:
        subprocess.run(["gpgconf", "--kill", "all"], env=self._environment, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture
def release(dist: Path, signer: dict[str, str], tmp_path: Path) -> Path:
    """What a user has downloaded, and the key that he has from elsewhere."""
    folder = tmp_path / "release"
    shutil.copytree(dist, folder)
    sign(folder, signer)
    (folder / "public-key.asc").write_text(gpg(signer, "--armor", "--export", KEY))
    return folder


def sign(folder: Path, signer: dict[str, str]) -> None:
    command = [str(ROOT / "scripts" / "sign"), str(folder), KEY]
    done = subprocess.run(command, env=signer, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def gpg(environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        ["gpg", "--batch", *arguments], env=environment, capture_output=True, text=True, check=True
    ).stdout  # fmt: skip


def follow(folder: Path, environment: dict[str, str]) -> list[subprocess.CompletedProcess[str]]:
    """Type what the page says to type."""
    blocks = fenced_blocks(text_of("docs/howto/verify-a-release.md"), "sh")
    return [
        subprocess.run(
            ["sh", "-eu", "-c", block], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        for block in blocks
    ]


def test_a_release_that_is_whole_is_verified(release: Path, user: dict[str, str]) -> None:
    imported, verified, checked = follow(release, user)

    assert [imported.returncode, verified.returncode, checked.returncode] == [0, 0, 0]
    assert f'Good signature from "Release <{KEY}>"' in verified.stderr
    assert sorted(checked.stdout.splitlines()) == sorted(f"{file.name}: OK" for file in release.glob("iron_proxy*"))


def test_one_file_of_a_release_is_enough(release: Path, user: dict[str, str]) -> None:
    next(release.glob("*.tar.gz")).unlink()

    assert [done.returncode for done in follow(release, user)] == [0, 0, 0]


def test_another_wheel_is_found_out(release: Path, user: dict[str, str]) -> None:
    wheel = next(release.glob("*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"\0")

    *_, verified, checked = follow(release, user)

    assert (verified.returncode, checked.returncode) == (0, 1)
    assert f"{wheel.name}: FAILED" in checked.stdout


def test_another_list_is_found_out(release: Path, user: dict[str, str]) -> None:
    checksums = release / "checksums.txt"
    checksums.write_text(checksums.read_text().replace("0", "1"))

    _, verified, _ = follow(release, user)

    assert verified.returncode != 0
    assert "BAD signature" in verified.stderr


def test_a_release_that_is_signed_again_lists_no_old_signature(release: Path, signer: dict[str, str]) -> None:
    (release / "public-key.asc").unlink()
    sign(release, signer)

    listed = [line.split("  ")[1] for line in (release / "checksums.txt").read_text().splitlines()]
    assert listed == sorted(file.name for file in release.glob("iron_proxy*"))


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (["scripts/release", ""], "make release KEY=FINGERPRINT"),
        (["scripts/release", "nobody@example.com"], "gpg has no secret key nobody@example.com"),
        (["scripts/sign", ".", "nobody@example.com"], "gpg has no secret key nobody@example.com"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_built(
    command: list[str], missing: str, user: dict[str, str]
) -> None:
    done = subprocess.run(command, cwd=ROOT, env=user, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert missing in done.stderr
