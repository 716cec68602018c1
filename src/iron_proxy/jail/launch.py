"""
The life of a jail, seen from outside: open, serve its doors, start the program, wait, close. Read this file first.

    jail = await Jail.open(plan)       # namespaces, network, files; nothing runs yet
    ... serve jail.doors ...
    await jail.start()                 # the program begins
    status = await jail.wait()         # as a shell would give it
    await jail.close()                 # whatever is left inside dies

The namespaces are made by a program of its own (`inside.py`); the two talk over a socket. When either end of it
closes, everything inside dies: the proxy cannot leave a program behind that has no proxy.

As root the same, with every user id mapped to itself. The program has no capabilities then, but it is root by user id:
files of root remain writable to it, those of the machine's settings excepted.
"""

import asyncio
import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

import iron_proxy
from iron_proxy.errors import JailUnavailable, system_reason
from iron_proxy.jail.hiding import Machine, decide_hiding
from iron_proxy.jail.orders import Message, Orders, receive, send
from iron_proxy.jail.plan import JailPlan
from iron_proxy.jail.refusal_reasons import Settings, sentence_for
from iron_proxy.jail.refused import RefusedConnections
from iron_proxy.linux.seccomp_filter import supported_machines

# A jail is made in a twentieth of a second; a machine that is busy with other things gets this much.
_OPEN_SECONDS = 15.0
# Dying takes milliseconds; a process that the kernel cannot interrupt (a dead network file system) takes forever.
_CLOSE_SECONDS = 5.0
_LOOKED_AT = ("/proc/self/mountinfo", "/proc/net/unix")
# The program inside needs nothing of the environment but the way to the libraries that Python itself may need.
_PASSED_ON = ("LD_LIBRARY_PATH",)
# A program that was killed because the jail went away.
_KILLED = 137

# -I: no variables, no current folder; -S: no site packages. What is imported is this package and the standard library.
_START = """\
import sys
sys.path.append(sys.argv[1])
from iron_proxy.jail.inside import main
main(int(sys.argv[2]), int(sys.argv[3]))
"""


class Jail:
    """Made by `open`; also an asynchronous context manager, which closes it."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, plan: JailPlan) -> None:
        self._process, self._control, self._plan = process, control, plan
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[Message] = loop.create_future()
        self._ended: asyncio.Future[int] = loop.create_future()
        self._received: list[socket.socket] = []
        self._is_closed = False
        self.doors: dict[str, socket.socket] = {}  # by name; the caller closes them
        self.not_shown: tuple[str, ...] = ()  # those of the plan's `files` that there was no place for
        self.refused = RefusedConnections(None)
        self.failure = ""  # why the program could not be started, as a shell would say it
        self.on_stopped: Callable[[], None] | None = None  # the program was stopped (Ctrl-Z)
        self.on_continued: Callable[[], None] | None = None

    @classmethod
    async def open(cls, plan: JailPlan) -> Self:
        """Make the namespaces and the doors. Raises JailUnavailable."""
        if sys.platform != "linux":
            raise JailUnavailable("only Linux has the namespaces that a jail is made of: run it with --weak")
        machine = os.uname().machine
        if machine not in supported_machines():
            known = " and ".join(supported_machines())
            raise JailUnavailable(f"there is no filter of system calls for {machine}, only for {known}")
        jail = cls(*_start_inside(_orders(plan)), plan)
        asyncio.get_running_loop().add_reader(jail._control, jail._read)
        try:
            await jail._become_ready()
        except BaseException:
            await jail.close()
            raise
        return jail

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start the program. Whether that worked is told by `wait`, and by `failure`."""
        self.refused.watch()
        self._say({"say": "start"})

    async def wait(self) -> int:
        """The exit status, 128 plus the number for a signal; 127 or 126, and `failure`, when it did not start."""
        return await asyncio.shield(self._ended)

    def signal(self, number: int) -> None:
        """Send a signal to the program, unless it went to the whole process group and has reached it already."""
        self._say({"say": "signal", "number": int(number)})

    async def close(self) -> None:
        """Everything inside dies. Twice does no harm. The door sockets are the caller's."""
        if self._is_closed:
            return
        self._is_closed = True
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        if not await _has_ended(self._process, _CLOSE_SECONDS):
            self._process.kill()
            await _has_ended(self._process, _CLOSE_SECONDS)
        self._process.poll()
        self.refused.close()
        if not self._ended.done():
            self._ended.set_result(_KILLED)
        self._ready.cancel()

    async def _become_ready(self) -> None:
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                message = await self._ready
        except TimeoutError as error:
            raise JailUnavailable(f"the jail was not ready within {_OPEN_SECONDS:.0f} s") from error
        if message["say"] != "ready":
            number, text = int(str(message["errno"])), str(message["text"])
            raise JailUnavailable(sentence_for(str(message["step"]), number, text, Settings.read()))
        not_shown = message["not_shown"]
        self.not_shown = tuple(map(str, not_shown)) if isinstance(not_shown, list) else ()
        self.doors = dict(zip((door.name for door in self._plan.doors), self._received, strict=False))
        if message["sees_refusals"]:
            self.refused = RefusedConnections(self._received[-1])

    def _read(self) -> None:
        try:
            message, sockets = receive(self._control)
        except BlockingIOError:
            return
        self._received += sockets
        match message:
            case None:
                self._take_end()
            case {"say": "unshared"}:
                self._say({"say": "mapped", "mapped": _map_every_id(self._process.pid)})
            case {"say": "ready" | "failed"} if not self._ready.done():
                self._ready.set_result(message)
            case {"say": "unstarted", "errno": int(number)}:
                self.failure = _why_not_started(self._plan.command[0], number)
            case {"say": "ended", "status": int(status)} if not self._ended.done():
                self._ended.set_result(status)
            case {"say": "stopped"} if self.on_stopped is not None:
                self.on_stopped()
            case {"say": "continued"} if self.on_continued is not None:
                self.on_continued()

    def _take_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._control)
        if not self._ready.done():
            self._ready.set_result({"say": "failed", "step": "start", "errno": 0, "text": "it ended at once"})
        if not self._ended.done():
            self._ended.set_result(_KILLED)

    def _say(self, message: Message) -> None:
        # Gone, or so far behind that its queue is full: either way there is nobody to tell.
        with contextlib.suppress(OSError):
            send(self._control, message)


