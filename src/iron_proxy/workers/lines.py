"""
Whole lines out of a socket that another process writes, for the one process that writes them where they belong.

A process that is killed in the middle of a line leaves a piece of it: it is thrown away, so that no line is torn.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final

# More is allocated by mapping memory anew each time, which costs more than another turn.
_CHUNK: Final = 64 * 1024
# A record with a captured body is 1 MiB and a bit. A line that does not end is no record.
MAX_LINE: Final = 64 * 1024 * 1024


async def pass_lines(sock: socket.socket, take: Callable[[bytes], Awaitable[None]]) -> None:
    """Give whole lines to `take`, as many as there are, until the other side is gone. The socket is closed then."""
    loop = asyncio.get_running_loop()
    pieces: list[bytes] = []
    size = 0
    try:
        while size <= MAX_LINE and (data := await _receive(loop, sock)):
            end = data.rfind(b"\n") + 1
            if not end:
                pieces.append(data)
                size += len(data)
                continue
            lines = b"".join([*pieces, data[:end]])
            pieces, size = [data[end:]], len(data) - end
            await take(lines)
    finally:
        sock.close()


async def _receive(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> bytes:
    try:
        return await loop.sock_recv(sock, _CHUNK)
    except ConnectionError:                      # it was killed with acknowledgements unread
        return b""
