"""The firewall rules and scripts of the examples are what the commands in their heads print today."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.docs.pages import ROOT

from iron_proxy.cli import nft, tproxy

EXAMPLES = ROOT / "examples"
MADE = [
    *sorted(EXAMPLES.rglob("*.conf")), EXAMPLES / "tproxy" / "up.sh", EXAMPLES / "tproxy" / "down.sh",
]  # fmt: skip


def command_of(text: str, name: str) -> list[str]:
    if name == "down.sh":                        # has no rules, and so no head
        return ["tproxy", "down", "-print"]
    [command] = re.findall(r"^# Made by: iron-proxy (.+)$", text, re.MULTILINE)
    return shlex.split(command)


@pytest.mark.parametrize("path", MADE, ids=[str(path.relative_to(EXAMPLES)) for path in MADE])
def test_an_example_is_what_its_command_prints(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = path.read_text(encoding="utf-8")
    word, *arguments = command_of(text, path.name)

    status = (nft if word == "nft" else tproxy).run(arguments)

    assert status == 0
    assert capsys.readouterr().out == text, f"make it anew: iron-proxy {word} {shlex.join(arguments)} > {path.name}"


def test_there_is_one_for_each_place() -> None:
    texts = [path.read_text(encoding="utf-8") for path in MADE]

    for words in ("In the workload's network namespace", "On the machine that workloads share", "On the router"):
        assert any(words in text for text in texts)


def test_systemd_understands_the_unit_and_it_does_what_the_script_does(tmp_path: Path) -> None:
    text = (EXAMPLES / "tproxy" / "iron-proxy-tproxy.service").read_text(encoding="utf-8")
    [arguments] = re.findall(r"(?m)^ExecStart=\S+/iron-proxy (.+)$", text)
    assert f"# Made by: iron-proxy {arguments} -print\n" in (EXAMPLES / "tproxy" / "up.sh").read_text(encoding="utf-8")
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "iron-proxy-tproxy.service"
    unit.write_text(re.sub("(?m)^(Exec\\w+)=.*$", r"\1=/bin/true", text))      # the program is not where it expects it

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
