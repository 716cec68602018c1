"""`iron-proxy env` in real shells: what they evaluate arrives as it is, and a client works by it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iron_proxy.certs.generation import generate_ca
from iron_proxy.doctor.own_proxy import OwnProxy

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

COMMAND = [sys.executable, "-m", "iron_proxy", "env"]
# A password with everything that a shell could take for its own.
PROXY = "http://name:a'b\"c$HOME`id`(x);&*!%5C@127.0.0.1:8080"
EVALUATE = {
    "bash": 'eval "$("$@")" && exec env -0',
    "sh": 'eval "$("$@")" && exec env -0',
    "dash": 'eval "$("$@")" && exec env -0',
    "zsh": 'eval "$("$@")" && exec env -0',
    "fish": "$argv | source; and exec env -0",
}
REMOVE = {
    **dict.fromkeys(("bash", "sh", "dash", "zsh"), 'eval "$("$@")" && eval "$("$@" -unset)" && exec env -0'),
    "fish": "$argv | source; and $argv -unset | source; and exec env -0",
}


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    folder = tmp_path / "it's a \"folder\" $HOME `x` \\ é"
    folder.mkdir()
    (folder / "ca.crt").write_bytes(generate_ca("test", 24, "p256").certificate_pem)
    return folder / "ca.crt"


def told(*arguments: str) -> dict[str, str]:
    done = subprocess.run([*COMMAND, *arguments, "-shell", "json"], capture_output=True, check=True)
    variables: dict[str, str] = json.loads(done.stdout)
    return variables


def environment_after(shell: str, script: str, *arguments: str) -> dict[str, str]:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    form = "fish" if shell == "fish" else "bash"
    # fish has no $0: its arguments begin at once.
    zeroth = [] if shell == "fish" else [shell]
    command = [program, "-c", script, *zeroth, *COMMAND, *arguments, "-shell", form]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(command, env={**kept, "LANG": "C.UTF-8"}, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    pairs = [entry.partition(b"=") for entry in done.stdout.split(b"\0") if entry]
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


@pytest.mark.parametrize("shell", EVALUATE)
def test_a_shell_takes_every_value_as_it_is(shell: str, ca: Path) -> None:
    arguments = ("-ca", str(ca), "-proxy", PROXY)

    evaluated = environment_after(shell, EVALUATE[shell], *arguments)

    assert {name: evaluated.get(name) for name in told(*arguments)} == told(*arguments)


@pytest.mark.parametrize("shell", REMOVE)
def test_a_shell_loses_them_all_again(shell: str, ca: Path) -> None:
    evaluated = environment_after(shell, REMOVE[shell], "-ca", str(ca), "-proxy", PROXY)

    assert not told("-ca", str(ca), "-proxy", PROXY).keys() & evaluated.keys()


def test_a_file_for_docker_holds_the_values_as_they_are(ca: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "-ca", str(ca), "-proxy", PROXY, "-shell", "docker"], capture_output=True, check=True
    )

    lines = done.stdout.decode().splitlines()
    assert {name: value for name, _, value in (line.partition("=") for line in lines)} == told(
        "-ca", str(ca), "-proxy", PROXY
    )


def test_a_program_works_by_what_was_evaluated(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with OwnProxy(tmp_path) as proxy:
        script = 'eval "$("$1" -m iron_proxy env -ca "$2" -proxy "$3")" && exec curl -sS --fail "$4/hello"'
        arguments = ["sh", sys.executable, proxy.ca.certificate, proxy.proxy_url, proxy.proxied_url("curl")]
        done = subprocess.run(
            ["sh", "-c", script, *arguments], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
            check=False, timeout=30,
        )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "iron-proxy doctor\n"), done.stderr


def test_java_reads_the_store(ca: Path, tmp_path: Path) -> None:
    if shutil.which("keytool") is None:
        pytest.skip("keytool is not installed")
    subprocess.run([*COMMAND, "-ca", str(ca), "-bundle", str(tmp_path / "b.crt")], capture_output=True, check=True)

    listed = subprocess.run(
        ["keytool", "-list", "-keystore", str(tmp_path / "b.p12"), "-storepass", "changeit"], capture_output=True,
        text=True, check=True, timeout=30,
    )  # fmt: skip

    assert "iron-proxy-0, " in listed.stdout
    assert "trustedCertEntry" in listed.stdout
