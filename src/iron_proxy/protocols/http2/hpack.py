"""
Field blocks to fields and back (RFC 7541), by jh2's compiled coder behind a check of our own.

The compiled decoder does not defend itself: a block that ends inside a string makes it panic, which writes a trace to
standard error. So the shape of a block is walked through first; only what is complete and in order is decoded.
Nothing else of ours imports jh2.

A connection mostly repeats its blocks to the byte. One that puts nothing into the table means the same as long as
nothing else does, or longer if it names nothing of the table: so it is decoded, or encoded, once.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from jh2._hazmat import Decoder, Encoder, HPACKError, OversizedHeaderListError  # type: ignore[import-untyped]  # no py.typed

from iron_proxy.protocols.http2.frames import ConnectionViolation, ErrorCode
from iron_proxy.protocols.http2.limits import HEADER_TABLE_BYTES, MAX_KNOWN_BLOCK_BYTES, MAX_KNOWN_BLOCKS

# Name, value, and whether it must never enter a table.
Field = tuple[bytes, bytes, bool]

# RFC 7541 appendix A: higher ones name what the peer has put into the table.
_STATIC_FIELDS = 61
# Fields named whole by one byte: nearly all of them on a connection in use.
_INDEXED_RUN = re.compile(rb"[\x81-\xfe]++")
# RFC 9113 section 6.5.2: what a field counts beside its bytes.
_FIELD_OVERHEAD = 32
# Three more bytes of seven bits are above any length or index that fits a block.
_MAX_SHIFT = 14


class _Shape(NamedTuple):
    """What a block does with the table of its direction."""

    changes_table: bool
    names_table: bool


_INDEXED = _Shape(changes_table=False, names_table=True)  # or might: it is decoded once for each table
_Kept = TypeVar("_Kept")


class FieldDecoder:
    """The peer's field blocks. Blocks must be given in the order of the wire, also those that nobody will look at."""

    def __init__(self, max_decoded_bytes: int) -> None:
        self._decoder = Decoder(max_decoded_bytes)
        self._shapes: dict[bytes, _Shape] = {}
        self._known: dict[bytes, Sequence[Field]] = {}  # of blocks that change no table, and name nothing of it
        self._known_by_table: dict[bytes, Sequence[Field]] = {}  # of those that do, while it is as it was

    def decode(self, block: bytes) -> Sequence[Field]:
        """
        The fields of a complete block: often the same object for one that was repeated.

        Raises ConnectionViolation: what cannot be decoded ends the connection.
        """
        known = self._known.get(block) or self._known_by_table.get(block)
        if known is not None:
            return known
        shape = self._shapes.get(block)
        if shape is None:
            shape = _shape_of(block)
            if len(block) <= MAX_KNOWN_BLOCK_BYTES:
                _keep(self._shapes, block, shape)
        fields = self._decode(block)
        if shape.changes_table:
            self._known_by_table.clear()
        elif size_of(fields) <= MAX_KNOWN_BLOCK_BYTES:
            _keep(self._known_by_table if shape.names_table else self._known, block, fields)
        return fields

    def _decode(self, block: bytes) -> Sequence[Field]:
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
        self._known: list[tuple[Sequence[Field], bytes]] = []  # while the table is as it was

    def encode(self, fields: Sequence[Field]) -> bytes:
        """
        A block; what is marked sensitive is written so that it never enters a table.

        Fields are known again by being the same object, which must not have changed since.
        """
        for known, written in self._known:
            if known is fields:
                return written
        block: bytes = self._encoder.encode(fields)
        if _shape_of(block).changes_table:
            self._known.clear()
        elif len(block) <= MAX_KNOWN_BLOCK_BYTES:
            del self._known[: 1 - MAX_KNOWN_BLOCKS]
            self._known.append((fields, block))
        return block

    def limit_table(self, size: int) -> None:
        """Keep to the table size that the peer allows; we never use more than the standard one."""
        size = min(size, HEADER_TABLE_BYTES)
        if size != self._encoder.header_table_size:
            self._encoder.header_table_size = size
            self._known.clear()


def _keep(known: dict[bytes, _Kept], block: bytes, what: _Kept) -> None:
    if len(known) >= MAX_KNOWN_BLOCKS:
        del known[next(iter(known))]
    known[block] = what


def size_of(fields: Sequence[Field]) -> int:
    """What fields count (RFC 9113 section 6.5.2): their bytes, and so much more for each."""
    return sum([len(name) + len(value) for name, value, _ in fields]) + _FIELD_OVERHEAD * len(fields)


def _shape_of(block: bytes) -> _Shape:
    """
    What a block does with the table.

    Raises ConnectionViolation unless it is whole representations, size updates first (RFC 7541 section 6).
    """
    if _INDEXED_RUN.fullmatch(block):
        return _INDEXED
    at, end, changes, names = 0, len(block), False, False
    while at < end and block[at] & 0xE0 == 0x20:
        at = _integer(block, at, 0x1F)[1]
        changes = True
    while at < end:
        first = block[at]
        if first & 0x80:  # a field of a table
            names = names or first > 0x80 | _STATIC_FIELDS
            at = at + 1 if first != 0xFF else _integer(block, at, 0x7F)[1]
        elif first & 0xE0 == 0x20:
            raise _malformed()
        else:
            changes = changes or first & 0x40 != 0
            index, at = _after_literal(block, at, 0x3F if first & 0x40 else 0x0F)
            names = names or index > _STATIC_FIELDS
    if at > end:
        raise _malformed()
    return _Shape(changes, names)


def _after_literal(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """(its name's index, where a field with its value, and perhaps its name, ends: perhaps behind the block)."""
    index = block[at] & mask
    if index != mask:                             # nearly always, as with the lengths: no call for it
        at += 1
    else:
        index, at = _integer(block, at, mask)
    for _ in range(1 if index else 2):
        if at >= len(block):
            raise _malformed()
        length = block[at] & 0x7F
        at += 1
        if length == 0x7F:
            length, at = _integer(block, at - 1, 0x7F)
        at += length
    return index, at


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
