import json
import os
import signal
from collections.abc import Callable

import pytest
from tests.unit.demo.demo_runs import good_run

from iron_proxy.cli.demo import FLAGS, run
from iron_proxy.demo.observation import DemoRun
from iron_proxy.errors import StartupError


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], DemoRun]], None]:
    """What stands in for the demo itself."""

    def replace(play: Callable[[], DemoRun]) -> None:
        monkeypatch.setattr("iron_proxy.demo.run.run_demo", lambda checkpoint: (play(), checkpoint())[0])

    return replace


def spoilt_run() -> DemoRun:
    demo = good_run()
    demo.observations[1].client.status = 200
    return demo


Played = Callable[[Callable[[], DemoRun]], None]


def test_a_demo_that_went_well_is_status_0(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    played(good_run)

    assert run([]) == 0

    out, err = capsys.readouterr()
    assert "All 7 requests went as they should" in out
    assert err == ""


def test_a_surprise_is_status_1_and_a_sentence(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    played(spoilt_run)

    assert run([]) == 1

    assert "request 2: the client saw status 200 where 403 was due" in capsys.readouterr().out


@pytest.mark.parametrize(("play", "status"), [(good_run, 0), (spoilt_run, 1)], ids=["good", "spoilt"])
def test_json_is_the_only_thing_printed(
    play: Callable[[], DemoRun], status: int, played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    played(play)

    assert run(["--json"]) == status

    out, err = capsys.readouterr()
    assert json.loads(out)["ok"] == (status == 0)
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "variables", "has_colours"),
    [
        ([], {}, True),
        (["--no-color"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"NO_COLOR": ""}, True),
    ],
    ids=["terminal", "--no-color", "NO_COLOR", "empty NO_COLOR"],
)
def test_colours_can_be_switched_off(
    arguments: list[str],
    variables: dict[str, str],
    has_colours: bool,
    played: Played,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played(good_run)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", **variables}.items():
        monkeypatch.setenv(name, value)

    run(arguments)

    assert ("\x1b[" in capsys.readouterr().out) == has_colours


def test_a_proxy_that_does_not_start_is_status_1(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> DemoRun:
        raise StartupError("the proxy did not start and said nothing")

    played(fail)

    assert run(["--json"]) == 1

    assert capsys.readouterr() == ("", "error: the proxy did not start and said nothing\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=["TERM", "HUP", "INT"])
def test_a_signal_ends_it_at_the_next_checkpoint(
    number: signal.Signals, played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)

    def be_interrupted() -> DemoRun:
        os.kill(os.getpid(), number)
        return good_run()

    played(be_interrupted)

    assert run(["--json"]) == 1

    assert capsys.readouterr() == ("", "error: interrupted; everything has been stopped and removed\n")
    assert signal.getsignal(number) == before


def test_a_second_signal_does_not_wait_for_a_checkpoint(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    def be_interrupted_twice() -> DemoRun:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second one was not obeyed")

    played(be_interrupted_twice)

    assert run(["--json"]) == 1

    assert capsys.readouterr().err.startswith("error: interrupted")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-foo"], "flag provided but not defined: -foo"),
        (["proxy.yaml"], 'unexpected argument "proxy.yaml"'),
    ],
    ids=["unknown flag", "positional"],
)
def test_a_bad_command_line_is_answered_with_the_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(arguments)

    assert (status, capsys.readouterr()) == (2, ("", f"{message}\n{FLAGS.usage()}"))


def test_help_is_the_usage_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["--help"])

    assert (status, capsys.readouterr()) == (0, ("", FLAGS.usage()))
