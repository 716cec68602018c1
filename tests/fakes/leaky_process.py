"""
A process that keeps what it is told to keep, for the oracle that has to notice: `LeakyProcess` starts this very file.

It says the port on which it listens, and then carries out each line of standard input:

    accept          take one connection and keep it           dial PORT      connect to the machine, and keep that
    open            keep a file open                          thread         start a thread that waits
    hold MIB        fill memory                               child          start a process that does as it is told
    drop            close the newest thing that it keeps
"""

import os
import socket
import subprocess
import sys
import threading
from typing import Any, Self


class LeakyProcess:
    """`with` starts and ends it. `pid` and `port` tell where it is."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid, self.port = self._process.pid, int(self._answer())
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()              # the end of its input is its end

    def tell(self, line: str) -> None:
        """Returns once it is done."""
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)
        assert self._answer() == "done"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def keep(listener: socket.socket, order: str, argument: str) -> Any:
    """Do as one line says; returns what is to be kept."""
    match order:
        case "accept":
            return listener.accept()[0]
        case "dial":
            return socket.create_connection(("127.0.0.1", int(argument)))
        case "open":
            return open(__file__, encoding="utf-8")
        case "thread":
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        case "hold":
            return os.urandom(1 << 20) * int(argument)
        case "child":
            child = LeakyProcess()
            child.__enter__()
            child.tell("open")
            return child
        case _:
            raise ValueError(order)
    return None


def main() -> None:
    """Serve the lines of standard input."""
    kept: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        say(str(listener.getsockname()[1]))
        for line in sys.stdin:
            order, _, argument = line.strip().partition(" ")
            if order == "drop":
                kept.pop().close()
            else:
                kept.append(keep(listener, order, argument))
            say("done")


def say(line: str) -> None:
    """To whoever has started it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
