import errno
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from iron_proxy.certs import generation
from iron_proxy.certs.generation import (
    ALGORITHMS,
    CAPaths,
    GeneratedCA,
    ca_paths,
    check_nothing_in_the_way,
    generate_ca,
    write_ca,
)
from iron_proxy.errors import StartupError

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def made() -> dict[str, GeneratedCA]:
    """One CA of each kind; RSA-4096 takes a second or so."""
    return {algorithm: generate_ca("Test CA", 24, algorithm, NOW) for algorithm in ALGORITHMS}


@pytest.fixture
def paths(tmp_path: Path) -> CAPaths:
    return ca_paths(str(tmp_path / "out"))


@pytest.fixture(params=[0o000, 0o077], ids=["umask 000", "umask 077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    mask: int = request.param
    before = os.umask(mask)
    yield mask
    os.umask(before)


def _mode(path: str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


CA = GeneratedCA(b"certificate", b"canary-key")

# --- what is made ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_ca_may_sign_leaves_and_revocation_lists_and_nothing_else(
    algorithm: str, made: dict[str, GeneratedCA]
) -> None:
    certificate = x509.load_pem_x509_certificate(made[algorithm].certificate_pem)

    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert (constraints.critical, constraints.value) == (True, x509.BasicConstraints(ca=True, path_length=0))
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
    assert not usage.value.digital_signature


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_ca_is_self_signed_under_its_name_alone(algorithm: str, made: dict[str, GeneratedCA]) -> None:
    certificate = x509.load_pem_x509_certificate(made[algorithm].certificate_pem)

    assert certificate.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
    certificate.verify_directly_issued_by(certificate)
    assert 0 < certificate.serial_number < 2**128
    assert certificate.extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    ).value == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_ca_lives_from_a_minute_ago_for_the_hours_asked_for(algorithm: str, made: dict[str, GeneratedCA]) -> None:
    certificate = x509.load_pem_x509_certificate(made[algorithm].certificate_pem)

    assert certificate.not_valid_before_utc == NOW - timedelta(seconds=60)
    assert certificate.not_valid_after_utc == NOW + timedelta(hours=24)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_key_is_the_certificates_in_pkcs8(algorithm: str, made: dict[str, GeneratedCA]) -> None:
    ca = made[algorithm]

    key = load_pem_private_key(ca.key_pem, password=None)

    assert ca.key_pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    certificate = x509.load_pem_x509_certificate(ca.certificate_pem)
    assert key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def test_each_algorithm_makes_its_kind_of_key(made: dict[str, GeneratedCA]) -> None:
    certificates = {name: x509.load_pem_x509_certificate(ca.certificate_pem) for name, ca in made.items()}
    rsa_key, p256_key = certificates["rsa4096"].public_key(), certificates["p256"].public_key()

    assert isinstance(rsa_key, rsa.RSAPublicKey)
    assert (rsa_key.key_size, rsa_key.public_numbers().e) == (4096, 65537)
    assert isinstance(certificates["rsa4096"].signature_hash_algorithm, hashes.SHA256)
    assert isinstance(certificates["ed25519"].public_key(), ed25519.Ed25519PublicKey)
    assert isinstance(p256_key, ec.EllipticCurvePublicKey)
    assert isinstance(p256_key.curve, ec.SECP256R1)


def test_the_key_is_never_printed(made: dict[str, GeneratedCA]) -> None:
    assert "PRIVATE KEY" not in repr(made["p256"])


@pytest.mark.parametrize("name", ["x" * 64, "Ünïted CA", "a, CN=b"], ids=["64 bytes", "not ASCII", "a comma"])
def test_any_printable_name_is_kept_as_it_is(name: str) -> None:
    certificate = x509.load_pem_x509_certificate(generate_ca(name, 1, "p256").certificate_pem)

    assert [attribute.value for attribute in certificate.subject] == [name]


def test_a_ca_may_live_until_the_year_9999() -> None:
    hours = (datetime(9999, 12, 31, tzinfo=UTC) - NOW) // timedelta(hours=1)

    assert b"CERTIFICATE" in generate_ca("Test CA", hours, "p256", NOW).certificate_pem


@pytest.mark.parametrize(
    ("name", "hours", "algorithm", "message"),
    [
        ("CA", 1, "rsa1024", 'unsupported algorithm "rsa1024" (use rsa4096, ed25519 or p256)'),
        ("CA", 1, "", 'unsupported algorithm "" (use rsa4096, ed25519 or p256)'),
        ("CA", 0, "p256", "-expiry-hours must be positive; got 0"),
        ("CA", -5, "p256", "-expiry-hours must be positive; got -5"),
        ("CA", 10**8, "p256", "-expiry-hours is too large: 100000000 hours end after the year 9999"),
        ("CA", 10**18, "p256", f"-expiry-hours is too large: {10**18} hours end after the year 9999"),
        ("", 1, "p256", "-name must not be empty"),
        ("x" * 65, 1, "p256", "-name must be at most 64 bytes long, the X.509 limit for a common name; got 65"),
        ("ü" * 33, 1, "p256", "-name must be at most 64 bytes long, the X.509 limit for a common name; got 66"),
        ("a\nb", 1, "p256", "-name must be printable text in UTF-8"),
        ("a\udcff", 1, "p256", "-name must be printable text in UTF-8"),
    ],
    ids=["algorithm", "no algorithm", "zero", "negative", "year 13434", "overflow", "no name", "long", "long in UTF-8",
         "line end", "not UTF-8"],
)  # fmt: skip
def test_what_no_ca_can_be_made_of_is_refused(name: str, hours: int, algorithm: str, message: str) -> None:
    with pytest.raises(StartupError) as caught:
        generate_ca(name, hours, algorithm, NOW)

    assert str(caught.value) == message


# --- where it is put ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outdir", "expected"),
    [(".", ("ca.crt", "ca.key")), ("a/b/", ("a/b/ca.crt", "a/b/ca.key")), ("/x/../y", ("/y/ca.crt", "/y/ca.key"))],
    ids=["here", "nested", "absolute"],
)
def test_the_files_are_named_in_the_folder(outdir: str, expected: tuple[str, str]) -> None:
    assert ca_paths(outdir) == expected