def _start_inside(orders: Orders) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    written = os.memfd_create("iron-proxy-jail")
    try:
        os.write(written, orders.to_bytes())
        os.lseek(written, 0, os.SEEK_SET)
        package_folder = str(Path(iron_proxy.__file__).resolve().parent.parent)
        arguments = [package_folder, str(theirs.fileno()), str(written)]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
            [sys.executable, "-I", "-S", "-c", _START, *arguments],
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            pass_fds=(theirs.fileno(), written),
        )
    except OSError as error:
        ours.close()
        reason = system_reason(error)
        raise JailUnavailable(f"the jail's own program could not be started: {reason}") from error
    finally:
        theirs.close()
        os.close(written)
    return process, ours


def _check_streams() -> None:
    """A folder that is open already leads to what is hidden below it, and there is no honest use for one here."""
    for descriptor, name in enumerate(("input", "output", "error")):
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise JailUnavailable(f"standard {name} is a folder: redirect it to a file")


def _orders(plan: JailPlan) -> Orders:
    _check_streams()
    try:
        working_directory = os.getcwd()
    except OSError as error:
        raise JailUnavailable("the working directory does not exist any more: start from another one") from error
    binds = tuple(str(Path(path).absolute()) for path in plan.binds)
    mount_info, unix_sockets = (Path(path).read_text("utf-8", "surrogateescape") for path in _LOOKED_AT)
    hiding = decide_hiding(Machine(mount_info, unix_sockets, os.environ, working_directory), binds)
    return Orders(
        command=list(plan.command),
        environment=dict(plan.environment),
        working_directory=working_directory,
        limits={number: list(limit) for number, limit in plan.limits.items()},
        doors=[(door.port, door.is_udp) for door in plan.doors],
        files={str(Path(path).absolute()): content for path, content in plan.files.items()},
        hidden=[str(Path(path).absolute()) for path in plan.hidden],
        binds=list(binds),
        uid=plan.user.uid,
        gid=plan.user.gid,
        **hiding._asdict(),
    )


def _map_every_id(pid: int) -> bool:
    """Every user and group id to itself, which only root can do; False: let it map its own."""
    if os.geteuid() != 0:
        return False
    try:
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{name}").write_text("0 0 4294967295", encoding="ascii")
    except OSError:  # root of a user namespace, which has fewer ids
        return False
    return True


async def _has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    if process.poll() is not None:
        return True
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.poll() is not None


def _why_not_started(command: str, number: int) -> str:
    if "/" not in command and number in (errno.ENOENT, errno.ENOTDIR):
        return f"{command}: command not found"
    return f"{command}: {os.strerror(number).lower()}"
