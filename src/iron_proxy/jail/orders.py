"""
What the outside has decided, written for the program inside, and the messages that the two exchange afterwards.

Both ends are this file: JSON in an anonymous file for the orders, one JSON object a message on a socket that keeps
messages apart (SOCK_SEQPACKET). Imported inside, so without `dataclasses` and `typing`, which take longer to load than
a network namespace takes to make.
"""

import array
import json
import socket

# Messages are a word or two; the longest holds a sentence.
_MOST_BYTES = 4096
_MOST_DESCRIPTORS = 253  # SCM_MAX_FD
# MSG_CMSG_CLOEXEC, which Python does not set by itself: no other program that the proxy starts gets a door.
_CLOSE_ON_EXEC = 0x40000000

Message = dict[str, object]


class Orders:
    """Everything that is done inside. Paths are absolute."""

    def __init__(
        self,
        *,
        command: list[str],
        environment: dict[str, str],
        working_directory: str,
        limits: dict[int, list[int]],
        doors: list[tuple[int, bool]],
        files: dict[str, bytes],
        hidden: list[str],
        binds: list[str],
        covered: list[str],
        remade: list[str],
        kept: list[str],
        masked: list[str],
        read_only: list[str],
        uid: int,
        gid: int,
    ) -> None:
        self.command, self.environment, self.working_directory = command, environment, working_directory
        self.limits = limits  # RLIMIT_* → soft and hard
        self.doors = doors  # port, whether UDP
        self.files, self.hidden, self.binds = files, hidden, binds
        self.covered, self.remade, self.kept, self.masked, self.read_only = covered, remade, kept, masked, read_only
        self.uid, self.gid = uid, gid

    def to_bytes(self) -> bytes:
        """As it is handed over."""
        values = dict(vars(self))
        # Latin-1 has a character for every byte; certificates stay as they are.
        values["files"] = {path: content.decode("latin-1") for path, content in self.files.items()}
        return json.dumps(values).encode("ascii")

    @classmethod
    def from_bytes(cls, text: bytes) -> "Orders":
        """Back again."""
        values = json.loads(text)
        values["files"] = {path: content.encode("latin-1") for path, content in values["files"].items()}
        values["limits"] = {int(number): limit for number, limit in values["limits"].items()}
        return cls(**values)


def send(control: socket.socket, message: Message, sockets: list[socket.socket] | None = None) -> None:
    """One message, with copies of the sockets. Raises OSError."""
    socket.send_fds(control, [json.dumps(message).encode("ascii")], [sock.fileno() for sock in sockets or []])


def receive(control: socket.socket) -> tuple[Message | None, list[socket.socket]]:
    """The next message and its sockets; None at the end. Raises OSError."""
    try:
        return _receive(control)
    except ConnectionResetError:
        # The other side ended with a message of ours unread. The kernel says so once, before the last words of its own.
        return _receive(control)


def _receive(control: socket.socket) -> tuple[Message | None, list[socket.socket]]:
    # Not `socket.recv_fds`, which forgets its flags.
    text, ancillary, _, _ = control.recvmsg(_MOST_BYTES, socket.CMSG_SPACE(4 * _MOST_DESCRIPTORS), _CLOSE_ON_EXEC)
    message: Message | None = json.loads(text) if text else None
    return message, [socket.socket(fileno=descriptor) for descriptor in _descriptors(ancillary)]


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return list(descriptors)
