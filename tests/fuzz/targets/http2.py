"""HTTP/2: frames as either side gets them, and field blocks beside another decoder's reading."""

from collections.abc import Callable, Iterable

import hpack
from hpack.table import HeaderTable
from tests.fuzz.targets.splits import splits
from tests.wire.http2_frames import client_with_requests, comparable, opened_server, told

from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import (
    ConnectionFailed,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamFailed,
    StreamReset,
)  # fmt: skip
from iron_proxy.protocols.http2.frames import ConnectionViolation
from iron_proxy.protocols.http2.hpack import FieldDecoder, FieldEncoder
from iron_proxy.protocols.http2.server import Http2Server

Connection = Http2Server | Http2Client

# A SETTINGS_INITIAL_WINDOW, a frame and its header: what may be held of frames that are not complete.
MOST_HELD = 65_536 + 16_384 + 9
_MOST_DECODED = 65_536
_ENDINGS = (StreamEnded, StreamFailed, StreamReset)


def check_server(wire: bytes) -> None:
    """A client's frames: events only, in order on each stream, the same at every split."""
    check_order(check_same(opened_server, wire, splits(wire)))


def check_client(wire: bytes) -> None:
    """An upstream's frames to a client with three requests: events only, the same at every split."""
    check_same(lambda: client_with_requests(3), wire, splits(wire))


def check_block(wire: bytes) -> None:
    """A block decodes or is a violation; what decodes, hpack reads as the same fields, and ours come back from ours."""
    try:
        fields = FieldDecoder(_MOST_DECODED).decode(wire)
    except ConnectionViolation:
        return
    assert sum(len(name) + len(value) + 32 for name, value, _ in fields) <= _MOST_DECODED
    theirs = _as_hpack_reads(wire)
    assert theirs is None or theirs == [field[:2] for field in fields]
    again = FieldDecoder(_MOST_DECODED).decode(FieldEncoder().encode(fields))
    assert [field[:2] for field in again] == [field[:2] for field in fields]
    # What a table holds whole is named by its number, also where it is marked: it was there before, unmarked.
    named = {*HeaderTable.STATIC_TABLE, *(field[:2] for field in fields if not field[2])}
    for before, after in zip(fields, again, strict=True):
        assert after[2] == before[2] or before[:2] in named


def _as_hpack_reads(wire: bytes) -> list[tuple[bytes, bytes]] | None:
    """
    The fields; None where a Huffman string is padded with other bits than ones.

    RFC 7541 section 5.2 wants that refused, and jh2, our decoder, passes over it. The text is the same to both.
    """
    decoder = hpack.Decoder(_MOST_DECODED)
    decoder.max_allowed_table_size = 4096
    try:
        return [(bytes(name), bytes(value)) for name, value in decoder.decode(wire, raw=True)]
    except hpack.HPACKDecodingError as error:
        assert str(error) == "Incomplete Huffman string"
        return None


def check_same(make: Callable[[], Connection], wire: bytes, cuts: Iterable[Iterable[bytes]]) -> list[Event]:
    """What a connection says to a wire, at every way of `cuts` to cut it."""
    whole = make()
    events = whole.receive(wire)
    outgoing = whole.take_outgoing()
    assert sum(isinstance(event, ConnectionFailed) for event in events) == whole.has_failed
    assert not whole.has_failed or isinstance(events[-1], ConnectionFailed)
    assert whole.held_bytes <= MOST_HELD
    for pieces in cuts:
        cut = make()
        assert comparable(told(cut, pieces)) == comparable(events)
        assert cut.take_outgoing() == outgoing
    return events


def check_order(events: list[Event]) -> None:
    """On each stream a head comes first, and nothing comes behind an end."""
    begun: set[int] = set()
    over: set[int] = set()
    for event in events:
        stream = getattr(event, "stream_id", 0)
        if isinstance(event, RequestReceived):
            begun.add(stream)
        if isinstance(event, DataReceived | StreamEnded):
            assert stream in begun
            assert stream not in over
        if isinstance(event, _ENDINGS) or (isinstance(event, RequestReceived) and event.ends):
            over.add(stream)
