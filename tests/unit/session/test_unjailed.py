import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.unit.session.session_orders import Told, prepared

from iron_proxy.session import unjailed
from iron_proxy.session.unjailed import run_unjailed


async def test_the_program_is_told_of_the_proxy_and_the_files_are_gone_afterwards(tmp_path: Path) -> None:
    out = tmp_path / "environment"
    script = f'env > {out}; test -s "$SSL_CERT_FILE" && test -s "$NODE_EXTRA_CA_CERTS"; exit $?'

    ending = await run_unjailed(prepared("sh", "-c", script), Told().records)

    variables = dict(line.split("=", 1) for line in out.read_text().splitlines())
    assert ending.status == 0
    assert variables["HTTPS_PROXY"].startswith("http://run:")
    assert variables["HTTPS_PROXY"] == variables["https_proxy"]
    assert not Path(variables["SSL_CERT_FILE"]).exists()


@pytest.mark.parametrize(
    ("command", "status", "failure"),
    [
        (("sh", "-c", "exit 4"), 4, ""),
        (("sh", "-c", "kill -TERM $$"), 143, ""),
        (("no-such-program",), 127, "no-such-program: command not found"),
        (("/no/such/program",), 127, "/no/such/program: no such file or directory"),
        (("/etc/hostname",), 126, "/etc/hostname: permission denied"),
    ],
)
async def test_the_status_is_a_shells(command: tuple[str, ...], status: int, failure: str) -> None:
    ending = await run_unjailed(prepared(*command), Told().records)

    assert (ending.status, ending.failure, ending.refused) == (status, failure, None)


async def test_a_text_without_an_interpreter_is_run_by_the_shell(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("exit 9\n")
    script.chmod(0o755)

    assert (await run_unjailed(prepared(str(script)), Told().records)).status == 9


async def test_signals_to_the_proxy_are_passed_on_and_those_of_the_terminal_are_not(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    pipe = os.open(ready, os.O_RDWR)  # both ends: opening waits for nobody
    is_ready = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe, is_ready.set)
    script = f"trap 'exit 5' TERM; trap 'exit 6' INT; echo > {ready}; while :; do sleep 0.02; done"
    running = asyncio.gather(run_unjailed(prepared("sh", "-c", script), Told().records))
    async with asyncio.timeout(10):
        await is_ready.wait()
    asyncio.get_running_loop().remove_reader(pipe)
    os.close(pipe)

    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    (ending,) = await running

    assert ending.status == 5


@pytest.mark.slow
async def test_limits_are_given_back(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    out = tmp_path / "limit"
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    try:
        limit = 4096 if hard == resource.RLIM_INFINITY else hard
        script = f"sleep 0.2; ulimit -c > {out}"
        await run_unjailed(prepared("bash", "-c", script, limits={resource.RLIMIT_CORE: (limit, hard)}), Told().records)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))

    assert out.read_text() == f"{limit // 1024}\n"


async def test_a_signal_that_comes_before_the_start_has_returned_reaches_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = unjailed._start

    def start_signalled(command: tuple[str, ...], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        program = start(command, environment)
        os.kill(os.getpid(), signal.SIGTERM)
        return program

    monkeypatch.setattr(unjailed, "_start", start_signalled)

    ending = await run_unjailed(prepared("sleep", "60"), Told().records)

    assert ending.status == 128 + signal.SIGTERM
