"""What `iron-proxy env` prints, where its answers come from, and what it writes."""

import json
import os
from pathlib import Path

import pytest

from iron_proxy.certs.generation import generate_ca
from iron_proxy.cli.env import run
from iron_proxy.jail.client_environment import VARIABLES
from iron_proxy.jail.trust import holds_ca


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "certs" / "ca.crt"
    path.parent.mkdir()
    path.write_bytes(generate_ca("test", 24, "p256").certificate_pem)
    return path


def configuration(tmp_path: Path, ca: Path, **proxy: object) -> str:
    path = tmp_path / "proxy.yaml"
    content = {
        "dns": {"enabled": False},
        "proxy": {"http_listen": "off", "https_listen": "off", "tunnel_listen": "127.0.0.1:8080", **proxy},
        "tls": {"ca_cert": str(ca), "ca_key": str(ca.with_suffix(".key"))},
    }
    path.write_text(json.dumps(content))
    return str(path)


def printed(arguments: list[str], capsysbinary: pytest.CaptureFixture[bytes]) -> tuple[dict[str, str], str]:
    assert run([*arguments, "-shell", "json"]) == 0
    out, err = capsysbinary.readouterr()
    return json.loads(out), err.decode()


def test_a_configuration_tells_the_ca_and_the_tunnel(
    tmp_path: Path, ca: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    variables, err = printed(["-config", configuration(tmp_path, ca)], capsysbinary)

    bundle = ca.with_name("ca-bundle.crt")
    assert variables["SSL_CERT_FILE"] == str(bundle)
    assert variables["NODE_EXTRA_CA_CERTS"] == str(ca)
    assert variables["HTTPS_PROXY"] == "http://127.0.0.1:8080"
    assert f"trustStore={ca.with_name('ca-bundle.p12')}" in variables["JAVA_TOOL_OPTIONS"]
    assert holds_ca(str(bundle), ca.read_bytes())
    assert err.startswith(f"wrote {bundle}: ")


def test_without_a_tunnel_the_variables_are_about_the_ca_alone(
    tmp_path: Path, ca: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    text = configuration(tmp_path, ca, http_listen=":80", https_listen=":443", tunnel_listen="off")
    variables, _ = printed(["-config", text], capsysbinary)

    assert "HTTPS_PROXY" not in variables
    assert "SSL_CERT_FILE" in variables


@pytest.mark.parametrize(
    ("proxy", "url"),
    [("none", None), ("http://a:b@proxy.test:1", "http://a:b@proxy.test:1"), ("proxy.test:1", "http://proxy.test:1")],
)
def test_a_proxy_that_is_named_goes_first(
    proxy: str, url: str | None, tmp_path: Path, ca: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    variables, _ = printed(["-config", configuration(tmp_path, ca), "-proxy", proxy], capsysbinary)

    assert variables.get("HTTPS_PROXY") == url


def test_the_certificate_alone_will_do_and_its_path_becomes_absolute(
    ca: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ca.parent)

    variables, _ = printed(["-ca", "ca.crt", "-bundle", "b.pem"], capsysbinary)

    assert variables["NODE_EXTRA_CA_CERTS"] == str(ca)
    assert variables["SSL_CERT_FILE"] == str(ca.with_name("b.pem"))
    assert ca.with_name("b.p12").exists()


def test_java_options_of_the_environment_are_kept(
    ca: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1g")

    assert printed(["-ca", str(ca)], capsysbinary)[0]["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -D")


def test_a_folder_whose_name_is_no_utf8_arrives(
    tmp_path: Path, ca: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)
    (Path(os.fsdecode(folder)) / "ca.crt").write_bytes(ca.read_bytes())

    assert run(["-ca", os.fsdecode(folder) + "/ca.crt"]) == 0

    out, err = capfdbinary.readouterr()
    assert b"/\xff/ca-bundle.crt" in out
    assert "/\ufffd/ca-bundle.crt" in err.decode()


def test_a_proxy_that_wants_a_password_is_pointed_out(
    tmp_path: Path, ca: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = Path(configuration(tmp_path, ca, require_client=True))
    content = json.loads(path.read_text()) | {"clients": [{"name": "a", "cidrs": ["10.0.0.0/8"]}]}
    path.write_text(json.dumps(content))

    _, err = printed(["-config", str(path)], capsysbinary)

    assert "the proxy asks for a password: give it as -proxy http://NAME:PASSWORD@HOST:PORT" in err


def test_docker_is_told_of_the_folder(ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-ca", str(ca), "-shell", "docker"]) == 0

    assert f"-v {ca.parent}:" in capsys.readouterr().err


def test_no_roots_are_told(ca: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from iron_proxy.jail import trust

    monkeypatch.setattr(trust, "system_roots", lambda: trust.SystemRoots((), ()))

    assert run(["-ca", str(ca)]) == 0

    assert "the CA alone, for no roots of the system were found" in capsys.readouterr().err


def test_everything_can_be_taken_away_again_and_nothing_is_written(
    ca: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-unset"]) == 0

    assert capsys.readouterr().out.splitlines() == [f"unset {variable.name}" for variable in VARIABLES]
    assert os.listdir(ca.parent) == ["ca.crt"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "which CA? Name the configuration"),
        (["-ca", "CA", "-shell", "tcsh"], 'unknown shell "tcsh" (shells: bash, fish,'),
        (["-unset", "-shell", "docker"], "nothing can be unset in a file of variables"),
        (["-ca", "CA", "-proxy", "ftp://x"], "-proxy: the scheme of the proxy's URL must be"),
        (["-ca", "CA", "-bundle", "CA"], "is the CA's certificate itself"),
        (["-config", "missing.yaml"], "missing.yaml: no such file"),
        (["ca.crt"], 'unexpected argument "ca.crt"; the file is given as: -config FILE'),
    ],
)
def test_a_slip_is_status_2_with_a_sentence(
    arguments: list[str], sentence: str, ca: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(ca) if argument == "CA" else argument for argument in arguments]) == 2

    out, err = capsys.readouterr()
    assert sentence in err
    assert out == ""


def test_a_port_that_is_not_known_is_pointed_out(
    tmp_path: Path, ca: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-config", configuration(tmp_path, ca, tunnel_listen="127.0.0.1:0")]) == 2

    assert "the port of the tunnel listener is 0" in capsys.readouterr().err


def test_several_lines_in_a_path_are_refused_for_docker_before_anything_is_written(
    tmp_path: Path, ca: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-ca", str(ca), "-bundle", str(tmp_path / "a\nb"), "-shell", "docker"]) == 2

    assert "more than one line" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["certs"]


@pytest.mark.parametrize("arguments", [["-ca", "missing/ca.crt"], ["-ca", "CA", "-bundle", "missing/b.crt"]])
def test_files_that_cannot_be_used_are_status_1(
    arguments: list[str], ca: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(ca) if argument == "CA" else argument for argument in arguments]) == 1

    out, err = capsys.readouterr()
    assert err.startswith("error: ")
    assert out == ""
