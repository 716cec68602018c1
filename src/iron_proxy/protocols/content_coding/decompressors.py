"""
One coding of one body, taken off piece by piece: never more than MAX_PIECE of what is decoded at once.

A body is one compressed stream, or for gzip and zstd several, one behind the other. `Decompressor` finds where each
ends; the classes below it drive the libraries, whose errors become `BadCoding` here. How much all of a body may swell
to is the business of `decoder.py`, which alone calls this.
"""

import zlib
from collections.abc import Callable
from typing import Any, Protocol

from iron_proxy.protocols.content_coding.codings import BROTLI, DEFLATE, GZIP, ZSTD, BadCoding, CodingBomb
from iron_proxy.protocols.content_coding.window_budget import WindowShare
from iron_proxy.protocols.content_coding.zstd_library import zstd_library

# What a body's pieces have elsewhere: a read of a socket, a piece that a transform sees.
MAX_PIECE = 64 * 1024

# Coded bytes go in by this much: where a library leaves some over, they are copied, and a copy of a whole upload for
# each of its members would take time in the square of its length.
_STEP = 16 * 1024

# Each gzip member or zstd frame costs up to 10 µs to begin, and one that holds nothing is 9 bytes. Writers that append
# a member per record or per block are welcome; a body of next to nothing but beginnings is not.
_FREE_MEMBERS = 1000
_MIN_MEAN_MEMBER = 64

# RFC 9659: a zstd frame for HTTP needs at most 8 MiB of window. Browsers refuse more, and so do we: it is memory that
# a frame of some bytes makes us hold. (A br body cannot ask for more than 16 MiB, a gzip or deflate body for 32 KiB.)
_MAX_ZSTD_WINDOW_LOG = 23

_WINDOWS = {BROTLI: 16 << 20, ZSTD: 1 << _MAX_ZSTD_WINDOW_LOG}

# Brotli's own limit is a number of blocks, of which this is the first: any other number can give more than it says.
_BROTLI_PIECE = 32_752

_GZIP_WBITS, _ZLIB_WBITS, _RAW_WBITS = 31, 15, -15

_WRONG = "the body is not what its Content-Encoding says"


class Decompressor:
    """Takes one coding off. `feed` coded bytes, then `read` until it gives b""."""

    __slots__ = ("_begin_stream", "_coded", "_decoded", "_has_members", "_members", "_position", "_share", "_stream")

    def __init__(self, coding: str) -> None:
        self._begin_stream, self._has_members = _STREAMS[coding]
        self._share = WindowShare(_WINDOWS.get(coding, 0))
        self._stream: _Stream | None = None       # the one that is not finished
        self._coded = b""
        self._position = 0                        # in _coded: what is before it has been given to a stream
        self._members = 0
        self._decoded = 0

    @property
    def is_complete(self) -> bool:
        """Whether the body may end here: a body of no bytes is complete, and so is each that ends with a stream."""
        return self._stream is None and self._position == len(self._coded)

    def feed(self, coded: bytes) -> None:
        """The next coded bytes of the body."""
        if self._position < len(self._coded):
            coded = self._coded[self._position :] + coded
        self._coded = coded
        self._position = 0

    def read(self) -> bytes:
        """The next decoded bytes, b"" when there are none without more input. Raises BadCoding."""
        while self._stream is not None or self._position < len(self._coded):
            stream = self._stream = self._stream or self._next_member()
            coded = b""
            if stream.wants_input:
                coded = self._coded[self._position : self._position + _STEP]
                if not coded:
                    break
                self._position += len(coded)
            decoded = stream.decode(coded)
            if stream.is_finished:
                self._put_back(stream.unused)
                self._stream = None
                self._share.release()
            elif decoded:
                self._share.grow(len(decoded))
            if decoded:
                self._decoded += len(decoded)
                return decoded
        return b""

    def _put_back(self, unused: bytes) -> None:
        if len(unused) > self._position:          # from before the last `feed`, which did not wait for `read`
            self._coded = unused + self._coded[self._position :]
            self._position = 0
        else:
            self._position -= len(unused)

    def _next_member(self) -> "_Stream":
        if self._members and not self._has_members:
            raise BadCoding("the coded body goes on behind its end")
        if self._members >= _FREE_MEMBERS + self._decoded // _MIN_MEAN_MEMBER:
            raise CodingBomb("the coded body has too many parts for what they hold")
        self._members += 1
        return self._begin_stream()


