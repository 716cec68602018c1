"""A real worker process: from exec to its end."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.log_lines import LogLines
from tests.unit.certs.ca_material import make_authority
from tests.unit.runtime.assembled import EVERYTHING
from tests.unit.workers.supervised import LONG, start_of

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.certs.issued_leaves import IssuedLeaves
from iron_proxy.certs.leaf_signer import SignedLeaf
from iron_proxy.errors import StartupError
from iron_proxy.workers import process as process_module
from iron_proxy.workers.doors import SharedPorts, close_doors
from iron_proxy.workers.messages import LeafWanted
from iron_proxy.workers.process import WorkerProcess

PROXY = replace(EVERYTHING.proxy, https_listen=None, tunnel_listen=None)


class Supervisor:
    """What a worker is given, and what comes of it."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.written: list[bytes] = []
        self.audit = AuditEmitter(seed_envelope, self.written.append)
        self.leaves = IssuedLeaves(make_authority(), 10, 72)
        self.doors = SharedPorts(PROXY).open()
        self.worker = WorkerProcess(4, group, self.issue, lambda line: None, lambda count: None)

    async def issue(self, wanted: LeafWanted) -> SignedLeaf:
        return await self.leaves.issue(wanted.host, wanted.is_ip, wanted.admitted)

    async def get(self) -> bytes:
        reader, writer = await asyncio.open_connection(*self.doors["http"].getsockname())
        writer.write(b"GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer


@pytest.mark.slow
async def test_it_serves_answers_and_dies(process_log: LogLines) -> None:
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
        supervisor = Supervisor(group)
        worker = supervisor.worker
        assert (worker.state, worker.pid) == ("starting", None)
        await worker.launch(supervisor.doors, start_of(), supervisor.audit, os.environ)
        assert worker.state == "serving"
        assert b" 403 " in await supervisor.get()
        look = await worker.look(LONG)
        pid = worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSEGV)
        reason = await worker.end()
        await asyncio.wait(worker.reading)
        lived = worker.lived
        assert await worker.look() is None
    close_doors(supervisor.doors)

    assert look is not None
    assert look is worker.last_look
    assert (reason, worker.state) == ("killed by SIGSEGV", "ended")
    assert worker.lived == lived
    assert json.loads(b"".join(supervisor.written))["path"] == "/x"


@pytest.mark.slow
async def test_one_that_cannot_start_says_why(process_log: LogLines) -> None:
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
        supervisor = Supervisor(group)
        with pytest.raises(StartupError, match=r"^proxy\.yaml:4: prxy: unknown key"):
            await supervisor.worker.launch(
                supervisor.doors, start_of(start_of().policy.text + b"prxy: 1\n"), supervisor.audit, os.environ  # type: ignore[operator]
            )
        assert (await supervisor.worker.end()).startswith(("killed by SIGKILL", "exit status "))
    close_doors(supervisor.doors)


@pytest.mark.slow
async def test_one_that_does_not_answer_is_ended(process_log: LogLines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(process_module, "ANSWER_SECONDS", 0.3)
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
        supervisor = Supervisor(group)
        await supervisor.worker.launch(supervisor.doors, start_of(), supervisor.audit, os.environ)
        assert supervisor.worker.pid is not None
        os.kill(supervisor.worker.pid, signal.SIGSTOP)
        await supervisor.worker.watch()
        assert await supervisor.worker.end() == "killed by SIGKILL"
    close_doors(supervisor.doors)

    assert process_log.said("a worker does not answer and is ended")["worker"] == 4


async def test_an_interpreter_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    async with asyncio.TaskGroup() as group:
        supervisor = Supervisor(group)
        with pytest.raises(StartupError, match=r"^a worker cannot be started: no such file or directory$"):
            await supervisor.worker.launch(supervisor.doors, start_of(), supervisor.audit, os.environ)
        assert await supervisor.worker.end() == "it could not be started"
        supervisor.worker.kill()
    close_doors(supervisor.doors)


async def test_of_its_log_only_lines_are_passed_on(process_log: LogLines, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[bytes] = []

    class Outlet:
        put_beside = staticmethod(passed.append)

    def outlet() -> Any:
        return Outlet

    monkeypatch.setattr(process_module, "standard_error", outlet)
    async with asyncio.TaskGroup() as group:
        supervisor = Supervisor(group)
        await supervisor.worker._take_log(b'{"msg":"x"}\nFatal Python error: a secret\n{"msg":"y"}\n')
    close_doors(supervisor.doors)

    assert passed == [b'{"msg":"x"}\n{"msg":"y"}\n']
    assert process_log.said("a worker wrote what is no log line")["worker"] == 4
    assert b"secret" not in b"".join(process_log.written)
