"""
One worker as its supervisor sees it: a fresh process (fork and exec), what it says, and how it ended.

Exec'ed and not only forked: a successor is started by a process that has a loop and threads, of which a fork would
have copied half. So the first and the last worker are made in one way.
"""

import asyncio
import json
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Final

import msgspec

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.certs.leaf_signer import SignedLeaf
from iron_proxy.errors import IronProxyError, StartupError
from iron_proxy.runtime.audit_part import standard_error
from iron_proxy.runtime.fleet import Look
from iron_proxy.runtime.process_log import report
from iron_proxy.workers import messages
from iron_proxy.workers.channel import Channel, ChannelClosed
from iron_proxy.workers.doors import Doors
from iron_proxy.workers.lines import pass_lines
from iron_proxy.workers.messages import LeafWanted, Start

# A policy of 10,000 rules is built in seconds.
START_SECONDS: Final = 60.0
# How often a worker is asked how it stands, and how long it may take: a loop that stands still for this long serves
# nobody, and is better ended.
LOOK_EVERY: Final = 10.0
ANSWER_SECONDS: Final = 30.0
# What somebody who asks for metrics waits for.
GLANCE_SECONDS: Final = 3.0

# The modules of this process are found in the same places; -P keeps the working directory out of them.
_LINE: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from iron_proxy.workers.worker import main; main(sys.argv[2:])"
)

IssueLeaf = Callable[[LeafWanted], Awaitable[SignedLeaf]]


class WorkerProcess:
    """
    `launch` starts it, `end` waits until it has ended; both in tasks of the group.

    `state` is starting, serving or ended. `last_look` is how it stood when it was last asked.
    """

    def __init__(
        self, number: int, group: asyncio.TaskGroup, issue_leaf: IssueLeaf, show: Callable[[bytes], None],
        miss: Callable[[int], None],
    ) -> None:  # fmt: skip
        self.number = number
        self.state = "starting"
        self.started_at = monotonic()
        self.ended_at: float | None = None
        self.last_look: Look | None = None
        self.reading: list[asyncio.Task[None]] = []
        self._group = group
        self._issue_leaf = issue_leaf
        self.channel = Channel(
            group,
            {messages.LEAF: self._answer_leaf},
            {
                messages.RECORD: lambda body: show(msgspec.msgpack.decode(body, type=bytes)),
                messages.MISSED: lambda body: miss(msgspec.msgpack.decode(body, type=int)),
            },
        )
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, once there is one."""
        return None if self._process is None else self._process.pid

    @property
    def lived(self) -> float:
        """Seconds since it was started, up to its end."""
        return (self.ended_at or monotonic()) - self.started_at

    async def _answer_leaf(self, body: msgspec.Raw) -> SignedLeaf:
        return await self._issue_leaf(msgspec.msgpack.decode(body, type=LeafWanted))

    # --- start ------------------------------------------------------------------------------------------------------

    async def launch(
        self, doors: Doors, start: Start, audit: AuditEmitter, environment: Mapping[str, str]
    ) -> None:
        """
        Start it; returns once it serves. Raises StartupError, and then it has ended or is about to.

        `environment` is that of the supervisor's start, which by now has forgotten secrets.
        """
        control, audit_lines, log_lines = await self._execute(doors, environment)
        await self.channel.open(control)
        self.reading = [
            self._group.create_task(_pass_audit(audit_lines, audit), name=f"audit of worker {self.number}"),
            self._group.create_task(pass_lines(log_lines, self._take_log), name=f"log of worker {self.number}"),
        ]
        try:
            await self.channel.ask(messages.START, start, type(None), START_SECONDS)
        except IronProxyError as error:
            self.kill()
            raise StartupError(str(error)) from error
        except ChannelClosed as error:
            self.kill()
            raise StartupError("a worker ended before it served; proxy.workers: 1 may tell why") from error
        self.state = "serving"

    async def _execute(
        self, doors: Doors, environment: Mapping[str, str]
    ) -> tuple[socket.socket, socket.socket, socket.socket]:
        ours, theirs = zip(*(socket.socketpair() for _ in range(3)), strict=True)
        control, audit_lines, log_lines = theirs
        descriptors = [control.fileno(), audit_lines.fileno(), *(sock.fileno() for sock in doors.values())]
        places = [f"{name}={sock.fileno()}" for name, sock in doors.items()]
        command = [sys.executable, "-P", "-c", _LINE, json.dumps(sys.path), str(self.number)]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command, *map(str, descriptors[:2]), *places, stdin=asyncio.subprocess.DEVNULL,
                stderr=log_lines.fileno(), pass_fds=descriptors, start_new_session=True, env=environment,
            )  # fmt: skip
        except OSError as error:
            for sock in ours:
                sock.close()
            reason = (error.strerror or "no reason given").lower()
            raise StartupError(f"a worker cannot be started: {reason}") from error
        finally:
            for sock in theirs:
                sock.close()
        for sock in ours:
            sock.setblocking(False)
        return ours

    async def _take_log(self, lines: bytes) -> None:
        """Its log, for the one standard error. What is no line of it comes from the interpreter that breaks down."""
        whole = [line for line in lines.splitlines(keepends=True) if line.startswith(b"{")]
        standard_error().put_beside(b"".join(whole))
        if len(whole) < lines.count(b"\n"):
            # Its text is not told: it may quote what a client sent.
            report(logging.ERROR, "a worker wrote what is no log line", worker=self.number, bytes=len(lines))

    # --- life -------------------------------------------------------------------------------------------------------

    async def look(self, seconds: float = GLANCE_SECONDS) -> Look | None:
        """How it stands; None where it does not answer."""
        if self.state != "serving":
            return None
        try:
            self.last_look = await self.channel.ask(messages.LOOK, None, Look, seconds)
        except (ChannelClosed, IronProxyError):
            return None
        return self.last_look

    async def watch(self) -> None:
        """Ask it now and then; end one that does not answer."""
        while self.state == "serving":
            await asyncio.sleep(LOOK_EVERY)
            if await self.look(ANSWER_SECONDS) is None and self.state == "serving":
                report(logging.ERROR, "a worker does not answer and is ended", worker=self.number, pid=self.pid)
                self.kill()
                return

    async def end(self) -> str:
        """How it ended, once it has."""
        if self._process is None:
            self.state = "ended"
            return "it could not be started"
        status = await self._process.wait()
        self.state = "ended"
        self.ended_at = self.ended_at or monotonic()
        self.channel.close()
        return _told(status)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            try:
                self._process.kill()
            except ProcessLookupError:           # it has ended in this moment
                pass


async def _pass_audit(sock: socket.socket, audit: AuditEmitter) -> None:
    """Write its records, and say in strict mode how much is written (`audit_channel.py`)."""
    loop = asyncio.get_running_loop()
    written = 0

    async def take(lines: bytes) -> None:
        nonlocal written
        await audit.pass_on(lines)
        written += len(lines)
        if audit.is_strict:
            try:
                await loop.sock_sendall(sock, written.to_bytes(8, "big"))
            except ConnectionError:              # it is gone; the rest of what it wrote is still to come
                pass

    await pass_lines(sock, take)


def _told(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
