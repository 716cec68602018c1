"""The program inside, spoken to over its socket without `launch.py`: what its messages are, and when it ends."""

import os
import signal
import socket
import subprocess
import sys
from typing import Any, Self

import pytest
from tests.fakes.namespaces import SOURCE

from iron_proxy.jail.orders import Message, Orders, receive, send

_START = (
    "import sys; sys.path.append(sys.argv[1]); from iron_proxy.jail.inside import main; main(*map(int, sys.argv[2:]))"
)


class InsideJail:
    """A running inside; a context manager, which closes the socket and sees it end."""

    def __init__(self, command: list[str], **changes: Any) -> None:
        values: dict[str, Any] = {
            "environment": dict(os.environ), "working_directory": "/", "limits": {}, "doors": [], "files": {},
            "hidden": [], "binds": [], "covered": ["/run"], "remade": [], "kept": [], "masked": [], "read_only": [],
            "uid": os.geteuid(), "gid": os.getegid(),
        }  # fmt: skip
        orders = Orders(command=command, **{**values, **changes})
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(20)
        written = os.memfd_create("orders")
        os.write(written, orders.to_bytes())
        os.lseek(written, 0, os.SEEK_SET)
        arguments = [str(SOURCE), str(theirs.fileno()), str(written)]
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, *arguments],
            pass_fds=(theirs.fileno(), written),
            stdout=subprocess.PIPE,
            text=True,
        )
        theirs.close()
        os.close(written)
        assert self.process.stdout is not None
        self._output = self.process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.control.close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self._output.close()

    def line(self) -> str:
        """The next line that the program writes."""
        return self._output.readline()

    def output(self) -> str:
        """What it writes until it closes its output, or ends."""
        return self._output.read()

    def say(self, **message: object) -> None:
        send(self.control, message)

    def hear(self) -> Message | None:
        """The next message; its sockets are closed."""
        message, sockets = receive(self.control)
        for sock in sockets:
            sock.close()
        return message

    def make(self) -> Message:
        """Answer the question about identities, and hear how the making went; skips where it is forbidden."""
        message = self.hear()
        if message == {"say": "unshared"}:
            self.say(say="mapped", mapped=False)
            message = self.hear()
        assert message is not None
        if message["say"] == "failed" and message["step"] in ("namespaces", "identity"):
            pytest.skip(f"this machine allows no user namespaces: {message['text']}")
        return message

    def start(self) -> None:
        assert self.make()["say"] == "ready"
        self.say(say="start")

    def kill_first_process(self) -> None:
        """The process that the other one waits for."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGKILL)
