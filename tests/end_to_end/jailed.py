"""Programs in a real jail, behind the proxy of `jail_driver.py`, run as root and as somebody without any right."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.end_to_end.jail_driver import UNAVAILABLE
from tests.fakes.namespaces import SOURCE

DRIVER = Path(__file__).with_name("jail_driver.py")
NOBODY_IN_PARTICULAR = 12345
DOORS = [("http", 80, False), ("https", 443, False), ("dns-udp", 53, True), ("dns-tcp", 53, False)]
OUTSIDE_SECRET = "outside-secret-canary"

# What code in a jail has at hand: try something, and say what came of it.
PREAMBLE = """
import ctypes, errno, json, os, signal, socket, subprocess, sys, time
from pathlib import Path
results = {}
def attempt(name, act):
    try:
        results[name] = repr(act())
    except OSError as error:
        results[name] = errno.errorcode.get(error.errno, str(error))
    except Exception as error:
        results[name] = type(error).__name__
libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "x86_64": {"open_by_handle_at": 304, "ptrace": 101, "process_vm_readv": 310, "request_key": 249},
    "aarch64": {"open_by_handle_at": 265, "ptrace": 117, "process_vm_readv": 270, "request_key": 218},
}[os.uname().machine] | {"io_uring_setup": 425}
def call(name, *arguments):
    whole = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    if libc.syscall(ctypes.c_long(NUMBERS[name]), *whole) < 0:
        raise OSError(ctypes.get_errno(), "")
"""


class Person(NamedTuple):
    """Who runs the proxy. `uid` None: whoever runs the tests."""

    name: str
    python: str
    uid: int | None = None

    def identity(self) -> dict[str, Any]:
        """For subprocess."""
        return {} if self.uid is None else {"user": self.uid, "group": self.uid, "extra_groups": []}

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """
        A folder of this person's, readable by nobody else.

        Not below pytest's, which every start of pytest on this machine closes to other users again.
        """
        with tempfile.TemporaryDirectory(prefix="jailed-") as place:
            Path(place).chmod(0o711)
            folder = Path(place) / self.name
            folder.mkdir(mode=0o700)
            if self.uid is not None:
                os.chown(folder, self.uid, self.uid)
            yield folder


@cache
def somebody() -> Person:
    """A person without rights. Skips where there is none, or no Python that such a person can run."""
    if os.geteuid() != 0:
        return Person("unprivileged", sys.executable)
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, *filter(None, map(shutil.which, ("python3.13", "python3.12", "python3.11")))):
        for path in (python, f"/usr/bin/{Path(python).name}"):
            with_it = Person("unprivileged", path, NOBODY_IN_PARTICULAR)
            try:
                if subprocess.run([path, "-I", "-c", check], check=False, **with_it.identity()).returncode == 0:
                    return with_it
            except OSError:
                continue
    pytest.skip("no Python of 3.11 or later that another user can run")


def root() -> Person:
    """The machine's root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return Person("root", sys.executable)


class Outcome(NamedTuple):
    """What a jailed program left behind."""

    status: int
    stdout: str
    stderr: str
    report: dict[str, Any]

    @property
    def results(self) -> dict[str, str]:
        """What `attempt` found."""
        assert self.report.get("status") == 0, (self.stdout, self.stderr, self.report)
        found: dict[str, str] = json.loads(self.stdout.splitlines()[-1])
        return found


def start_jailed(person: Person, command: list[str], place: Path, **changes: Any) -> tuple[subprocess.Popen[str], int]:
    """The driver, started, and the descriptor that its report can be read from."""
    popen = changes.pop("popen", {})
    spec = {
        "command": command, "environment": {"PATH": os.environ["PATH"], "HOME": str(place)}, "doors": DOORS,
        "files": {"/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"}, "hidden": [],
        "binds": [], "directory": str(place), "answers": True, **changes,
    }  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), "OUTSIDE_SECRET": OUTSIDE_SECRET}
    environment |= {name: os.environ[name] for name in ("XDG_RUNTIME_DIR", "SSH_AUTH_SOCK") if name in os.environ}
    environment |= spec.pop("outside_environment", {})
    reading, writing = os.pipe()
    # A group of its own: signals to the group are among the things that are tried.
    streams = {
        "start_new_session": True,
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    process = subprocess.Popen(
        [person.python, "-B", str(DRIVER), json.dumps(spec), str(writing)],
        env=environment, pass_fds=(writing,), text=True, **person.identity(), **{**streams, **popen},
    )  # fmt: skip
    os.close(writing)
    return process, reading


def run_jailed(person: Person, command: list[str], place: Path, **changes: Any) -> Outcome:
    """Run a command to its end. Skips where the kernel allows no jail."""
    process, reading = start_jailed(person, command, place, **changes)
    stdout, stderr = process.communicate(timeout=60)
    with open(reading, encoding="utf-8") as file:
        text = file.read()
    assert text, stderr
    report = json.loads(text)
    if report["status"] == UNAVAILABLE and "user namespace" in report["failure"]:
        pytest.skip(report["failure"])
    return Outcome(process.returncode, stdout, stderr, report)


def run_code(person: Person, code: str, place: Path, **changes: Any) -> Outcome:
    """Run Python in a jail, with PREAMBLE; it prints its results as the last thing."""
    program = PREAMBLE + textwrap.dedent(code) + "\nprint(json.dumps(results))\n"
    python = person.python if person.uid is not None else sys.executable
    return run_jailed(person, [python, "-I", "-c", program], place, **changes)


class Outside:
    """Listeners outside of any jail, of all kinds, that nobody may reach."""

    def __init__(self) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract_name = f"iron-proxy-test-{os.getpid()}-{self.port}"
        self.abstract.bind(f"\0{self.abstract_name}")
        self.abstract.listen()
        for sock in (self.tcp, self.udp, self.abstract):
            sock.setblocking(False)

    def was_reached(self) -> bool:
        """Whether anything came."""
        for take in (self.tcp.accept, self.abstract.accept, lambda: self.udp.recv(100)):
            try:
                take()
            except BlockingIOError:
                continue
            return True
        return False

    def close(self) -> None:
        for sock in (self.tcp, self.udp, self.abstract):
            sock.close()


@contextmanager
def listening_at(path: Path, person: Person) -> Iterator[list[bool]]:
    """A socket that is a file, which answers who connects; one element for each that did."""
    reached: list[bool] = []
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    path.chmod(0o777)
    server.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            reached.append(True)
            connection.sendall(b"hello from outside")
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield reached
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        path.unlink(missing_ok=True)
