import os
import subprocess
import sys
from pathlib import Path

import pytest

from iron_proxy.certs.ca_files import MAX_FILE_BYTES, CAFiles, read_ca_files
from iron_proxy.errors import StartupError


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "ca.crt", tmp_path / "ca.key"
    certificate.write_bytes(b"certificate")
    key.write_bytes(b"canary-key")
    key.chmod(0o640)
    return certificate, key


def _read(files: tuple[Path, Path]) -> CAFiles:
    return read_ca_files(str(files[0]), str(files[1]))


def test_both_files_are_read_with_their_names_and_the_mode_of_the_key(files: tuple[Path, Path]) -> None:
    read = _read(files)

    assert (read.certificate, read.key) == (b"certificate", b"canary-key")
    assert (read.certificate_path, read.key_path) == (str(files[0]), str(files[1]))
    assert read.key_mode == 0o640


def test_the_key_is_never_printed(files: tuple[Path, Path]) -> None:
    assert "canary" not in repr(_read(files)) + str(_read(files))


def test_a_missing_certificate_is_named_with_a_remedy(files: tuple[Path, Path]) -> None:
    files[0].unlink()

    with pytest.raises(StartupError) as caught:
        _read(files)

    assert str(caught.value) == (
        f"reading CA cert: {files[0]}: no such file or directory; "
        "check tls.ca_cert, or make a CA with: iron-proxy generate-ca"
    )


def test_a_missing_key_is_named_as_the_key(files: tuple[Path, Path]) -> None:
    files[1].unlink()

    with pytest.raises(StartupError, match=r"^reading CA key: .*ca\.key: no such file or directory; check tls\.ca_key"):
        _read(files)


def test_a_directory_is_refused(files: tuple[Path, Path]) -> None:
    files[1].unlink()
    files[1].mkdir()

    with pytest.raises(StartupError, match=r"ca\.key: is a directory; tls\.ca_key must name a PEM file"):
        _read(files)


def test_a_path_that_is_no_file_name_is_refused(files: tuple[Path, Path]) -> None:
    with pytest.raises(StartupError, match=r"'a\\x00b' is not a file name; check tls\.ca_cert"):
        read_ca_files("a\0b", str(files[1]))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_says_who_must_be_let_in(files: tuple[Path, Path]) -> None:
    files[1].chmod(0)

    with pytest.raises(StartupError, match="permission denied; let the user that runs iron-proxy read it"):
        _read(files)


def test_a_loop_of_links_is_told_in_the_system_words(files: tuple[Path, Path]) -> None:
    files[1].unlink()
    files[1].symlink_to(files[1])

    with pytest.raises(StartupError, match=r"too many levels of symbolic links; check tls\.ca_key"):
        _read(files)


def test_a_huge_file_is_not_read_to_its_end(files: tuple[Path, Path]) -> None:
    with files[0].open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)

    with pytest.raises(StartupError, match="larger than 1 MiB"):
        _read(files)


def test_reading_does_not_import_cryptography() -> None:
    program = "import sys, iron_proxy.certs.ca_files; print([m for m in ('cryptography', 'ssl') if m in sys.modules])"

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout == "[]\n"
