"""
A TCP connection as a byte stream, on `asyncio.BufferedProtocol` with one receive buffer for the whole process.

`read` returns at once when bytes are here; a future is made only when nothing is. The bytes go either into a list of
pieces (plain) or straight into the MemoryBIO of the TLS layer above (`divert_into`), which saves a copy.
"""

import asyncio
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from iron_proxy.streams.byte_stream import MAX_PIECE_BYTES, StreamReset, StreamTimeout
from iron_proxy.streams.deadlines import sweep_of
from iron_proxy.streams.turn_end import turn_end_of

# The kernel is asked for up to this much at once. One buffer serves all connections: it is filled and emptied within
# one callback, never kept across turns of the loop.
_RECEIVE_BUFFER = bytearray(MAX_PIECE_BYTES)
_RECEIVE_VIEW = memoryview(_RECEIVE_BUFFER)

# Reading is paused when this much is waiting unread: backpressure reaches the sender through TCP.
_HIGH_WATER_UNREAD = MAX_PIECE_BYTES
# Writers wait when this much is unsent; asyncio resumes them at a quarter of it.
_HIGH_WATER_UNSENT = MAX_PIECE_BYTES

# More than this goes to the kernel at once: waiting would save little, and backpressure must not come late. Larger
# than any head, and than what `proxy/respond.py` sends of most answers.
_HELD_BACK_BYTES = 64 * 1024

# What is queued at a close is sent within this time or dropped: a peer that takes nothing would keep it for ever.
CLOSE_TIMEOUT = 30.0

NEVER = float("inf")

# What a diverted stream has instead of pieces of its own, which would weigh 760 bytes in each of thousands of idle
# connections.
_DIVERTED: deque[bytes] = deque(maxlen=0)


