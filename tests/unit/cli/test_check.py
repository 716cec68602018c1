"""`check` prints findings with their places, and its status says what kind there are."""

import json
from pathlib import Path

import pytest

from iron_proxy.cli import check

# The command starts the log of the process: it is put back behind each test.
pytestmark = pytest.mark.usefixtures("process_log")

GOOD = """\
dns: {enabled: false}
proxy: {https_listen: "off"}
transforms:
  - {name: allowlist, config: {domains: [%s]}}
"""


def run(folder: Path, text: str, *flags: str) -> int:
    (folder / "proxy.yaml").write_text(text)
    return check.run(["-config", str(folder / "proxy.yaml"), *flags])


@pytest.mark.parametrize("flags", [[], ["-strict"]])
def test_a_good_configuration_is_0(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, GOOD % "a.test", *flags) == 0
    assert capsys.readouterr() == ("", "0 errors, 0 warnings\n")


def test_warnings_are_0_and_with_strict_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, GOOD % "'*'") == 0
    out, err = capsys.readouterr()
    first, second = out.splitlines()
    assert first == f'{tmp_path}/proxy.yaml:4: warning IP103: transforms[0].config.domains[0]: "*" admits every host'
    assert second.startswith("    A workload may send anything anywhere. Name the hosts")
    assert err == "0 errors, 1 warning\n"

    assert run(tmp_path, GOOD % "'*'", "-strict") == 1


def test_errors_are_2_and_tell_the_remedy_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "dsn: {}\n" + GOOD % "a.test") == 2
    out, err = capsys.readouterr()
    assert out == f'{tmp_path}/proxy.yaml:1: error IP001: dsn: unknown key (did you mean "dns"?)\n'
    assert err == "1 error, 0 warnings\n"


@pytest.mark.parametrize("text", ["a: [", ""])
def test_a_file_that_is_no_configuration_is_2(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, text) == 2
    assert "error IP001: " in capsys.readouterr().out


def test_a_file_that_is_not_there_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run(["-config", "/nonexistent.yaml"]) == 2
    assert "no such file" in capsys.readouterr().out


def test_the_files_of_the_ca_can_be_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = GOOD % "a.test" + "tls: {ca_cert: /no.crt, ca_key: /no.key}\n"

    assert run(tmp_path, text) == 2
    assert "IP301" in capsys.readouterr().out
    assert run(tmp_path, text, "-no-files") == 0


def test_json_holds_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, GOOD % "a.test, '*.com'", "-json") == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["errors"], told["warnings"]) == (0, 1)
    [finding] = told["findings"]
    assert [finding[key] for key in ("id", "severity", "file", "line", "key", "message")] == [
        "IP104", "warning", f"{tmp_path}/proxy.yaml", 4, "transforms[0].config.domains[1]",
        '"*.com" admits names that anybody can have',
    ]  # fmt: skip
    assert finding["why"]
    assert finding["remedy"]


def test_a_stray_argument_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run(["proxy.yaml"]) == 2
    assert "-config FILE" in capsys.readouterr().err
