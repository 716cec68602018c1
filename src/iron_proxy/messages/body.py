"""
A message body: pieces that stream from a source, with a prefix that transforms may look at and replace.

The contract: what nobody looks at is never buffered; what somebody looked at is still forwarded whole (a limit bounds
what a transform sees, never what goes on the wire); a body that ends improperly raises out of `read`, so that it can
end improperly on the other side too.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from iron_proxy.messages.body_memory import HeldBody, Hold
from iron_proxy.messages.headers import Pair


class BodySource(Protocol):
    """Where the pieces come from: a connection's reader, or a fake."""

    @property
    def trailers(self) -> Sequence[Pair]:
        """The fields behind the last piece."""
        ...

    async def read_body(self) -> bytes:
        """The next piece; b"" after the last one, when `trailers` is filled. Raises IronProxyError if cut short."""
        ...

    def read_body_nowait(self) -> bytes | None:
        """The same from what is already here; None when it would have to wait."""
        ...


# Less is not worth counting: a connection's buffers, which are not counted either, hold more.
UNCOUNTED_BYTES = 16 * 1024


class Body:
    """One body, read once. `length` is its exact size, or None while only its end will tell."""

    __slots__ = (
        "_drops_trailers", "_ended", "_held", "_hold", "_next", "_retained", "_source", "_streamed", "_unwanted",
        "length", "passed",
    )  # fmt: skip

    def __init__(self, source: BodySource | None, length: int | None, hold: Hold | None = None) -> None:
        """`hold` begins to count what is held, where somebody counts it."""
        self._source = source
        self._hold = hold
        self._held: HeldBody | None = None
        self._retained: list[bytes] = []        # what a peek has read: replayed by `read`
        self._next = 0                          # index into _retained of the next piece to replay
        self._ended = source is None
        self._streamed = False                  # a piece went by that we did not keep: no way back
        self._drops_trailers = False
        self._unwanted: Callable[[bytes], bool] | None = None    # which trailers are left out
        self.length = length
        self.passed = 0                         # bytes that `read` has handed out

    @classmethod
    def empty(cls) -> "Body":
        """No body at all."""
        return cls(None, 0)

    @classmethod
    def of(cls, content: bytes) -> "Body":
        """A body that is already here."""
        body = cls(None, len(content))
        if content:
            body._retained.append(content)
        return body

    @property
    def is_empty(self) -> bool:
        """Known to hold no byte."""
        return self.length == 0

    @property
    def trailers(self) -> Sequence[Pair]:
        """Trailer fields; complete only once `read` has returned b""."""
        trailers: Sequence[Pair] = ()
        if self._source is not None and not self._drops_trailers:
            trailers = self._source.trailers
        unwanted = self._unwanted
        return trailers if unwanted is None else [pair for pair in trailers if not unwanted(pair[0])]

    def drop_trailers(self) -> None:
        """Leave the fields behind this body out, whatever they will be."""
        self._drops_trailers = True

    def leave_out_trailers(self, unwanted: Callable[[bytes], bool]) -> None:
        """Leave out the trailers whose names, as they are spelled on the wire, are unwanted: also what others wish."""
        before = self._unwanted
        self._unwanted = unwanted if before is None else lambda name: unwanted(name) or before(name)

    @property
    def is_replayable(self) -> bool:
        """Whether `rewind` can start the body again from its first byte."""
        return self._ended and not self._streamed

    @property
    def is_untouched(self) -> bool:
        """Whether no byte has been read yet, so that the source can be forwarded as it is."""
        return not self._retained and not self._streamed

    async def read(self) -> bytes:
        """The next piece to forward; b"" at the end. Raises what the source raises."""
        if self._next < len(self._retained):
            return self._next_retained()
        if self._ended or self._source is None:
            return b""
        piece = await self._source.read_body()
        if piece:
            self._streamed = True
            self.passed += len(piece)
        else:
            self._ended = True
        return piece

    def _next_retained(self) -> bytes:
        piece = self._retained[self._next]
        self._next += 1
        self.passed += len(piece)
        return piece

    async def peek(self, limit: int) -> tuple[bytes, bool]:
        """
        Look at the first `limit` bytes without consuming them.

        Returns them and whether they are the whole body. May hold up to one piece (256 KiB) more than `limit`.
        Raises what the source raises, and TooMuchHeld.
        """
        if self._streamed:
            raise RuntimeError("the body has already streamed past")
        size = sum(map(len, self._retained))
        while size <= limit and not self._ended and self._source is not None:
            piece = await self._source.read_body()
            if piece:
                self._retained.append(piece)
                size += len(piece)
                if size > UNCOUNTED_BYTES and self._hold is not None:
                    self._count(size, len(piece), self._hold)
            else:
                self._ended = True
        content = b"".join(self._retained)
        if len(self._retained) > 1 and not self._next:
            self._retained = [content]
        return content[:limit], self._ended and size <= limit

    def _count(self, size: int, added: int, hold: Hold) -> None:
        if self._held is None:
            self._held, added = hold(), size
        self._held.grow(added)

    def let_go(self) -> None:
        """
        Drop what is held: nobody will read it any more. Where an exchange ends in order, dropping the body does it.

        An exception keeps its frames and they keep the body, until a collector comes by if there is a cycle.
        """
        self._held = None
        self._retained, self._next = [], 0

    def read_nowait(self) -> bytes | None:
        """The next piece if it is here already, b"" at the end, None when it would have to be waited for."""
        if self._next < len(self._retained):
            return self._next_retained()
        if self._ended or self._source is None:
            return b""
        piece = self._source.read_body_nowait()
        if piece:
            self._streamed = True
            self.passed += len(piece)
        elif piece is not None:
            self._ended = True
        return piece

    def gather_nowait(self, limit: int) -> bytes | None:
        """
        The whole body, if all of it is here already and not much more than `limit`; None otherwise.

        Nothing is lost either way: what was gathered is replayed by `read`.
        """
        if self._streamed or self._next:
            return None
        retained, source = self._retained, self._source
        size = sum(map(len, retained)) if retained else 0
        while source is not None and not self._ended and size <= limit:
            piece = source.read_body_nowait()
            if piece:
                retained.append(piece)
                size += len(piece)
            elif piece is None:
                return None
            else:
                self._ended = True
        if not self._ended:
            return None
        return retained[0] if len(retained) == 1 else b"".join(retained)

    def rewind(self) -> None:
        """Start again from the first byte. Only when `is_replayable`."""
        if not self.is_replayable:
            raise RuntimeError("the body has already streamed past")
        self._next = self.passed = 0

    def replace(self, content: bytes) -> None:
        """Put `content` in place of the whole body. Only after a `peek` that returned all of it."""
        if not self._ended:
            raise RuntimeError("only a body that was seen whole can be replaced")
        self._retained = [content] if content else []
        self._next = 0
        self._streamed = False
        self.length = len(content)

    def stream_through(self, wrap: Callable[[BodySource], BodySource], length: int | None) -> None:
        """
        Let `wrap` change the body on its way: it is given all of this one as a source, and yields what is forwarded.

        `length` is what comes out of it, None where only its end will tell. Only before a piece has streamed past.
        """
        if self._streamed:
            raise RuntimeError("the body has already streamed past")
        original = Body(self._source, self.length)
        original._retained, original._ended = self._retained, self._ended
        original._drops_trailers = self._drops_trailers
        self._source = wrap(_Original(original))
        self._retained, self._next, self._ended = [], 0, False
        self.length = length


class _Original:
    """What a body was before it was wrapped, with what has been read of it, as a source."""

    __slots__ = ("_body", "trailers")

    def __init__(self, body: Body) -> None:
        self._body = body
        self.trailers: Sequence[Pair] = ()

    async def read_body(self) -> bytes:
        return await self._body.read() or self._end()

    def read_body_nowait(self) -> bytes | None:
        piece = self._body.read_nowait()
        return self._end() if piece == b"" else piece

    def _end(self) -> bytes:
        self.trailers = self._body.trailers
        return b""
