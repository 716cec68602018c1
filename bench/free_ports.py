"""Ports of the loopback address that nobody uses just now."""

import socket
from contextlib import ExitStack


def free_ports(count: int) -> list[int]:
    """Different ones: all are bound at the same time, then given back."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in sockets]
