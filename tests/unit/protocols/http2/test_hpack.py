"""RFC 7541: what the coder makes of honest blocks, and that hostile ones end in one error of ours."""

import contextlib

import pytest
from tests.wire.http2_frames import block, integer

from iron_proxy.protocols.http2.frames import ConnectionViolation, ErrorCode
from iron_proxy.protocols.http2.hpack import FieldDecoder, FieldEncoder

BIG_ENTRY = b"\x40" + integer(1, 0, 7) + b"a" + integer(4000, 0, 7) + b"x" * 4000


def code_of(wire: bytes, limit: int = 65_536, *, after: bytes = b"") -> ErrorCode:
    decoder = FieldDecoder(limit)
    decoder.decode(after)
    with pytest.raises(ConnectionViolation) as caught:
        decoder.decode(wire)
    return caught.value.code


def test_fields_come_back_as_they_were_written() -> None:
    fields = [(b":status", b"200", False), (b"x-a", b"\x00\xff caf\xe9", False), (b"authorization", b"s", True)]

    encoder, decoder = FieldEncoder(), FieldDecoder(65_536)

    for _ in range(3):
        assert decoder.decode(encoder.encode(fields)) == fields


def test_a_field_that_is_sensitive_is_written_anew_each_time() -> None:
    encoder = FieldEncoder()
    first, second = (encoder.encode([(b"x-secret", b"s3cr3t", True)]) for _ in range(2))
    open_first, open_second = (encoder.encode([(b"x-open", b"value", False)]) for _ in range(2))

    assert first == second
    assert first[0] == 0x10
    assert len(open_second) == 1 < len(open_first)


def test_a_field_marked_by_the_sender_is_reported() -> None:
    assert FieldDecoder(65_536).decode(block([(b"a", b"b")], first=0x10)) == [(b"a", b"b", True)]


@pytest.mark.parametrize(
    "wire",
    [
        b"\x40", b"\x40\x01", b"\x40\x01a", b"\x40\x01a\x05bc", b"\x00\x05ab", b"\x0f", b"\x41", b"\x10",
        b"\x82\x40\x03x-a",
        b"\x7f", b"\xff", b"\xff\x80\x80", b"\x3f", b"\x40\x7f", b"\x40\x7f\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x80", b"\xff\xff\xff\xff\xff\x0f", b"\xbe", b"\x7e\x01a", b"\x82\x20", b"\x3f\xff\xff\x03",
        b"\x40\x84\xff\xff\xff\xff\x01a",
        b"\x40\x01a\x82\xff\xff", b"\xff" + b"\x80" * 100 + b"\x01",
        b"\x00", b"\x00\x00", b"\x41\x05abcd", b"\x40\x03x-a\x7f", b"\x82\xff", b"\x20\x82\x3f",
    ],
    ids=lambda wire: wire[:12].hex(),
)  # fmt: skip
def test_a_malformed_block_ends_the_connection_without_a_word_on_standard_error(
    wire: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    assert code_of(wire) == ErrorCode.COMPRESSION_ERROR
    assert capfd.readouterr().err == ""


def test_a_few_bytes_that_decode_to_megabytes_end_the_connection() -> None:
    assert code_of(b"\xbe" * 15_000, after=BIG_ENTRY) == ErrorCode.ENHANCE_YOUR_CALM


def test_a_table_is_no_larger_than_we_said() -> None:
    decoder = FieldDecoder(65_536)
    decoder.decode(BIG_ENTRY)
    decoder.decode(BIG_ENTRY)  # which throws the first one out

    assert len(decoder.decode(b"\xbe")) == 1
    with pytest.raises(ConnectionViolation):
        decoder.decode(b"\xbf")


def test_a_block_that_ends_anywhere_but_behind_a_field_is_malformed() -> None:
    whole = b"\x20\x3f\xe1\x1f\x82\x41" + integer(200, 0, 7) + b"h" * 200 + b"\x10\x03x-a\x01b\x0f\x20\x01c\x84"
    ends = {1, 4, 5, 208, 215, 219, len(whole)}

    decoded = set()
    for end in range(1, len(whole) + 1):
        with contextlib.suppress(ConnectionViolation):
            FieldDecoder(65_536).decode(whole[:end])
            decoded.add(end)

    assert len(FieldDecoder(65_536).decode(whole)) == 5
    assert decoded == ends


def test_size_updates_at_the_start_of_a_block_are_taken() -> None:
    assert FieldDecoder(65_536).decode(b"\x20\x3f\xe1\x1f\x82") == [(b":method", b"GET", False)]


def test_an_empty_block_has_no_fields() -> None:
    assert FieldDecoder(65_536).decode(b"") == []


def test_a_peer_may_make_our_table_smaller_but_not_larger() -> None:
    encoder = FieldEncoder()
    encoder.limit_table(1_000_000)
    assert encoder.encode([(b"x-a", b"b", False)])[0] == 0x40

    encoder.limit_table(0)
    first = encoder.encode([(b"x-a", b"b", False)])
    assert first[0] == 0x20
    assert len(encoder.encode([(b"x-a", b"b", False)])) > 1


def test_should_the_compiled_decoder_panic_the_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
    decoder = FieldDecoder(1000)

    for raised, expected in ((panic, ConnectionViolation), (KeyboardInterrupt, KeyboardInterrupt)):
        monkeypatch.setattr(decoder, "_decoder", Panicking(raised))
        with pytest.raises(expected):
            decoder.decode(b"\x82")


class Panicking:
    """A decoder that raises."""

    def __init__(self, error: type[BaseException]) -> None:
        self._error = error

    def decode(self, block: bytes, raw: bool) -> None:
        raise self._error
