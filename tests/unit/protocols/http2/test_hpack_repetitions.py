"""A block that comes again is decoded, or written, once: only as long as it means the same."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jh2._hazmat import Decoder, Encoder, HPACKError  # type: ignore[import-untyped]  # no py.typed
from tests.wire.http2_frames import block, integer

from iron_proxy.protocols.http2.frames import ConnectionViolation
from iron_proxy.protocols.http2.hpack import Field, FieldDecoder, FieldEncoder

ANY = 65_536
# Into the table; then what the newest of the table is; then the one before it.
ENTER_A, ENTER_B = (block([(b"x-name", value)], first=0x40) for value in (b"a", b"b"))
NEWEST, OLDER = b"\xbe", b"\xbf"
NEWEST_NAME, NEWEST_NAME_NEVER = b"\x0f\x2f\x01v", b"\x1f\x2f\x01v"
STATIC, PLAIN, NEVER = b"\x82\x84", block([(b"x-plain", b"v")]), block([(b"x-never", b"v")], first=0x10)
STATIC_NAME_ENTERS = b"\x54\x05nginx"
EMPTY_THE_TABLE, SMALLER_TABLE = b"\x20", b"\x3f\x01"
REPRESENTATIONS = (
    ENTER_A, ENTER_B, NEWEST, OLDER, NEWEST_NAME, NEWEST_NAME_NEVER, STATIC, PLAIN, NEVER, STATIC_NAME_ENTERS,
)  # fmt: skip

BLOCKS = st.tuples(
    st.sampled_from((b"", EMPTY_THE_TABLE, SMALLER_TABLE, EMPTY_THE_TABLE + b"\x3f\xe1\x1f")),
    st.lists(st.sampled_from(REPRESENTATIONS), max_size=3),
).map(lambda parts: parts[0] + b"".join(parts[1]))


# --- what comes in --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(st.lists(st.sampled_from(range(6)), max_size=40), st.lists(BLOCKS, min_size=6, max_size=6))
@example([0, 1, 0, 2, 0], [ENTER_A, NEWEST, ENTER_B, b"", b"", b""])
@example([0, 1, 2, 1], [ENTER_A, NEWEST, EMPTY_THE_TABLE, b"", b"", b""])
def test_whatever_repeats_means_what_it_would_without_a_memory(order: list[int], blocks: list[bytes]) -> None:
    decoder, reference = FieldDecoder(ANY), Decoder(ANY)

    for at in order:
        expected = decoded(reference, blocks[at])
        if expected is None:
            with pytest.raises(ConnectionViolation):
                decoder.decode(blocks[at])
            return
        assert list(decoder.decode(blocks[at])) == expected


def decoded(reference: Any, wire: bytes) -> list[Field] | None:
    try:
        fields: list[Field] = reference.decode(wire, True)
    except HPACKError:
        return None
    return fields


@pytest.mark.parametrize("wire", [STATIC, PLAIN, NEVER, STATIC + PLAIN + NEVER, NEWEST, NEWEST_NAME, STATIC + NEWEST])
def test_a_block_that_repeats_gives_the_same_object(wire: bytes) -> None:
    decoder = FieldDecoder(ANY)
    decoder.decode(ENTER_A)

    assert decoder.decode(wire) is decoder.decode(wire)


@pytest.mark.parametrize("wire", [PLAIN, NEVER, STATIC + PLAIN])
def test_it_does_so_through_changes_of_the_table_if_it_names_nothing_of_it(wire: bytes) -> None:
    decoder = FieldDecoder(ANY)
    first = decoder.decode(wire)
    decoder.decode(ENTER_A)

    assert decoder.decode(wire) is first


@pytest.mark.parametrize("change", [ENTER_B, STATIC_NAME_ENTERS, PLAIN + ENTER_B, STATIC + ENTER_B + PLAIN])
def test_what_names_the_table_is_read_anew_once_it_has_changed(change: bytes) -> None:
    decoder = FieldDecoder(ANY)
    decoder.decode(ENTER_A)
    assert decoder.decode(NEWEST) == [(b"x-name", b"a", False)]
    decoder.decode(change)

    assert decoder.decode(NEWEST) != [(b"x-name", b"a", False)]
    assert decoder.decode(OLDER) == [(b"x-name", b"a", False)]


def test_a_block_that_comes_again_and_again_still_enters_the_table_each_time() -> None:
    decoder = FieldDecoder(ANY)
    for _ in range(3):
        assert decoder.decode(ENTER_A) == [(b"x-name", b"a", False)]

    assert decoder.decode(NEWEST + b"\xc0") == [(b"x-name", b"a", False)] * 2
    with pytest.raises(ConnectionViolation):
        decoder.decode(b"\xc1")


def test_a_malformed_block_is_no_less_malformed_the_second_time() -> None:
    decoder = FieldDecoder(ANY)

    for _ in range(2):
        with pytest.raises(ConnectionViolation):
            decoder.decode(b"\x00\x05ab")


@pytest.mark.parametrize("wire", [PLAIN * 300, b"\xbe" * 300], ids=["literals", "of the table"])
def test_much_is_not_kept(wire: bytes) -> None:
    decoder = FieldDecoder(ANY)
    decoder.decode(block([(b"x-long", b"v" * 100)], first=0x40))

    assert decoder.decode(wire) is not decoder.decode(wire)


def test_nor_are_many() -> None:
    decoder = FieldDecoder(ANY)
    wires = [block([(b"x-a", b"%d" % number)]) for number in range(100)]
    first = [decoder.decode(wire) for wire in wires]

    again = [decoder.decode(wire) for wire in reversed(wires)]
    assert sum(one is another for one, another in zip(reversed(first), again, strict=True)) <= 4
    assert [decoder.decode(wire) for wire in wires] == first


def test_the_shapes_of_many_long_blocks_are_not_kept() -> None:
    decoder = FieldDecoder(ANY)
    for number in range(100):
        decoder.decode(integer(0, 0x40, 6) + integer(3, 0, 7) + b"x-a" + integer(5000, 0, 7) + b"%05d" % number * 1000)

    assert not decoder._shapes


# --- what goes out --------------------------------------------------------------------------------------------------

MESSAGES: tuple[list[Field], ...] = (
    [(b":status", b"200", False)],
    [(b":status", b"200", False), (b"x-a", b"b", False)],
    [(b"x-a", b"b", False), (b"authorization", b"secret", True)],
    [(b"x-c", b"d", False), (b"x-e", b"f" * 1500, False)],
    [(b"x-g", b"h" * 2000, False)],
    [(b"x-too-long-for-the-table", b"i" * 5000, False)],
)
SMALLER = len(MESSAGES)


@given(st.lists(st.sampled_from(range(SMALLER + 1)), max_size=40))
@example([1, 1, 1, SMALLER, 1, 1])
def test_what_is_written_is_what_a_writer_without_a_memory_writes(order: list[int]) -> None:
    encoder, reference, decoder = FieldEncoder(), Encoder(), Decoder(ANY)
    size = 4096

    for at in order:
        if at == SMALLER:
            size = max(0, size - 1000)
            encoder.limit_table(size)
            reference.header_table_size = size
            continue
        written = encoder.encode(MESSAGES[at])
        assert written == reference.encode(MESSAGES[at])
        assert decoder.decode(written, True) == MESSAGES[at]


def test_fields_are_known_again_by_being_the_same_object() -> None:
    encoder = FieldEncoder()
    fields: Sequence[Field] = [(b"x-secret", b"one", True)]
    first = encoder.encode(fields)

    assert encoder.encode(fields) is first
    assert encoder.encode(list(fields)) == first
    assert encoder.encode([(b"x-secret", b"two", True)]) != first


def test_only_the_last_few_are_kept_and_nothing_long() -> None:
    encoder = FieldEncoder()
    many: list[list[Field]] = [[(b"x-secret", b"%d" % number, True)] for number in range(100)]
    for fields in many:
        encoder.encode(fields)
    encoder.encode([(b"x-secret", b"\0" * 5000, True)])

    assert len(encoder._known) <= 4
    assert all(len(written) < 100 for _, written in encoder._known)