class _Stream(Protocol):
    """One compressed stream: a gzip member, a zstd frame, the whole of a deflate or br body."""

    @property
    def wants_input(self) -> bool:
        """Whether `decode` has given all it can from what is here: else it is to be called with b""."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether the stream has ended, all its output is out, and its checksum, if it has one, was right."""
        ...

    @property
    def unused(self) -> bytes:
        """Once it is finished: what was behind its end in the last bytes that it was given."""
        ...

    def decode(self, coded: bytes) -> bytes:
        """Up to MAX_PIECE of decoded bytes. Raises BadCoding."""
        ...


class _Inflate:
    """DEFLATE in one of its three wrappings: gzip, zlib or none."""

    def __init__(self, wbits: int) -> None:
        self._inflater = zlib.decompressobj(wbits)
        self.wants_input = True

    @property
    def is_finished(self) -> bool:
        return self._inflater.eof

    @property
    def unused(self) -> bytes:
        return self._inflater.unused_data

    def decode(self, coded: bytes) -> bytes:
        try:
            decoded = self._inflater.decompress(self._inflater.unconsumed_tail or coded, MAX_PIECE)
        except zlib.error as error:
            raise BadCoding(_WRONG) from error
        # A full piece may have left more in the window although all input is used.
        self.wants_input = not self._inflater.unconsumed_tail and len(decoded) < MAX_PIECE
        return decoded


class _Deflate:
    """
    The coding called deflate: DEFLATE in zlib's wrapping (RFC 9110 section 8.4.1.2), or bare, as some always wrote it.

    The first two bytes tell. A bare stream that looks like a zlib header begins with a stored block whose padding
    is not zero, which no compressor writes.
    """

    def __init__(self) -> None:
        self._start = b""
        self._inflate: _Inflate | None = None

    @property
    def wants_input(self) -> bool:
        return self._inflate is None or self._inflate.wants_input

    @property
    def is_finished(self) -> bool:
        return self._inflate is not None and self._inflate.is_finished

    @property
    def unused(self) -> bytes:
        return self._inflate.unused if self._inflate is not None else b""

    def decode(self, coded: bytes) -> bytes:
        if self._inflate is None:
            coded = self._start = self._start + coded
            if len(coded) < 2:
                return b""
            self._inflate = _Inflate(_ZLIB_WBITS if is_zlib_header(coded) else _RAW_WBITS)
        return self._inflate.decode(coded)


def is_zlib_header(start: bytes) -> bool:
    """Whether the first two bytes of a deflate body are those of zlib's wrapping (RFC 1950 section 2.2)."""
    return start[0] & 0x0F == 8 and start[0] >> 4 <= 7 and int.from_bytes(start[:2]) % 31 == 0


class _Brotli:
    # The library itself refuses what is behind the end in the same bytes; what comes later is refused above.
    unused = b""

    def __init__(self) -> None:
        import brotli

        self._decoder: Any = brotli.Decompressor()
        self._failure: type[Exception] = brotli.error
        self.wants_input = True

    @property
    def is_finished(self) -> bool:
        return bool(self._decoder.is_finished())

    def decode(self, coded: bytes) -> bytes:
        try:
            decoded: bytes = self._decoder.process(coded, output_buffer_limit=_BROTLI_PIECE)
        except self._failure as error:
            raise BadCoding(_WRONG) from error
        # It takes more as soon as it has read all, although there may be more to come out.
        self.wants_input = self._decoder.can_accept_more_data() and len(decoded) < _BROTLI_PIECE
        return decoded


class _Zstd:
    def __init__(self) -> None:
        zstd = zstd_library()
        self._decoder = zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: _MAX_ZSTD_WINDOW_LOG}
        )
        self._failure: type[Exception] = zstd.ZstdError

    @property
    def wants_input(self) -> bool:
        return bool(self._decoder.needs_input)

    @property
    def is_finished(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def unused(self) -> bytes:
        return bytes(self._decoder.unused_data)

    def decode(self, coded: bytes) -> bytes:
        try:
            decoded: bytes = self._decoder.decompress(coded, MAX_PIECE)
        except self._failure as error:
            raise BadCoding(_WRONG) from error
        return decoded


# How a stream of each coding begins, and whether several may follow each other: RFC 1952 section 2.2 has members,
# RFC 8878 section 3 frames.
_STREAMS: dict[str, tuple[Callable[[], _Stream], bool]] = {
    GZIP: (lambda: _Inflate(_GZIP_WBITS), True),
    DEFLATE: (_Deflate, False),
    BROTLI: (_Brotli, False),
    ZSTD: (_Zstd, True),
}