def test_a_folder_without_a_name_is_refused() -> None:
    with pytest.raises(StartupError, match="-outdir must name a folder"):
        ca_paths("")


def test_both_files_are_written_with_their_modes_whatever_the_umask(umask: int, paths: CAPaths) -> None:
    write_ca(paths, CA)

    assert (_mode(paths.certificate), _mode(paths.key)) == (0o644, 0o600)
    assert Path(paths.certificate).read_bytes() == b"certificate"
    assert Path(paths.key).read_bytes() == b"canary-key"


def test_no_folder_is_open_to_the_umask(umask: int, tmp_path: Path) -> None:
    write_ca(ca_paths(str(tmp_path / "a" / "b" / "c")), CA)

    folders = [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    assert [_mode(str(folder)) for folder in folders] == [0o755 & ~umask] * 3


def test_the_current_folder_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    write_ca(ca_paths("."), CA)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "ca.key"]


def _file(path: Path) -> None:
    path.write_bytes(b"old")


def _link(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("put", [_file, _link, _pipe, _folder], ids=["file", "dangling link", "pipe", "folder"])
@pytest.mark.parametrize("name", ["ca.crt", "ca.key"])
def test_what_is_in_the_way_is_never_touched_and_no_half_is_left(
    name: str, put: Callable[[Path], None], tmp_path: Path
) -> None:
    put(tmp_path / name)
    before = os.lstat(tmp_path / name)
    paths = ca_paths(str(tmp_path))

    refusal = f"^creating {tmp_path / name}: file exists; a CA is never overwritten"
    with pytest.raises(StartupError, match=refusal):
        check_nothing_in_the_way(paths)
    with pytest.raises(StartupError, match=refusal):
        write_ca(paths, CA)

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert os.lstat(tmp_path / name) == before


def test_nothing_in_the_way_is_no_error(paths: CAPaths) -> None:
    check_nothing_in_the_way(paths)


def test_a_failed_write_leaves_neither_file(paths: CAPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fail_at_the_second(descriptor: int, mode: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "canary")

    monkeypatch.setattr(os, "fchmod", fail_at_the_second)

    with pytest.raises(StartupError, match=rf"^writing {paths.key}: no space left on device$"):
        write_ca(paths, CA)

    assert list(Path(paths.key).parent.iterdir()) == []


def test_an_interrupt_leaves_neither_file(paths: CAPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(generation, "_write", interrupt)

    with pytest.raises(KeyboardInterrupt):
        write_ca(paths, CA)

    assert list(Path(paths.key).parent.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StartupError, match=rf"^creating {tmp_path}/file: it exists and is not a directory$"):
        write_ca(ca_paths(str(tmp_path / "file" / "a")), CA)


def test_a_folder_that_the_system_refuses_is_named(tmp_path: Path) -> None:
    too_long = tmp_path / ("x" * 256)

    with pytest.raises(StartupError, match=rf"^creating {too_long}: file name too long$"):
        write_ca(ca_paths(str(too_long)), CA)


def test_a_folder_that_somebody_else_makes_meanwhile_serves(paths: CAPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    make = os.mkdir

    def make_twice(path: str, mode: int) -> None:
        make(path, mode)
        make(path, mode)

    monkeypatch.setattr(os, "mkdir", make_twice)

    write_ca(paths, CA)

    assert _mode(paths.key) == 0o600
