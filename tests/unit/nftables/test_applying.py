"""The commands in their order, and every failure in a sentence. The real ones run in tests/end_to_end."""

import os
import subprocess
from pathlib import Path

import pytest

from iron_proxy.errors import StartupError
from iron_proxy.nftables import applying
from iron_proxy.nftables.applying import bring_up, check_right, take_down
from iron_proxy.nftables.ruleset import REMOVAL

PROGRAM = """#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >> "$LOG"
[ "$1" = -f ] && cat >> "$LOG"
case " $FAILING " in *" $(basename "$0"):$3 "*) echo "$MESSAGE" >&2; exit 2;; esac
exit 0
"""


class Programs:
    """`nft` and `ip` that only write down what they were asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.log = folder / "log"
        self._monkeypatch = monkeypatch
        for name in ("nft", "ip"):
            (folder / name).write_text(PROGRAM)
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("LOG", str(self.log))
        monkeypatch.setenv("FAILING", "")
        monkeypatch.setenv("MESSAGE", "")

    def fail(self, what: str, message: str) -> None:
        self._monkeypatch.setenv("FAILING", what)
        self._monkeypatch.setenv("MESSAGE", message)

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    monkeypatch.setattr(applying, "check_right", lambda: None)
    return Programs(tmp_path, monkeypatch)


def verbs(programs: Programs) -> list[str]:
    return [" ".join(line.split()[:4]) for line in programs.asked() if line.startswith(("ip ", "nft "))]


def test_the_routes_come_before_the_rules_that_need_them(programs: Programs) -> None:
    bring_up("the rules", ["-4"])

    assert verbs(programs) == ["ip -4 route replace", "ip -4 rule add", "nft -f -"]
    assert programs.asked()[-1] == "the rules"


def test_the_rules_go_before_the_routes(programs: Programs) -> None:
    take_down()

    assert verbs(programs) == [
        "nft -f -", "ip -4 rule del", "ip -4 route del", "ip -6 rule del", "ip -6 route del",
    ]  # fmt: skip
    assert "\n".join(programs.asked()[1:3]) + "\n" == REMOVAL


def test_a_rule_that_is_there_is_no_failure(programs: Programs) -> None:
    programs.fail("ip:add ip:rule", "RTNETLINK answers: File exists")

    bring_up("the rules", ["-4"])

    assert verbs(programs)[-1] == "nft -f -"


@pytest.mark.parametrize(
    "message", ["RTNETLINK answers: No such file or directory", "Error: ipv4: FIB table does not exist."]
)
def test_what_is_gone_already_is_no_failure(programs: Programs, message: str) -> None:
    programs.fail("ip:del", message)

    take_down()

    assert len(verbs(programs)) == 5


def test_another_failure_is_told_in_the_programs_words_and_nothing_is_loaded(programs: Programs) -> None:
    programs.fail("ip:replace", "RTNETLINK answers: No buffer space available")

    with pytest.raises(StartupError, match=r"^ip -4 route replace .*: RTNETLINK answers: No buffer space available$"):
        bring_up("the rules", ["-4"])

    assert "nft -f -" not in verbs(programs)


def test_a_missing_program_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "check_right", lambda: None)
    monkeypatch.setattr("iron_proxy.nftables.applying.shutil.which", lambda *_, **__: None)

    with pytest.raises(StartupError, match=r"the program nft is missing: install nftables \(apt install nftables\)"):
        take_down()


def test_a_program_that_hangs_is_given_up(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 30)

    monkeypatch.setattr("iron_proxy.nftables.applying.subprocess.run", hang)

    with pytest.raises(StartupError, match="nft -f - could not be run"):
        take_down()


@pytest.mark.parametrize(("effective", "may"), [("000001ffffffffff", True), ("0000000000001000", True),
                                                ("0000000000000fff", False), ("0000000000000000", False)])  # fmt: skip
def test_the_right_is_one_capability(tmp_path: Path, effective: str, may: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapPrm:\t{effective}\nCapEff:\t{effective}\n")

    if may:
        check_right(status)
    else:
        with pytest.raises(StartupError, match=r"^not permitted: run it as root \(it needs CAP_NET_ADMIN\)"):
            check_right(status)


def test_another_system_has_no_such_firewall(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="the firewall of Linux is needed"):
        check_right(tmp_path / "missing")
