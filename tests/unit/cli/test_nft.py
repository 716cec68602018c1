import pytest

from iron_proxy.cli.nft import run

WORKLOAD = ["-proxy-ip", "192.0.2.1"]


def test_the_rules_are_printed_with_the_command_that_made_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(WORKLOAD) == 0

    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[:2] == ["#!/usr/sbin/nft -f", "# Made by: iron-proxy nft -proxy-ip 192.0.2.1"]
    assert "ip daddr 192.0.2.1 tcp dport { 53, 80, 443, 8080 } accept" in out


@pytest.mark.parametrize(("mode", "words"), [("redirect", "redirect to :80"), ("tproxy", "tproxy ip to 192.0.2.1:80")])
def test_the_mode_chooses_how_connections_are_brought(
    mode: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*WORKLOAD, "-uid", "998", "-mode", mode]) == 0

    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: the proxy's address is missing"),
        ([*WORKLOAD, "-mode", "x"], "error: -mode is enforce, redirect or tproxy"),
        (["192.0.2.1"], 'unexpected argument "192.0.2.1"; the proxy\'s address is given as: -proxy-ip ADDRESS'),
        (["-x"], "flag provided but not defined: -x"),
    ],
)
def test_a_slip_is_told_and_nothing_is_printed(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)


def test_the_usage_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-h"]) == 0

    assert "-mode MODE" in capsys.readouterr().err
