"""A worker in the test's own loop, with the test as its supervisor."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from tests.unit.certs.ca_material import make_authority

from iron_proxy.certs.issued_leaves import IssuedLeaves
from iron_proxy.certs.leaf_signer import SignedLeaf
from iron_proxy.version import __version__
from iron_proxy.workers import messages
from iron_proxy.workers.channel import Channel
from iron_proxy.workers.doors import Doors, SharedPorts
from iron_proxy.workers.messages import LeafWanted, Policy, Start
from iron_proxy.workers.worker import Worker

LONG = 20.0
# Everything is denied.
TEXT = b"dns: {enabled: false}\ntls: {ca_cert: a, ca_key: b}\nproxy: {workers: 2}\n"


def policy(text: bytes = TEXT, generation: int = 1, **changes: Any) -> Policy:
    return msgspec.structs.replace(Policy(text, generation, has_ca=True, keeps_leaves=False), **changes)


def start_of(text: bytes = TEXT, version: str = __version__) -> Start:
    return Start(version, "proxy.yaml", policy(text), [("127.0.0.1", 1)])


class Supervised:
    """`channel` asks the worker, `audit` is where its records come out."""

    def __init__(self, channel: Channel, audit: socket.socket, doors: Doors, task: "asyncio.Task[None]") -> None:
        self.channel, self.audit, self.doors, self.task = channel, audit, doors, task
        self.shown: list[bytes] = []
        self.leaves = IssuedLeaves(make_authority(), 10, 72)

    async def start(self, start: Start | None = None) -> None:
        """Let it serve."""
        await self.channel.ask(messages.START, start or start_of(), type(None))

    async def get(self, path: str = "/") -> bytes:
        """The answer to a request on a connection of its own."""
        reader, writer = await asyncio.open_connection(*self.doors["http"].getsockname())
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def answer_leaf(self, body: msgspec.Raw) -> SignedLeaf:
        wanted = msgspec.msgpack.decode(body, type=LeafWanted)
        return await self.leaves.issue(wanted.host, wanted.is_ip, wanted.admitted)


@asynccontextmanager
async def supervised(ports: SharedPorts) -> AsyncIterator[Supervised]:
    """A worker that waits for its start. It is told to end, if it has not."""
    thresholds = gc.get_threshold()
    control, its_control = socket.socketpair()
    audit, its_audit = socket.socketpair()
    doors = ports.open()
    its_doors = {name: sock.dup() for name, sock in doors.items()}
    for sock in its_doors.values():
        sock.setblocking(False)
    try:
        async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
            task = group.create_task(Worker(its_control, its_audit, its_doors, {}).serve())
            shown: list[bytes] = []
            told: dict[str, Any] = {}
            channel = Channel(
                group,
                {messages.LEAF: lambda body: told["worker"].answer_leaf(body)},
                {
                    messages.RECORD: lambda body: shown.append(msgspec.msgpack.decode(body)),
                    messages.MISSED: lambda body: None,
                },
            )
            await channel.open(control)
            worker = told["worker"] = Supervised(channel, audit, doors, task)
            worker.shown = shown
            try:
                yield worker
            finally:
                channel.tell(messages.CUT, None)
                await asyncio.wait([task])
                channel.close()
                await channel.closed.wait()
    finally:
        for sock in (audit, its_audit, *doors.values(), *its_doors.values()):
            sock.close()
        gc.set_threshold(*thresholds)


