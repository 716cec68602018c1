import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from iron_proxy.cli.generate_ca import FLAGS, run


def _certificate(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())


def test_the_files_written_are_told_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a" / "b"

    status = run(["-outdir", str(out), "-alg", "ed25519", "-name", "Test CA", "-expiry-hours", "24"])

    assert status == 0
    assert capsys.readouterr() == (f"wrote {out}/ca.crt\nwrote {out}/ca.key\n", "")
    certificate = _certificate(out)
    assert isinstance(certificate.public_key(), ed25519.Ed25519PublicKey)
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "Test CA"
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lifetime.total_seconds() == 24 * 3600 + 60


def test_the_defaults_are_upstreams() -> None:
    defaults = {flag.name: flag.default for flag in FLAGS.flags}

    assert defaults == {"outdir": ".", "name": "iron-proxy CA", "expiry-hours": 8760, "alg": "rsa4096"}


def test_the_current_folder_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run(["--alg=p256"]) == 0

    assert capsys.readouterr().out == "wrote ca.crt\nwrote ca.key\n"
    assert isinstance(_certificate(tmp_path).public_key(), ec.EllipticCurvePublicKey)


def test_a_second_run_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["-outdir", str(tmp_path), "-alg", "p256"]
    run(arguments)
    capsys.readouterr()
    before = (tmp_path / "ca.key").read_bytes()

    status = run(arguments)

    assert status == 1
    assert capsys.readouterr() == (
        "",
        f"error: creating {tmp_path}/ca.crt: file exists; a CA is never overwritten: "
        "choose another -outdir, or move ca.crt and ca.key away\n",
    )
    assert (tmp_path / "ca.key").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-alg", "dsa"], 'error: unsupported algorithm "dsa" (use rsa4096, ed25519 or p256)\n'),
        (["-expiry-hours", "0"], "error: -expiry-hours must be positive; got 0\n"),
        (["-name", ""], "error: -name must not be empty\n"),
        (["-outdir", ""], "error: -outdir must name a folder; use . for the current one\n"),
    ],
    ids=["algorithm", "expiry", "name", "outdir"],
)
def test_what_no_ca_can_be_made_of_is_a_failure(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    status = run(arguments)

    assert (status, capsys.readouterr()) == (1, ("", message))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-foo"], "flag provided but not defined: -foo"),
        (["-outdir"], "flag needs an argument: -outdir"),
        (["-expiry-hours", "soon"], 'invalid value "soon" for flag -expiry-hours: parse error'),
        (["./certs"], 'unexpected argument "./certs"; the folder is given as: -outdir FOLDER'),
    ],
    ids=["unknown flag", "no argument", "not a number", "positional"],
)
def test_a_bad_command_line_is_answered_with_the_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(arguments)

    assert (status, capsys.readouterr()) == (2, ("", f"{message}\n{FLAGS.usage()}"))


def test_help_is_the_usage_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["-h"])

    assert (status, capsys.readouterr()) == (0, ("", FLAGS.usage()))


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="other systems take file names in UTF-8 only")
def test_a_folder_whose_name_is_not_utf8_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "\udcff"

    assert run(["-outdir", str(out), "-alg", "p256"]) == 0

    assert capsys.readouterr().out.startswith(f"wrote {tmp_path}/\ufffd/ca.crt\n")
    assert (out / "ca.key").exists()
