"""The last moment before a jailed program: find it as a shell would, and become it. Called inside, in a new process."""

import errno
import os
import resource
import socket

from iron_proxy.jail.orders import Orders, send

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # what a shell gives

_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"  # of a shell without PATH
_SHELL = "/bin/sh"


def execute(orders: Orders, control: socket.socket) -> None:
    """
    Never returns. When the program cannot be started, the error's number is told outside.

    Every descriptor but 0, 1 and 2 closes by itself: this program was started without others, and Python's own are
    not inherited (PEP 446).
    """
    for number, (soft, hard) in orders.limits.items():
        resource.setrlimit(number, (soft, hard))
    error = become(orders.command, orders.environment)
    send(control, {"say": "unstarted", "errno": error.errno or 0})
    os._exit(NOT_FOUND if isinstance(error, FileNotFoundError | NotADirectoryError) else NOT_EXECUTABLE)


def become(command: list[str], environment: dict[str, str]) -> OSError:
    """Replace this process; returns only the error that says why it could not, chosen as shells do."""
    missing: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    refused: OSError | None = None
    for path in candidates(command[0], environment.get("PATH", _DEFAULT_PATH)):
        try:
            _become_this(path, command, environment)
        except (FileNotFoundError, NotADirectoryError) as error:
            missing = error
        except OSError as error:
            # A folder of the search path that we may not look into has nothing for us.
            if path == command[0] or os.path.exists(path):
                refused = refused or error
    return refused or missing


def candidates(name: str, search_path: str) -> list[str]:
    """Where a command may be. A name with a slash is a path already."""
    if not name:
        return []
    if "/" in name:
        return [name]
    return [f"{folder or '.'}/{name}" for folder in search_path.split(":")]


def _become_this(path: str, command: list[str], environment: dict[str, str]) -> None:
    try:
        os.execve(path, command, environment)  # noqa: S606 - no shell, on purpose
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        # A text without "#!": shells run it themselves.
        os.execve(_SHELL, [_SHELL, path, *command[1:]], environment)  # noqa: S606
