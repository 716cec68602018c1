"""The flags of `iron-proxy doctor`, what they ask for, and the exit status."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iron_proxy.certs.generation import CAPaths, generate_ca, write_ca
from iron_proxy.cli.doctor import run
from iron_proxy.doctor.checks import Check
from iron_proxy.doctor.examination import ClientReport, Order, RunningProxy
from iron_proxy.doctor.verdicts import WORKS, Reason, Verdict, Way
from iron_proxy.errors import StartupError

GOOD = [ClientReport("curl", "", {Way.ROUTED: WORKS})]
BAD = [ClientReport("curl", "", {Way.ROUTED: Verdict(Reason.FAILED, "ended")})]


class Examination:
    """What stands in for the examination: notes what was ordered."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.answer: Callable[[], list[ClientReport]] = lambda: GOOD

    def __call__(self, order: Order, checkpoint: Callable[[], None]) -> list[ClientReport]:
        self.orders.append(order)
        checkpoint()
        return self.answer()


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> Examination:
    examination = Examination()
    monkeypatch.setattr("iron_proxy.doctor.examination.examine", examination)
    return examination


@pytest.fixture
def paths(tmp_path: Path) -> CAPaths:
    made = CAPaths(str(tmp_path / "ca.crt"), str(tmp_path / "ca.key"))
    write_ca(made, generate_ca("test", 24 * 365, "p256"))
    return made


def configuration(tmp_path: Path, **proxy: object) -> str:
    path = tmp_path / "proxy.yaml"
    content = {
        "dns": {"enabled": False},
        "proxy": {"http_listen": "off", "https_listen": "127.0.0.1:0", "tunnel_listen": "127.0.0.1:0", **proxy},
        "tls": {"ca_cert": str(tmp_path / "ca.crt"), "ca_key": str(tmp_path / "ca.key")},
        "metrics": {"listen": "off"},
    }
    path.write_text(json.dumps(content))
    return str(path)


@pytest.mark.parametrize(("answer", "status"), [(GOOD, 0), (BAD, 1)], ids=["all work", "one does not"])
def test_the_status_says_whether_all_work(
    answer: list[ClientReport], status: int, examined: Examination, capsys: pytest.CaptureFixture[str]
) -> None:
    examined.answer = lambda: answer

    assert run(["-json"]) == status

    assert json.loads(capsys.readouterr().out)["ok"] is (status == 0)


def test_who_waits_at_a_terminal_is_told_for_what(
    examined: Examination, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    assert run(["-json"]) == 0

    assert capsys.readouterr().err == (
        "starting each client that is here, which takes seconds and at most 20 each time\n"
    )


def test_without_flags_both_ways_are_tried_with_a_ca_of_this_time(
    examined: Examination, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([]) == 0

    (order,) = examined.orders
    assert order.ca is None
    assert order.only == ()
    assert set(order.ways) == {Way.ROUTED, Way.PROXIED}
    assert "1 of 1 clients work." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("proxy", "ways"),
    [
        ({}, {Way.AS_IT_IS, Way.ROUTED, Way.PROXIED}),
        ({"tunnel_listen": "off"}, {Way.AS_IT_IS, Way.ROUTED}),
        ({"https_listen": "off"}, {Way.AS_IT_IS, Way.PROXIED}),
    ],
)
def test_a_configuration_says_which_ca_and_which_ways(
    proxy: dict[str, str], ways: set[Way], examined: Examination, paths: CAPaths, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = configuration(tmp_path, **proxy)

    assert run(["-config", file, "-only", "curl, git"]) == 0

    (order,) = examined.orders
    assert order.ca == paths
    assert set(order.ways) == ways
    assert order.only == ("curl", "git")
    assert order.wiring_command == f'eval "$(iron-proxy env -config {file})"'
    assert "ok    CA: " in capsys.readouterr().out


def test_with_a_ca_that_no_proxy_could_use_nothing_is_started(
    examined: Examination, paths: CAPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(paths.key).unlink()

    assert run(["-config", configuration(tmp_path)]) == 1

    assert examined.orders == []
    assert "WRONG CA: reading CA key" in capsys.readouterr().out


def test_where_tls_is_passed_through_clients_need_nothing(examined: Examination, tmp_path: Path) -> None:
    path = tmp_path / "proxy.yaml"
    path.write_text(
        '{"dns": {"enabled": false}, "proxy": {"http_listen": "127.0.0.1:0", "https_listen": "off"}, '
        '"metrics": {"listen": "off"}, "tls": {"mode": "sni-only"}}'
    )

    assert run(["-config", str(path)]) == 0
    assert examined.orders == []


def test_a_proxy_that_runs(examined: Examination, paths: CAPaths) -> None:
    assert run(["-proxy", "127.0.0.1:8080", "-url", "https://example.com/x", "-ca", paths.certificate]) == 0

    (order,) = examined.orders
    assert order.running_proxy == RunningProxy("http://127.0.0.1:8080", "https://example.com/x", paths.certificate)
    assert "-proxy 127.0.0.1:8080" in order.wiring_command


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-only", "curl,telnet"], "-only: unknown client telnet (clients: curl, wget,"),
        (["-url", "https://example.com"], "-url and -ca go with -proxy"),
        (["-ca", "ca.crt"], "-url and -ca go with -proxy"),
        (["-proxy", "x:1"], "-proxy needs -url with an https:// page"),
        (["-proxy", "x:1", "-url", "http://example.com"], "-proxy needs -url with an https:// page"),
        (["-proxy", "x:1", "-url", "https://x/'+alert"], "-proxy needs -url with an https:// page"),
        (["-proxy", "ftp://x", "-url", "https://x"], "-proxy: the scheme of the proxy's URL must be"),
        (["-config", "missing.yaml"], "missing.yaml: no such file"),
        (["curl"], 'unexpected argument "curl"; clients are named as: -only curl,git'),
    ],
)
def test_a_slip_is_status_2(
    arguments: list[str], sentence: str, examined: Examination, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2

    out, err = capsys.readouterr()
    assert sentence in err
    assert (out, examined.orders) == ("", [])


def _fail() -> list[ClientReport]:
    raise StartupError("the proxy did not start")


def _interrupt() -> list[ClientReport]:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [(_fail, "the proxy did not start"), (_interrupt, "interrupted; everything has been stopped and removed")],
)
def test_what_ends_it_early_is_status_1(
    answer: Callable[[], list[ClientReport]], sentence: str, examined: Examination, capsys: pytest.CaptureFixture[str]
) -> None:
    examined.answer = answer

    assert run([]) == 1

    assert capsys.readouterr() == ("", f"error: {sentence}\n")


def test_a_check_that_fails_is_status_1(
    examined: Examination, monkeypatch: pytest.MonkeyPatch, paths: CAPaths, tmp_path: Path
) -> None:
    monkeypatch.setattr("iron_proxy.doctor.checks.check_configuration", lambda config: [Check("x", False, "is bad")])

    assert run(["-config", configuration(tmp_path), "-no-color"]) == 1
