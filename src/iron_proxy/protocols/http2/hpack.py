"""
Field blocks to fields and back (RFC 7541), by jh2's compiled coder behind a check of our own.

The compiled decoder does not defend itself: a block that ends inside a string makes it panic, which writes a trace to
standard error. So the shape of a block is walked through first; only what is complete and in order is decoded.
Nothing else of ours imports jh2.
"""

import re

from jh2._hazmat import Decoder, Encoder, HPACKError, OversizedHeaderListError  # type: ignore[import-untyped]  # no py.typed

from iron_proxy.protocols.http2.frames import ConnectionViolation, ErrorCode
from iron_proxy.protocols.http2.limits import HEADER_TABLE_BYTES

# Name, value, and whether it must never enter a table.
Field = tuple[bytes, bytes, bool]

# Fields named whole by one byte: nearly all of them on a connection in use.
_INDEXED_RUN = re.compile(rb"[\x81-\xfe]++")
# Three more bytes of seven bits are above any length or index that fits a block.
_MAX_SHIFT = 14


class FieldDecoder:
    """The peer's field blocks. Blocks must be given in the order of the wire, also those that nobody will look at."""

    def __init__(self, max_decoded_bytes: int) -> None:
        self._decoder = Decoder(max_decoded_bytes)

    def decode(self, block: bytes) -> list[Field]:
        """The fields of a complete block. Raises ConnectionViolation: what cannot be decoded ends the connection."""
        if not _INDEXED_RUN.fullmatch(block):
            _check_shape(block)
        try:
            fields: list[Field] = self._decoder.decode(block, True)  # raw: as bytes
        except OversizedHeaderListError:
            raise ConnectionViolation(ErrorCode.ENHANCE_YOUR_CALM, "a header block decodes to too much") from None
        except HPACKError:
            raise _malformed() from None
        except BaseException as error:
            if type(error).__module__ != "pyo3_runtime":  # a panic is no Exception; interrupts are not ours to take
                raise
            raise _malformed() from None
        return fields


class FieldEncoder:
    """Our field blocks."""

    def __init__(self) -> None:
        self._encoder = Encoder()

    def encode(self, fields: list[Field]) -> bytes:
        """A block; what is marked sensitive is written so that it never enters a table."""
        block: bytes = self._encoder.encode(fields)
        return block

    def limit_table(self, size: int) -> None:
        """Keep to the table size that the peer allows; we never use more than the standard one."""
        size = min(size, HEADER_TABLE_BYTES)
        if size != self._encoder.header_table_size:
            self._encoder.header_table_size = size


def _check_shape(block: bytes) -> None:
    """Raise unless the block is whole representations, size updates first (RFC 7541 section 6)."""
    at, end = 0, len(block)
    while at < end and block[at] & 0xE0 == 0x20:
        at = _integer(block, at, 0x1F)[1]
    while at < end:
        first = block[at]
        if first & 0x80:  # a field of a table
            at = at + 1 if first != 0xFF else _integer(block, at, 0x7F)[1]
        elif first & 0xE0 == 0x20:
            raise _malformed()
        else:
            at = _after_literal(block, at, 0x3F if first & 0x40 else 0x0F)
    if at > end:
        raise _malformed()


def _after_literal(block: bytes, at: int, mask: int) -> int:
    """Where a field with its value, and perhaps its name, ends: perhaps behind the block."""
    index = block[at] & mask
    at = at + 1 if index != mask else _integer(block, at, mask)[1]
    for _ in range(1 if index else 2):
        if at >= len(block):
            raise _malformed()
        length = block[at] & 0x7F                 # nearly always all there is: no call for it
        at += 1
        if length == 0x7F:
            length, at = _integer(block, at - 1, 0x7F)
        at += length
    return at


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """(value, where it ends) of one that begins in the block, by RFC 7541 section 5.1."""
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    for shift in range(0, _MAX_SHIFT + 1, 7):
        if at >= len(block):
            break
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _malformed()


def _malformed() -> ConnectionViolation:
    return ConnectionViolation(ErrorCode.COMPRESSION_ERROR, "a header block is malformed")
