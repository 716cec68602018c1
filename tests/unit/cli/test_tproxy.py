"""Which rules and routes are asked for, and what is said. What they do: tests/end_to_end/test_tproxy_command.py."""

from collections.abc import Sequence

import pytest

from iron_proxy.cli import tproxy
from iron_proxy.cli.tproxy import run
from iron_proxy.errors import StartupError
from iron_proxy.nftables.ruleset import REMOVAL

UP = ["up", "-proxy-ip", "192.0.2.1", "-interface", "eth1"]


class Kernel:
    """What was to be loaded and removed; or the failure that it answers with."""

    def __init__(self) -> None:
        self.loaded: list[tuple[str, list[str]]] = []
        self.removed = 0
        self.failure: StartupError | None = None

    def bring_up(self, text: str, options: Sequence[str]) -> None:
        self._answer()
        self.loaded.append((text, list(options)))

    def take_down(self) -> None:
        self._answer()
        self.removed += 1

    def _answer(self) -> None:
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(tproxy, "bring_up", kernel.bring_up)
    monkeypatch.setattr(tproxy, "take_down", kernel.take_down)
    return kernel


def test_up_loads_rules_and_routes(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(UP) == 0

    [(text, options)] = kernel.loaded
    assert "tproxy ip to 192.0.2.1:80" in text
    assert "# Made by: iron-proxy tproxy up -proxy-ip 192.0.2.1 -interface eth1\n" in text
    assert options == ["-4"]
    assert "`iron-proxy tproxy down` ends that" in capsys.readouterr().out


def test_down_removes_them(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down"]) == 0

    assert kernel.removed == 1
    assert capsys.readouterr().out == "rules and routes are gone\n"


def test_printed_up_is_a_script_that_touches_nothing_now(
    kernel: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*UP, "-print"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert kernel.loaded == []
    assert lines[:2] == ["#!/bin/sh", "set -eu"]
    assert lines[2] == "ip -4 route replace local default dev lo table 1051"
    assert lines[3].startswith('[ -n "$(ip -4 rule show priority 10510 ')
    assert lines[4] == "nft -f - <<'END'"
    assert lines[-1] == "END"


def test_printed_down_is_one_too(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down", "-print"]) == 0

    out = capsys.readouterr().out
    assert kernel.removed == 0
    assert REMOVAL in out
    assert out.count("2>/dev/null || true\n") == 4


@pytest.mark.parametrize("arguments", [UP, ["down"]], ids=["up", "down"])
def test_a_failure_is_told_with_status_1(
    kernel: Kernel, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.failure = StartupError("not permitted")

    assert run(arguments) == 1
    assert capsys.readouterr() == ("", "error: not permitted\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: say what to do: iron-proxy tproxy up, or iron-proxy tproxy down"),
        (["sideways"], "error: say what to do"),
        (["up"], "error: the proxy's address is missing"),
        (["up", "-proxy-ip", "192.0.2.1"], "error: -mode tproxy needs to know whose connections to take"),
        (["down", "-proxy-ip", "192.0.2.1"], "flag provided but not defined: -proxy-ip"),
    ],
)
def test_a_slip_is_told(
    kernel: Kernel, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2

    assert capsys.readouterr().err.startswith(message)
    assert (kernel.loaded, kernel.removed) == ([], 0)


@pytest.mark.parametrize("arguments", [["-h"], ["up", "-h"], ["down", "--help"]])
def test_the_usage_is_shown_on_request(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0

    assert "-print" in capsys.readouterr().err
