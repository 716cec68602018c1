"""The first argument chooses the command; without one, the proxy is served."""

import os
import subprocess
import sys

import pytest

from iron_proxy.cli import (
    audit,
    check,
    demo,
    doctor,
    env,
    explain,
    generate_ca,
    init,
    main,
    nft,
    schema,
    secrets,
    serve,
    tproxy,
)
from iron_proxy.version import __version__


@pytest.mark.parametrize("word", ["version", "--version", "-version", "-v"])
def test_the_version_is_told_on_stdout(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([word]) == 0

    assert capsys.readouterr() == (f"{__version__}\n", "")


def test_an_unknown_command_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["serve-it"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    commands = (
        "run, generate-ca, demo, init, check, explain, schema, reload, secrets, audit, logs, learn, replay, "
        "env, doctor, selftest, nft, tproxy, action, help, version"
    )
    assert err == f'error: unknown command "serve-it" (commands: {commands}; to serve: -config FILE)\n'


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("chek", "check"), ("generate_ca", "generate-ca"), ("Demo", "demo"),
        ("--generate-ca", None), ("xyz", None), ("serve", None),
    ],
)
def test_a_command_that_is_nearly_one_is_asked_back(
    word: str, meant: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run([word]) == 2

    assert (f'(did you mean "{meant}"?)' in capsys.readouterr().err) == (meant is not None)


def test_help_is_what_minus_h_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["-h"]) == 0
    expected = capsys.readouterr()

    assert main.run(["help"]) == 0

    assert capsys.readouterr() == expected
    assert "iron-proxy help COMMAND" in expected.err


def test_help_for_what_is_no_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["help", "chek"]) == 2

    assert 'unknown command "chek" (did you mean "check"?)' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "module", "passed_on"),
    [
        ([], serve, []),
        (["help", "generate-ca"], generate_ca, ["-h"]),
        (["help", "secrets", "check"], secrets, ["check", "-h"]),
        (["-config", "x.yaml"], serve, ["-config", "x.yaml"]),
        (["--config=x.yaml"], serve, ["--config=x.yaml"]),
        (["generate-ca", "-outdir", "d"], generate_ca, ["-outdir", "d"]),
        (["demo", "-h"], demo, ["-h"]),
        (["secrets", "check", "-json"], secrets, ["check", "-json"]),
        (["audit", "verify", "x"], audit, ["verify", "x"]),
        (["init", "-list"], init, ["-list"]),
        (["check", "-strict"], check, ["-strict"]),
        (["explain", "GET", "x"], explain, ["GET", "x"]),
        (["schema"], schema, []),
        (["env", "-unset"], env, ["-unset"]),
        (["doctor", "-json"], doctor, ["-json"]),
        (["nft", "-uid", "1"], nft, ["-uid", "1"]),
        (["tproxy", "up"], tproxy, ["up"]),
    ],
    ids=["nothing", "help", "help for two words", "a flag", "a long flag", "generate-ca", "demo", "secrets", "audit",
         "init", "check", "explain", "schema", "env", "doctor", "nft", "tproxy"],
)
def test_the_rest_goes_to_the_command(
    arguments: list[str], module: object, passed_on: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def run(rest: list[str]) -> int:
        ran.append(rest)
        return 7

    monkeypatch.setattr(module, "run", run)

    assert main.run(arguments) == 7
    assert ran == [passed_on]


def test_the_script_exits_with_the_commands_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["iron-proxy", "no-such-command"])
    monkeypatch.setattr(sys, "path", list(sys.path))

    with pytest.raises(SystemExit) as ended:
        main.main()

    assert ended.value.code == 2


def test_no_socket_can_take_the_place_of_a_standard_error_that_is_closed() -> None:
    told = subprocess.run(
        [sys.executable, "-c", CLOSED_STDERR], stdout=subprocess.PIPE, check=True, preexec_fn=lambda: os.close(2)
    ).stdout.decode()

    assert told == "3 Bad file descriptor"


CLOSED_STDERR = """
import os, sys
from iron_proxy.cli import main
main._occupy_standard_descriptors()
next_one = os.open("/", os.O_RDONLY)
try:
    os.write(2, b"log")
except OSError as error:
    print(next_one, error.strerror, end="")
"""