class SocketStream(asyncio.BufferedProtocol):
    """
    One connected TCP socket. `connected` is called once, as soon as there is a transport.

    `lost`, if set, is called once the socket is closed for good.
    """

    __slots__ = (
        "_broken",
        "_closed",
        "_diverted",
        "_end_callback",
        "_loop",
        "_pieces",
        "_reading_paused",
        "_reset",
        "_sweep",
        "_transport",
        "_turn_end",
        "_unread_size",
        "_unsent",
        "_waiter",
        "_write_waiter",
        "_writing_paused",
        "connected",
        "deadline",
        "has_ended",
        "lost",
        "peer",
        "write_deadline",
    )

    def __init__(self, connected: Callable[["SocketStream"], None] | None = None) -> None:
        self.connected = connected
        self.lost: Callable[[], None] | None = None
        self.deadline = self.write_deadline = NEVER
        self.peer = ""
        self._pieces: deque[bytes] = deque()
        self._unread_size = 0
        self._diverted: ssl.MemoryBIO | None = None
        self.has_ended = False               # no more bytes will come, whatever is still unread
        self._reset = False                  # the connection is gone
        self._broken = False                 # it went without the peer's end: what was read is not all
        self._closed = False                 # we have closed or aborted it
        self._reading_paused = False
        self._writing_paused = False
        self._unsent = b""                   # held back until the end of the turn
        self._waiter: asyncio.Future[None] | None = None
        self._write_waiter: asyncio.Future[None] | None = None
        self._end_callback: Callable[[], None] | None = None

    # --- asyncio's side ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_UNSENT)
        self.peer = _address_text(self._transport.get_extra_info("peername"))
        self._turn_end = turn_end_of(self._loop)
        self._sweep = sweep_of(self._loop)
        self._sweep.watch(self)
        if self.connected is not None:
            self.connected(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where the kernel's bytes go for the length of one callback."""
        return _RECEIVE_BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have arrived."""
        if self._diverted is not None:
            self._diverted.write(_RECEIVE_VIEW[:nbytes])
        else:
            self._pieces.append(bytes(_RECEIVE_VIEW[:nbytes]))
            self._unread_size += nbytes
        waiter = self._waiter
        if waiter is None:
            self._hold_back_sender()
            return
        self._waiter = None                  # who waits takes what has come: there is not much of it
        self.deadline = NEVER
        if not waiter.done():
            waiter.set_result(None)

    def _hold_back_sender(self) -> None:
        unread = self._unread_size if self._diverted is None else self._diverted.pending
        if unread > _HIGH_WATER_UNREAD and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The peer has ended its direction; ours stays open until somebody closes."""
        self._note_end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._reset = True
        self._unsent = b""
        self._broken = not self.has_ended
        self._sweep.forget(self)
        self._wake_writer()
        self._note_end()
        if self.lost is not None:
            self.lost()

    def pause_writing(self) -> None:
        """The peer is not taking our bytes as fast as they come."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._writing_paused = False
        self._wake_writer()

    def _note_end(self) -> None:
        self.has_ended = True
        waiter, self._waiter = self._waiter, None
        self.deadline = NEVER
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        callback, self._end_callback = self._end_callback, None
        if callback is not None:
            callback()

    def _wake_writer(self) -> None:
        waiter, self._write_waiter = self._write_waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # --- deadlines --------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """The deadline of the wait that is going on has passed (called by the sweep)."""
        now = self._loop.time()
        if self.deadline < now:
            self.deadline = NEVER
            waiter, self._waiter = self._waiter, None
            _fail(waiter, "the peer sent nothing in time")
        if self.write_deadline < now:
            self.write_deadline = NEVER
            waiter, self._write_waiter = self._write_waiter, None
            _fail(waiter, "the peer took nothing in time")
            if self._closed:
                self._transport.abort()

    # --- our side ---------------------------------------------------------------------------------------------------

    @property
    def is_gone(self) -> bool:
        """The connection no longer exists: nothing can be written."""
        return self._reset or self._closed

    @property
    def ended_cleanly(self) -> bool:
        """TCP says no more than that it ended, and that it was not a reset."""
        return self.has_ended and not self._reset

    @property
    def has_unread(self) -> bool:
        """Bytes are here that nobody has read."""
        return bool(self._pieces) or (self._diverted is not None and self._diverted.pending > 0)

    def wait(self, timeout: float) -> "asyncio.Future[None]":
        """A future for the next bytes or the end. Await it before waiting again."""
        if self._reading_paused:
            self._reading_paused = False
            if not self._reset:
                self._transport.resume_reading()
        self._waiter = waiter = self._loop.create_future()
        self.deadline = self._loop.time() + timeout
        return waiter

    async def read(self, timeout: float) -> bytes:
        """The next piece as it arrived; b"" at the end."""
        while not self._pieces:
            if self.has_ended:
                self.check_unbroken()
                return b""
            await self.wait(timeout)
        piece = self._pieces.popleft()
        self._unread_size -= len(piece)
        return piece

    def check_unbroken(self) -> None:
        """Raise StreamReset if the connection went without an end: a reset must not be taken for one."""
        if self._broken:
            raise StreamReset("the connection broke")

    def push_back(self, data: bytes) -> None:
        """Put bytes back in front of what is unread."""
        if data:
            self._pieces.appendleft(data)
            self._unread_size += len(data)

    def divert_into(self, bio: ssl.MemoryBIO) -> bytes:
        """From now on bytes go into `bio`, and `read` and `push_back` are over. Returns what is here already."""
        unread = b"".join(self._pieces)
        self._pieces = _DIVERTED
        self._unread_size = 0
        self._diverted = bio
        return unread

    def write_nowait(self, data: bytes) -> bool:
        """Send bytes, at the latest when this turn ends. True when the caller should `drain` before writing more."""
        if self._reset or self._closed:
            raise StreamReset("the connection is closed")
        if self._unsent:
            data = self._unsent + data
        elif len(data) <= _HELD_BACK_BYTES:
            self._turn_end.add(self)
        if len(data) <= _HELD_BACK_BYTES:
            self._unsent = data
        else:
            self._unsent = b""
            self._transport.write(data)
        return self._writing_paused

    def send_unsent(self) -> None:
        """Hand what is held back to the kernel or its queue."""
        data, self._unsent = self._unsent, b""
        if data and not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self, timeout: float) -> None:
        """Wait until the peer has taken enough of what was written."""
        while self._writing_paused:
            if self._reset or self._closed:
                raise StreamReset("the connection is closed")
            self._write_waiter = self._loop.create_future()
            self.write_deadline = self._loop.time() + timeout
            await self._write_waiter
            self.write_deadline = NEVER

    async def write(self, data: bytes, timeout: float) -> None:
        """Send, and wait while the peer takes nothing."""
        if self.write_nowait(data):
            await self.drain(timeout)

    async def write_end(self) -> None:
        """Send FIN; the peer can still send."""
        if not self._reset and not self._closed and self._transport.can_write_eof():
            self.send_unsent()
            self._transport.write_eof()

    def on_end(self, callback: Callable[[], None] | None) -> None:
        """Call `callback` once when the peer ends; at once if it already has."""
        if callback is not None and self.has_ended:
            callback()
            return
        self._end_callback = callback

    def close(self) -> None:
        """Send what is queued, then close."""
        self.send_unsent()
        self._closed = True
        self._end_callback = None
        if not self._reset and self._transport.get_write_buffer_size():
            self.write_deadline = self._loop.time() + CLOSE_TIMEOUT
        self._transport.close()

    def abort(self) -> None:
        """Close with a reset: what the kernel does not take at once is dropped, and the peer sees it was no end."""
        if not self._reset and not self._closed:
            self.send_unsent()               # as if it had gone out when it was written: the peer sees where it was cut
            sock = self._transport.get_extra_info("socket")
            if sock is not None:
                _linger_zero(sock)
        self._closed = True
        self._end_callback = None
        self._transport.abort()

    def extra(self, name: str) -> Any:
        """What asyncio knows about the transport: `sockname`, `socket` …"""
        return self._transport.get_extra_info(name)


def _fail(waiter: "asyncio.Future[None] | None", message: str) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_exception(StreamTimeout(message))


def _linger_zero(sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:                          # already closed below us: there is nothing left to reset
        pass


def _address_text(address: object) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        host, port = address[0], address[1]
        if host.startswith("::ffff:") and "." in host:        # a dual-stack socket's spelling of an IPv4 client
            host = host[7:]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ""
