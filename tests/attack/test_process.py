"""OS and DOS: files that are written, code that is not imported, and what many or slow clients cost."""

import os
import resource
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest
from tests.conftest import Fresh
from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import ProxyCA, RunningProxy, request
from tests.fakes.wire_client import Way, connect


def generate_ca(directory: Path, *, umask: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "iron_proxy", "generate-ca", "-outdir", str(directory), "-alg", "ed25519"],
        capture_output=True, text=True, umask=umask, check=False, timeout=20,
    )  # fmt: skip


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_os_01_the_key_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    first = generate_ca(tmp_path, umask=umask)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("ca.key", "ca.crt")]
    content = (tmp_path / "ca.key").read_bytes()
    second = generate_ca(tmp_path, umask=umask)

    assert (first.returncode, modes) == (0, [0o600, 0o644])
    assert second.returncode == 1
    assert (tmp_path / "ca.key").read_bytes() == content


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
def test_os_01_what_stands_in_the_keys_place_is_not_written_through(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "elsewhere"
    if kind == "symlink":
        (tmp_path / "ca.key").symlink_to(target)
    else:
        os.mkfifo(tmp_path / "ca.key")

    ended = generate_ca(tmp_path, umask=0o022)

    assert ended.returncode == 1
    assert not target.exists()
    assert not (tmp_path / "ca.crt").exists()


# Of the standard library, of ours, and of those that are looked for and may not be there.
HOSTILE = ("ssl", "yaml", "uvloop", "msgspec", "ctypes", "asyncio", "cryptography", "ruamel", "usercustomize")


@pytest.mark.parametrize(
    ("how", "variables"),
    [
        *((how, each) for how in ("script", "module") for each in ({}, {"PYTHONPATH": "."}, {"PYTHONPATH": ":/none"})),
        ("module", {"PYTHONSTARTUP": "ssl.py"}),
        ("isolated", {"PYTHONPATH": "."}),
    ],
)
def test_os_07_nothing_is_imported_from_the_working_directory(
    how: str, variables: dict[str, str], tmp_path: Path, internet: Internet, proxy_ca: ProxyCA
) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name in HOSTILE if how == "module" else (*HOSTILE, "sitecustomize", "iron_proxy"):
        if name != "sitecustomize" or not variables.get("PYTHONPATH"):  # that runs before any program of ours
            (hostile / f"{name}.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\nraise SystemExit(99)\n")
    if how == "script" and variables.get("PYTHONPATH"):
        (hostile / "iron_proxy.py").unlink()  # the script itself is looking for that
    proxy = RunningProxy(base_config(internet, proxy_ca), tmp_path, internet, proxy_ca, variables)
    starts = {
        "script": [str(Path(sys.executable).with_name("iron-proxy"))],
        "module": [sys.executable, "-m", "iron_proxy"],
        "isolated": [sys.executable, "-I", "-m", "iron_proxy"],
    }

    ended = subprocess.run(
        [*starts[how], "check", "-config", str(proxy.file)], cwd=hostile, env=proxy.environment, capture_output=True,
        check=False, timeout=20,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "canary").exists()


def _timed(proxy: RunningProxy) -> float:
    started = monotonic()
    assert proxy.ask(Way.HTTP).status == 200
    return monotonic() - started


@pytest.mark.slow
def test_dos_06_when_descriptors_run_out_the_rest_is_served_again_soon(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy()
    resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (96, 96))
    with ExitStack() as stack:
        held = [stack.enter_context(connect(proxy.addresses["http"])) for _ in range(150)]
        before, started = proxy.cpu_seconds(), monotonic()
        held[0].sendall(request("/slow", proxy.authority(Way.HTTP, "ok.test")))
        held[0].settimeout(30)
        held[0].recv(1000)  # 502 after two seconds, or later on a busy machine: the time in which it could spin
        spent, waited = proxy.cpu_seconds() - before, monotonic() - started
    proxy.started += 1
    released = monotonic()
    # Until the loop has seen the others go, one more is closed unanswered: it has no descriptor.
    while proxy.ask(Way.HTTP).status != 200:
        assert monotonic() - released < 10

    assert spent < 0.5 * waited
    assert len(proxy.lines) < 100, "the log was flooded"


@pytest.mark.slow
def test_dos_07_an_upstream_that_never_answers_is_given_up_and_harms_no_other(proxy: RunningProxy) -> None:
    host = proxy.authority(Way.HTTP, "ok.test")
    waiting = [proxy.open(Way.HTTP, "ok.test") for _ in range(50)]
    started = monotonic()
    for session in waiting:
        proxy.started += 1
        session.send(request("/slow", host))
    slowest = max(_timed(proxy) for _ in range(20))
    statuses = {session.read_answer().status for session in waiting}

    assert statuses == {502}
    assert 1.5 < monotonic() - started < 3.5
    assert slowest < 1.5  # it would be two seconds and more behind one of those that wait
