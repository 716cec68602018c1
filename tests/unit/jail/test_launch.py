import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from iron_proxy.errors import JailUnavailable
from iron_proxy.jail import launch
from iron_proxy.jail.launch import Jail
from iron_proxy.jail.plan import Door, JailPlan


async def opened(*command: str, **parts: Any) -> Jail:
    try:
        return await Jail.open(JailPlan(command or ("true",), dict(os.environ), **parts))
    except JailUnavailable as error:
        if "user namespace" in str(error) or "AppArmor" in str(error):
            pytest.skip(str(error))
        raise


@contextlib.asynccontextmanager
async def running(*command: str, **parts: Any) -> AsyncIterator[Jail]:
    async with await opened(*command, **parts) as jail:
        await jail.start()
        yield jail


async def test_the_doors_are_here_by_name_and_listening() -> None:
    async with await opened(doors=(Door("http", 80), Door("dns", 53, is_udp=True))) as jail:
        assert {name: door.getsockname()[1] for name, door in jail.doors.items()} == {"http": 80, "dns": 53}
        assert jail.doors["http"].getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert jail.doors["dns"].type == socket.SOCK_DGRAM
        for door in jail.doors.values():
            door.close()


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 42", 42), ("kill -INT $$", 130)])
async def test_the_exit_status_is_a_shells(script: str, status: int) -> None:
    async with running("sh", "-c", script) as jail:
        assert await jail.wait() == status
        assert await jail.wait() == status


@pytest.mark.parametrize(
    ("command", "status", "failure"),
    [
        ("no-such-command", 127, "no-such-command: command not found"),
        ("/no/such/file", 127, "/no/such/file: no such file or directory"),
        ("/etc/hostname", 126, "/etc/hostname: permission denied"),
        ("/", 126, "/: permission denied"),
    ],
)
async def test_a_program_that_cannot_be_started_is_told_as_by_a_shell(command: str, status: int, failure: str) -> None:
    async with running(command) as jail:
        assert await jail.wait() == status
        assert jail.failure == failure


async def test_a_signal_reaches_the_program() -> None:
    async with running("sleep", "1000") as jail:
        jail.signal(signal.SIGTERM)

        assert await jail.wait() == 143


async def test_closing_ends_the_program() -> None:
    async with running("sleep", "1000") as jail:
        pass

    assert await jail.wait() == 137
    await jail.close()
    jail.signal(signal.SIGTERM)


async def test_a_jail_that_goes_away_ends_the_wait() -> None:
    async with running("sleep", "1000") as jail:
        jail._process.kill()

        assert await asyncio.wait_for(jail.wait(), 20) == 137


async def test_files_without_a_place_are_named(tmp_path: Path) -> None:
    files = {"/run/iron-proxy/ca.pem": b"x", str(tmp_path / "new"): b"x"}
    async with await opened(files=files) as jail:
        assert jail.not_shown == (str(tmp_path / "new"),)


async def test_limits_are_what_they_were(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with running("sh", "-c", f"ulimit -c > {out}; ulimit -n >> {out}", limits={4: (0, 0), 7: (64, 64)}) as jail:
        await jail.wait()

    assert out.read_text().split() == ["0", "64"]


async def test_two_doors_with_one_port_are_an_error() -> None:
    with pytest.raises(JailUnavailable, match="same port"):
        await opened(doors=(Door("a", 80), Door("b", 80)))


@pytest.mark.parametrize(
    ("place", "name", "value", "reason"),
    [
        (sys, "platform", "darwin", "only Linux"),
        (sys, "executable", "/no/such/python", "could not be started: no such file"),
        (launch, "_START", "import sys; sys.exit(3)", "ended at once"),
        (launch, "_START", "import time; time.sleep(1000)", "not ready within"),
        (launch, "supported_machines", lambda: ("pdp11",), "only for pdp11"),
    ],
)
async def test_where_there_can_be_no_jail_it_says_why(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, value: object, reason: str
) -> None:
    monkeypatch.setattr(launch, "_OPEN_SECONDS", 0.3 if "not ready" in reason else 15.0)
    monkeypatch.setattr(launch, "_CLOSE_SECONDS", 0.1)
    monkeypatch.setattr(place, name, value)

    with pytest.raises(JailUnavailable, match=reason):
        await Jail.open(JailPlan(("true",), {}))


async def test_a_kernel_that_refuses_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    refuses = (
        "import sys, socket; sys.path.append(sys.argv[1]); from iron_proxy.jail.orders import send; "
        f"send(socket.socket(fileno=int(sys.argv[2])), "
        f"dict(say='failed', step='processes', errno={errno.EPERM}, text=''))"
    )
    monkeypatch.setattr(launch, "_START", refuses)

    with pytest.raises(JailUnavailable, match="systempaths=unconfined"):
        await Jail.open(JailPlan(("true",), {}))


async def test_a_folder_as_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[[int], os.stat_result] = os.fstat
    monkeypatch.setattr(os, "fstat", lambda descriptor: os.stat("/") if descriptor == 0 else real(descriptor))

    with pytest.raises(JailUnavailable, match="standard input is a folder"):
        await Jail.open(JailPlan(("true",), {}))


async def test_a_working_directory_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", gone)

    with pytest.raises(JailUnavailable, match="working directory"):
        await Jail.open(JailPlan(("true",), {}))


async def test_it_is_open_in_a_fraction_of_a_second() -> None:
    """About 0.05 s on an idle machine; `iron-proxy run` has 0.4 s for everything."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    async with await opened():
        assert loop.time() - begin < 2.0
