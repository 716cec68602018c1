"""
Calls between two processes of ours over a socket pair, in both directions: questions with an answer, and news without.

A frame is a length of four bytes and a MessagePack array. The other side is a process that we have started, or that has
started us; a frame that makes no sense ends the channel all the same, as its end means that the other side is gone.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar, cast

import msgspec

from iron_proxy.errors import IronProxyError

# The largest frame is a configuration (config/loading.py allows 16 MiB of it); a thousand connections are 1 MiB.
MAX_FRAME: Final = 32 * 1024 * 1024
# News that nobody reads are not kept: watchers of the audit stream are told what they have missed.
MAX_UNSENT: Final = 8 * 1024 * 1024

_ASK, _ANSWER, _FAILURE, _NEWS = range(4)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[int, int, str, msgspec.Raw])
_log = logging.getLogger("iron_proxy.workers")

Result = TypeVar("Result")
# Gets the encoded body of a question; what it returns is encoded and sent back.
Answer = Callable[[msgspec.Raw], Awaitable[Any]]
Hear = Callable[[msgspec.Raw], None]


class ChannelClosed(Exception):
    """The other process is gone, or does not answer in time."""


class Channel(asyncio.Protocol):
    """
    One end. `answers` are by the name of a question, `hears` by the name of news; questions run in `group`.

    `closed` is set when the other side is gone. Close it with `close`.
    """

    def __init__(self, group: asyncio.TaskGroup, answers: Mapping[str, Answer], hears: Mapping[str, Hear]) -> None:
        self.closed = asyncio.Event()
        self._group = group
        self._answers, self._hears = dict(answers), dict(hears)
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._number = 0

    async def open(self, sock: socket.socket) -> None:
        """Begin, on one end of a socket pair, which the channel closes from now on."""
        sock.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self, sock)

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()

    # --- what we say ------------------------------------------------------------------------------------------------

    async def ask(self, name: str, body: Any, kind: type[Result], seconds: float | None = None) -> Result:
        """
        The answer to a question. Raises IronProxyError with what the other side raised.

        Raises ChannelClosed when that is gone, or has not answered within the seconds.
        """
        if self.closed.is_set():
            raise ChannelClosed
        self._number = number = self._number + 1
        self._waiting[number] = future = asyncio.get_running_loop().create_future()
        self._send(_ASK, number, name, body)
        try:
            async with asyncio.timeout(seconds):
                return msgspec.msgpack.decode(await future, type=kind)
        except TimeoutError:
            raise ChannelClosed from None
        finally:
            self._waiting.pop(number, None)

    def tell(self, name: str, body: Any) -> bool:
        """News; False where the other side is too slow for more."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size() > MAX_UNSENT:
            return False
        self._send(_NEWS, 0, name, body)
        return True

    def _send(self, kind: int, number: int, name: str, body: Any) -> None:
        frame = _encoder.encode((kind, number, name, body))
        if self._transport is not None:
            self._transport.write(len(frame).to_bytes(4, "big") + frame)

    # --- what we hear -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take frames out of what has come."""
        self._received += data
        received = self._received
        while len(received) >= 4:
            size = int.from_bytes(received[:4], "big")
            if size > MAX_FRAME:
                self._break("a frame is too large")
                return
            if len(received) < 4 + size:
                return
            frame = bytes(received[4 : 4 + size])
            del received[: 4 + size]
            try:
                self._take(*_decoder.decode(frame))
            except (msgspec.DecodeError, KeyError) as error:
                self._break(type(error).__name__)
                return

    def _break(self, reason: str) -> None:
        _log.error("a process of ours makes no sense", extra={"fields": {"reason": reason}})
        if self._transport is not None:
            self._transport.abort()

    def _take(self, kind: int, number: int, name: str, body: msgspec.Raw) -> None:
        if kind == _NEWS:
            self._hears[name](body)
        elif kind == _ASK:
            self._group.create_task(self._answer(number, self._answers[name], body), name=f"answer {name}")
        else:
            future = self._waiting.get(number)
            if future is None or future.done():
                return                           # whoever asked waits no more
            if kind == _ANSWER:
                future.set_result(body)
            else:
                future.set_exception(IronProxyError(msgspec.msgpack.decode(body, type=str)))

    async def _answer(self, number: int, answer: Answer, body: msgspec.Raw) -> None:
        try:
            self._send(_ANSWER, number, "", await answer(body))
        except IronProxyError as error:
            self._send(_FAILURE, number, "", str(error))
        except Exception as error:  # noqa: BLE001 - one question ends; the type only, a text may quote a secret
            _log.error("internal error", extra={"fields": {"error": type(error).__name__}})
            self._send(_FAILURE, number, "", f"internal error ({type(error).__name__})")

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits for an answer learns that none will come."""
        self.closed.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ChannelClosed())
