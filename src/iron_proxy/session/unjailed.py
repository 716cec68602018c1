"""
`-weak`: a program that is only told to go through the proxy, by its environment.

It can ignore that. Nothing is hidden from it, and it may outlive a proxy that is killed. For machines without
namespaces, by explicit choice. Called by `cli/run.py`, in the main thread.
"""

import asyncio
import contextlib
import errno
import resource
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Final

from iron_proxy.errors import system_reason
from iron_proxy.jail.execute import NOT_EXECUTABLE, NOT_FOUND
from iron_proxy.session.jailed import served
from iron_proxy.session.preparation import Preparation
from iron_proxy.session.records import Records
from iron_proxy.session.summary import Ending
from iron_proxy.temporary_folder import open_temporary_folder

# Sent to a process, not to the terminal's group: those have reached the program already.
_PASSED_ON: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# The terminal sends these to the whole group; what they end is the program's decision.
_LEFT_TO_PROGRAM: Final = (signal.SIGINT, signal.SIGQUIT)


async def run_unjailed(preparation: Preparation, records: Records) -> Ending:
    """Run the program. Raises StartupError."""
    from iron_proxy.session import serving

    password = secrets.token_urlsafe(24)
    assembly, port = serving.assemble_tunnel(preparation, records.emitter(preparation.config.log), password)
    with open_temporary_folder("iron-proxy-run-") as folder:
        _write_trust(folder, preparation.trust)
        url = f"http://{serving.WEAK_CLIENT}:{password}@127.0.0.1:{port}"
        environment, notes = await preparation.program_environment(folder, url)
        records.note(*notes)
        started = monotonic()
        async with served(assembly):
            serving.settle_garbage_collector()
            status, failure = await _run_program(preparation.order.command, environment, preparation.order.limits)
    return Ending(
        status,
        monotonic() - started,
        failure,
        notes=tuple(records.notes),
        warnings=tuple(records.warnings.sentences),
    )


def _write_trust(folder: str, trust: Mapping[str, bytes]) -> None:
    for name, content in trust.items():
        Path(folder, name).write_bytes(content)


async def _run_program(
    command: tuple[str, ...], environment: Mapping[str, str], limits: Mapping[int, tuple[int, int]]
) -> tuple[int, str]:
    """Its exit status as a shell would give it, and why it could not be started."""
    with _signals_passed_on() as attach:
        try:
            program = _start(command, environment)
        except OSError as error:
            is_missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            return (NOT_FOUND if is_missing else NOT_EXECUTABLE), _why_not_started(command[0], error)
        _give_back(limits, program.pid)
        attach(program)
        status = await asyncio.to_thread(program.wait)
    return (status if status >= 0 else 128 - status), ""


@contextlib.contextmanager
def _signals_passed_on() -> "Iterator[Callable[[subprocess.Popen[bytes]], None]]":
    """
    From here on no signal ends this process; yields what names the program that gets them.

    The program may be seen to run, and signals be sent, before its start has returned: those are not lost.
    """
    loop = asyncio.get_running_loop()
    programs: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int) -> None:
        if programs:
            programs[0].send_signal(number)
        else:
            early.append(number)

    def attach(program: "subprocess.Popen[bytes]") -> None:
        programs.append(program)
        for number in early:
            program.send_signal(number)

    for number in _PASSED_ON:
        loop.add_signal_handler(number, pass_on, number)
    for number in _LEFT_TO_PROGRAM:
        loop.add_signal_handler(number, _nothing)
    try:
        yield attach
    finally:
        for number in (*_PASSED_ON, *_LEFT_TO_PROGRAM):
            loop.remove_signal_handler(number)


def _start(command: tuple[str, ...], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(command, env=environment)  # noqa: S603 - what the user asked for, no shell
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # A text without "#!": shells run it themselves.
    path = shutil.which(command[0], path=environment.get("PATH")) or command[0]
    return subprocess.Popen(["/bin/sh", path, *command[1:]], env=environment)  # noqa: S603 - as above


def _give_back(limits: Mapping[int, tuple[int, int]], pid: int) -> None:
    """Limits that this process has lowered for itself; only Linux can raise them from outside."""
    if sys.platform == "linux":
        for number, limit in limits.items():
            with contextlib.suppress(OSError):  # it has ended already
                resource.prlimit(pid, number, limit)


def _why_not_started(command: str, error: OSError) -> str:
    if "/" not in command and isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{command}: command not found"
    return f"{command}: {system_reason(error)}"


def _nothing() -> None:
    """What a terminal's signal does to the proxy."""
