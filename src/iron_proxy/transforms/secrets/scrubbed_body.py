"""
A response's body with the secrets taken out as it streams past, decoded first where it is coded.

Both are sources of a `Body`. Nothing is held back but what may be the beginning of a secret; a piece that is held back
whole is not the end of the body, so the next one is read at once. What is found is told to whoever keeps the count.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from iron_proxy.errors import UpstreamProtocolError
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Pair
from iron_proxy.protocols.content_coding.codings import BadCoding
from iron_proxy.protocols.content_coding.decoder import Decoder
from iron_proxy.transforms.secrets.streaming import LiveReplacement


class Pieces(Protocol):
    """What a body is read from: the body as it came, or decoded."""

    @property
    def trailers(self) -> Sequence[Pair]:
        """Complete once a read has returned b""."""
        ...

    async def read(self) -> bytes:
        """The next piece; b"" at the end."""
        ...

    def read_nowait(self) -> bytes | None:
        """The same from what is already here; None when it would have to wait."""
        ...


class ScrubbedBody:
    """
    Pieces with their needles replaced.

    `found` is called with the counts of each piece in which there were some, `scrub_trailers` with the fields behind.
    """

    def __init__(
        self,
        pieces: Pieces,
        replacement: LiveReplacement,
        found: Callable[[dict[bytes, int]], None],
        scrub_trailers: Callable[[Sequence[Pair]], list[Pair]],
    ) -> None:
        self.trailers: Sequence[Pair] = ()
        self._pieces = pieces
        self._replacement = replacement
        self._found = found
        self._scrub_trailers = scrub_trailers
        self._ended = False

    async def read_body(self) -> bytes:
        """The next piece; b"" after the last one. Raises UpstreamError."""
        while not self._ended:
            scrubbed = self._scrub(await self._pieces.read())
            if scrubbed:
                return scrubbed
        return b""

    def read_body_nowait(self) -> bytes | None:
        """The same from what is already here; None when it would have to wait."""
        while not self._ended:
            piece = self._pieces.read_nowait()
            if piece is None:
                return None
            scrubbed = self._scrub(piece)
            if scrubbed:
                return scrubbed
        return b""

    def _scrub(self, piece: bytes) -> bytes:
        replacement = self._replacement
        if piece:
            scrubbed = replacement.feed(piece)
        else:
            scrubbed = replacement.end()
            self._ended = True
        if replacement.counts:
            self._found(replacement.counts)
            replacement.counts.clear()
        if self._ended and self._pieces.trailers:
            self.trailers = self._scrub_trailers(self._pieces.trailers)
        return scrubbed


class DecodedBody:
    """The pieces of a coded body, decoded. A body that is not what it should be is the upstream's fault."""

    def __init__(self, body: Body, decoder: Decoder) -> None:
        self._body = body
        self._decoder = decoder
        self._ended = False

    @property
    def trailers(self) -> Sequence[Pair]:
        """Those of the coded body."""
        return self._body.trailers

    async def read(self) -> bytes:
        """The next decoded piece. Raises UpstreamError."""
        while True:
            decoded = self._decoded()
            if decoded or self._ended:
                return decoded
            self._take(await self._body.read())

    def read_nowait(self) -> bytes | None:
        """The same from what is already here; None when it would have to wait."""
        while True:
            decoded = self._decoded()
            if decoded or self._ended:
                return decoded
            piece = self._body.read_nowait()
            if piece is None:
                return None
            self._take(piece)

    def _decoded(self) -> bytes:
        try:
            return b"" if self._ended else self._decoder.read()
        except BadCoding as error:
            raise _wrong_answer(error) from error

    def _take(self, piece: bytes) -> None:
        if piece:
            self._decoder.feed(piece)
            return
        self._ended = True
        try:
            self._decoder.end()
        except BadCoding as error:
            raise _wrong_answer(error) from error


def _wrong_answer(error: BadCoding) -> UpstreamProtocolError:
    return UpstreamProtocolError(f"the upstream's answer cannot be decoded: {error}")
