"""A jailed program lives as if it ran directly: who it is, what it is given, how it ends and who ends with it."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.end_to_end.jailed import Person, root, run_code, run_jailed, start_jailed

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]


def test_the_program_is_who_started_it_and_where(person: Person, place: Path) -> None:
    outcome = run_jailed(person, ["sh", "-c", "id -u; id -g; pwd; echo made > file; echo $NAME"], place, environment={
        "PATH": os.environ["PATH"], "NAME": "value",
    })  # fmt: skip

    uid = str(os.geteuid() if person.uid is None else person.uid)
    assert outcome.stdout.split() == [uid, uid, str(place), "value"]
    assert (place / "file").stat().st_uid == int(uid)


def test_it_has_no_privilege_and_gets_none(person: Person, place: Path) -> None:
    outcome = run_jailed(person, ["grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status"], place)

    fields = dict(line.split(":\t") for line in outcome.stdout.splitlines())
    assert fields == {
        **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16),
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }


def test_it_inherits_three_descriptors(person: Person, place: Path) -> None:
    code = "attempt('open', lambda: [d for d in range(100) if os.path.exists(f'/proc/self/fd/{d}')])"

    assert run_code(person, code, place).results == {"open": "[0, 1, 2]"}


@pytest.mark.parametrize(
    ("command", "status", "failure"),
    [
        (["sh", "-c", "exit 77"], 77, ""),
        (["sh", "-c", "kill -SEGV $$"], 139, ""),
        (["no-such-command"], 127, "no-such-command: command not found"),
        (["/etc/passwd"], 126, "/etc/passwd: permission denied"),
    ],
)
def test_its_exit_status_is_ours(person: Person, place: Path, command: list[str], status: int, failure: str) -> None:
    outcome = run_jailed(person, command, place)

    assert (outcome.status, outcome.report["failure"]) == (status, failure)


def test_standard_input_is_its_own(person: Person, place: Path) -> None:
    process, reading = start_jailed(person, ["tr", "a-z", "A-Z"], place, popen={"stdin": subprocess.PIPE})
    stdout, _ = process.communicate("through the jail", timeout=30)
    os.close(reading)

    assert stdout == "THROUGH THE JAIL"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_the_proxy_is_the_programs(person: Person, place: Path, number: signal.Signals) -> None:
    script = f"trap 'echo heard; exit 9' {number.name[3:]}; echo ready; while :; do sleep 0.05; done"
    process, reading = start_jailed(person, ["sh", "-c", script], place)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    os.kill(process.pid, number)
    stdout, _ = process.communicate(timeout=30)
    os.close(reading)

    assert (stdout, process.returncode) == ("heard\n", 9)


def test_what_a_group_is_sent_arrives_once(person: Person, place: Path) -> None:
    """As from a terminal: the program has it already when the proxy gets it."""
    script = "trap 'echo heard' INT; echo ready; sleep 0.4; sleep 0.4; exit 3"
    process, reading = start_jailed(person, ["sh", "-c", script], place)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    os.killpg(process.pid, signal.SIGINT)
    stdout, _ = process.communicate(timeout=30)
    os.close(reading)

    assert (stdout, process.returncode) == ("heard\n", 3)


def test_everything_inside_dies_with_the_program(person: Person, place: Path) -> None:
    """Also what has left its session; whoever lives holds the output open, and `communicate` would wait."""
    outcome = run_jailed(person, ["sh", "-c", "setsid sleep 1000 & (sleep 1000 &) ; exit 0"], place)

    assert outcome.status == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_everything_inside_dies_with_the_proxy(person: Person, place: Path, number: signal.Signals) -> None:
    process, reading = start_jailed(person, ["sh", "-c", "setsid sleep 1000 & echo ready; sleep 1000"], place)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    process.send_signal(number)

    process.communicate(timeout=30)
    os.close(reading)


def test_nothing_can_be_made_where_namespaces_are_forbidden() -> None:
    """As in a chroot or a container: here the machine's limit, in a namespace of the test's own."""
    code = (
        "import ctypes, os, subprocess, sys; libc = ctypes.CDLL(None); uid = os.getuid(); "
        "assert libc.unshare(0x10000000) == 0; open('/proc/self/uid_map', 'w').write(f'{uid} {uid} 1'); "
        "open('/proc/sys/user/max_user_namespaces', 'w').write('0'); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    person = root()  # whose namespace has a root to write the limit
    driver = Path(__file__).with_name("jail_driver.py")
    spec = {"command": ["true"], "environment": {}, "doors": [], "files": {}, "hidden": [], "binds": [],
            "directory": "/", "answers": True}  # fmt: skip
    done = subprocess.run(
        [person.python, "-c", code, person.python, "-B", str(driver), json.dumps(spec), "1"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(driver.parents[2] / "src")},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 99, done.stderr
    assert "sysctl -w user.max_user_namespaces" in json.loads(done.stdout)["failure"]


def test_a_jail_is_open_in_a_fraction_of_a_second(person: Person, place: Path) -> None:
    """0.15 s is the aim, 0.05 s is usual on an idle machine; a busy one has other limits."""
    fastest = min(run_jailed(person, ["true"], place).report["open_seconds"] for _ in range(3))

    assert fastest < 0.5
