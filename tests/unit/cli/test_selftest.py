import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.fakes.selftest_world import case_named

from iron_proxy.cli.selftest import FLAGS, run
from iron_proxy.selftest.case import Case
from iron_proxy.selftest.catalogue import NAMES
from iron_proxy.selftest.findings import Finding, Findings, Verdict
from iron_proxy.selftest.place import Endpoint, Place


class Played:
    """What stands in for the test itself: the verdicts that it gives, and what it was asked."""

    def __init__(self) -> None:
        self.verdicts = [Verdict.HELD]
        self.control = ""
        self.places: list[Place] = []
        self.cases: list[Sequence[Case]] = []

    def __call__(self, place: Place, cases: Sequence[Case], checkpoint: Callable[[], None]) -> Findings:
        self.places.append(place)
        self.cases.append(cases)
        checkpoint()
        found = tuple(Finding(case_named("direct-tcp"), verdict, ("x",)) for verdict in self.verdicts)
        return Findings(place, self.control, found, 0.5)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    stand_in = Played()
    monkeypatch.setattr("iron_proxy.selftest.session.run_selftest", stand_in)
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return stand_in


@pytest.mark.parametrize(
    ("verdicts", "arguments", "status"),
    [
        ([Verdict.HELD], [], 0),
        ([Verdict.HELD, Verdict.NOT_TESTED], [], 0),
        ([Verdict.HELD, Verdict.NOT_TESTED], ["-strict"], 2),
        ([Verdict.HELD, Verdict.GOT_OUT, Verdict.NOT_TESTED], ["-strict"], 1),
        ([Verdict.NOT_TESTED], [], 2),
    ],
)
def test_the_exit_status_tells_what_came_of_it(
    verdicts: list[Verdict], arguments: list[str], status: int, played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    played.verdicts = verdicts

    assert run(arguments) == status
    assert "direct-tcp" in capsys.readouterr().out


def test_json_is_the_only_thing_printed(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-json"]) == 0

    out, err = capsys.readouterr()
    assert json.loads(out)["ok"] is True
    assert err == ""


def test_who_waits_at_a_terminal_is_told_for_what(
    played: Played, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    assert run(["-only", "direct-tcp,trace", "-timeout", "5", "-json"]) == 0

    assert capsys.readouterr().err == "trying 2 cases; an answer that does not come is waited for 5 s\n"


def test_flags_make_the_place(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")

    run(["-against", "http://denied.test", "-against", "https://203.0.113.9", "-allowed", "http://ok.test", "-zone",
         "t.test.", "-token", "GH_TOKEN", "-timeout", "1"])  # fmt: skip

    place = played.places[0]
    assert place.denied == (Endpoint("http", "denied.test", 80), Endpoint("https", "203.0.113.9", 443))
    assert place.allowed == Endpoint("http", "ok.test", 80)
    assert (str(place.proxy), place.zone, place.timeout) == ("http://127.0.0.1:3128", "t.test", 1.0)
    assert place.known_tokens == {"GH_TOKEN"}
    assert place.environment["HTTPS_PROXY"] == "http://127.0.0.1:3128"
    assert len(place.run) == 16


def test_a_flag_goes_before_the_environment_and_lower_case_counts(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", "socks5h://127.0.0.1:1080")

    run([])
    run(["-proxy", "http://127.0.0.1:8888"])

    assert [str(place.proxy) for place in played.places] == ["socks5h://127.0.0.1:1080", "http://127.0.0.1:8888"]


def test_cases_are_chosen_and_left_out(played: Played) -> None:
    run(["-only", "direct-tcp, direct-quic", "-skip", "direct-tcp"])
    run(["-skip", "env-secrets"])

    assert [case.name for case in played.cases[0]] == ["direct-quic"]
    assert len(played.cases[1]) == len(NAMES) - 1


def test_cases_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(NAMES)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-against", "denied.test"], "-against denied.test: write http://HOST"),
        (["-allowed", "ftp://x"], "-allowed ftp://x: write http://HOST"),
        (["-proxy", "http//bad"], "-proxy: "),
        (["-proxy", "https://127.0.0.1:8443"], "TLS to the proxy itself is not spoken here"),
        (["-only", "nothing"], "unknown case nothing (iron-proxy selftest -list names them)"),
        (["-timeout", "0"], "-timeout: write 1 to 60 seconds"),
        (["-cert", "x"], "-cert and -key go with -serve"),
        (["-serve", "127.0.0.1:0", "-cert", "x"], "-cert and -key go together"),
        (["-serve", "127.0.0.1:0", "-against", "http://a"], "-against is for the test inside"),
        (["-serve", "127.0.0.1"], "-serve 127.0.0.1: "),
        (["-serve", "127.0.0.1:0", "-cert", "/none", "-key", "/none"], "/none: No such file"),
        (["stray"], 'unexpected argument "stray"; endpoints are named as: -against http://HOST'),
    ],
)
def test_a_slip_is_status_2_and_a_sentence(
    arguments: list[str], sentence: str, played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert sentence in capsys.readouterr().err
    assert played.places == []


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-help"]) == 0
    told = capsys.readouterr().err
    assert [flag.name for flag in FLAGS.flags if f"  -{flag.name}" not in told] == []


def test_an_interruption_is_status_2(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(place: Place, cases: Sequence[Case], checkpoint: Callable[[], None]) -> Findings:
        os.kill(os.getpid(), signal.SIGINT)
        checkpoint()
        raise AssertionError("the checkpoint raises")

    monkeypatch.setattr("iron_proxy.selftest.session.run_selftest", interrupted)

    assert run([]) == 2


@pytest.mark.slow
def test_the_canary_serves_until_it_is_told_to_stop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def visit_then_stop(self: object) -> None:
        if not asked:
            asked.append(1)
            port = int(capsys.readouterr().err.split()[3].rstrip(","))
            with socket.create_connection(("127.0.0.1", port), 10) as sock:
                sock.sendall(b"x ipst-0123456789abcdef-direct-tcp-1-end")
                assert sock.recv(100).startswith(b"selftest-canary:")
            return
        raise KeyboardInterrupt

    monkeypatch.setattr("iron_proxy.cli.interruption.Interruption.checkpoint", visit_then_stop)
    before = threading.active_count()

    assert run(["-serve", "127.0.0.1:0", "-json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["token"], told["transport"]) == ("ipst-0123456789abcdef-direct-tcp-1-end", "tcp")
    assert threading.active_count() <= before + 1      # the visitor's own may be ending


def test_a_port_in_use_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["-serve", f"127.0.0.1:{taken.getsockname()[1]}"]) == 1

    assert "cannot listen on" in capsys.readouterr().err
