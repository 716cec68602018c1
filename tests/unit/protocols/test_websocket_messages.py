"""Text messages are rewritten whatever frames, fragments and pieces they come in; everything else passes."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.pieces import cut_at, in_pieces
from tests.wire.websocket_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    TEXT,
    Frame,
    frame,
    frames_of,
    messages_of,
)

from iron_proxy.protocols.websocket_messages import FrameViolation, MessageRewriter, TextStream

NEW_MASK = b"\x01\x02\x03\x04"


class Shouting:
    """Rewrites `a` as `AAA`, holding one byte back, and tells how each message began."""

    def __init__(self) -> None:
        self.beginnings: list[bytes] = []

    def begin(self, beginning: bytes) -> TextStream:
        self.beginnings.append(beginning)
        return Shout()


class Shout:
    def __init__(self) -> None:
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        text = self._held + piece
        self._held = text[-1:]
        return text[:-1].replace(b"a", b"AAA")

    def end(self) -> bytes:
        return self._held.replace(b"a", b"AAA")


def shouted(text: bytes) -> bytes:
    return text.replace(b"a", b"AAA")


@pytest.fixture(params=[True, False], ids=["from the client", "from the upstream"])
def is_client(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def rewriter(is_client: bool, max_held: int = 1 << 20, shouting: Shouting | None = None) -> MessageRewriter:
    return MessageRewriter([shouting or Shouting()], (lambda: NEW_MASK) if is_client else None, max_held)


def framing(is_client: bool) -> Callable[..., bytes]:
    def of(opcode: int, payload: bytes = b"", *, final: bool = True, first: int = 0) -> bytes:
        return frame(opcode, payload, final=final, mask=MASK if is_client else None, first=first)

    return of


def fed(rewriter: MessageRewriter, pieces: Iterator[bytes]) -> bytes:
    return b"".join([rewriter.feed(piece) for piece in pieces])


def conversation(is_client: bool) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Everything that may come in a direction, and what is to arrive of it."""
    of = framing(is_client)
    wire = (
        of(TEXT, b"banana") + of(TEXT) + of(PING, b"a?") + of(BINARY, b"banana") + of(TEXT, b"an", final=False)
        + of(CONTINUATION, b"", final=False) + of(PONG, b"a") + of(CONTINUATION, b"an") + of(BINARY, b"a", final=False)
        + of(PING) + of(CONTINUATION, b"a") + of(TEXT, b"a" * 130) + of(CLOSE, b"\x03\xe8bananas")
    )  # fmt: skip
    arrives = [
        (TEXT, b"bAAAnAAAnAAA"), (TEXT, b""), (PING, b"a?"), (BINARY, b"banana"), (PONG, b"a"), (TEXT, b"AAAnAAAn"),
        (PING, b""), (BINARY, b"aa"), (TEXT, b"AAA" * 130), (CLOSE, b"\x03\xe8bananas"),
    ]  # fmt: skip
    return wire, arrives


def test_a_conversation_cut_in_two_at_every_place(is_client: bool) -> None:
    wire, arrives = conversation(is_client)

    for position in range(len(wire) + 1):
        assert messages_of(fed(rewriter(is_client), cut_at(wire, [position]))) == arrives


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("max_held", [0, 1, 5, 1 << 20])
def test_a_conversation_in_pieces_and_with_any_limit(is_client: bool, size: int, max_held: int) -> None:
    wire, arrives = conversation(is_client)

    # What is beyond the limit goes on in fragments: a control frame may come between them, or before.
    in_any_order = sorted(messages_of(fed(rewriter(is_client, max_held), in_pieces(wire, size))))
    assert in_any_order == sorted(arrives)


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING]), st.text("ab€", max_size=20)), max_size=5),
    st.lists(st.integers(0, 200), max_size=8), st.integers(0, 12), st.booleans(),
)  # fmt: skip
def test_any_messages_cut_anyhow(
    messages: list[tuple[int, str]], cuts: list[int], max_held: int, is_client: bool
) -> None:
    wire = b"".join(framing(is_client)(opcode, text.encode()) for opcode, text in messages)

    out = fed(rewriter(is_client, max_held), cut_at(wire, cuts))

    expected = [(opcode, shouted(text.encode()) if opcode == TEXT else text.encode()) for opcode, text in messages]
    assert messages_of(out) == expected


def test_a_message_in_fragments_arrives_as_one_frame(is_client: bool) -> None:
    of, shouting = framing(is_client), Shouting()
    wire = of(TEXT, b"{ba", final=False) + of(CONTINUATION, b"nan", final=False) + of(CONTINUATION, b"a}")

    out = rewriter(is_client, shouting=shouting).feed(wire)

    assert [*frames_of(out)] == [Frame(TEXT, b"{bAAAnAAAnAAA}")]
    assert shouting.beginnings == [b"{banana}"]


def test_a_control_frame_does_not_wait_for_the_message_around_it(is_client: bool) -> None:
    of, direction = framing(is_client), rewriter(is_client)

    assert direction.feed(of(TEXT, b"ba", final=False)) == b""
    assert direction.feed(of(PING, b"there?")) == of(PING, b"there?")


def test_a_message_beyond_the_limit_goes_on_in_fragments_as_it_comes(is_client: bool) -> None:
    of, shouting = framing(is_client), Shouting()
    direction = rewriter(is_client, 4, shouting)
    header, rest = of(TEXT, b"b" * 10 + b"a" * 10)[:-20], of(TEXT, b"b" * 10 + b"a" * 10)[-20:]

    outs = [direction.feed(part) for part in (header, rest[:4], rest[4:6], rest[6:15], rest[15:])]

    assert outs[:2] == [b"", b""]
    assert [[*frames_of(out)] for out in outs[2:]] == [
        [Frame(TEXT, b"bbbbb", final=False)],
        [Frame(CONTINUATION, b"bbbbb" + b"AAA" * 4, final=False)],
        [Frame(CONTINUATION, b"AAA" * 6)],
    ]
    assert shouting.beginnings == [b"b" * 6]
    assert messages_of(direction.feed(of(TEXT, b"a"))) == [(TEXT, b"AAA")]


def test_a_client_gets_bytes_unmasked_and_an_upstream_with_new_masks() -> None:
    assert rewriter(False).feed(frame(TEXT, b"a")) == b"\x81\x03AAA"
    assert rewriter(True).feed(frame(TEXT, b"a", mask=MASK)) == b"\x81\x83" + NEW_MASK + b"@CB"


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536, 300_001])
def test_lengths_of_every_kind(is_client: bool, size: int) -> None:
    wire = framing(is_client)(TEXT, b"b" * size)

    out = rewriter(is_client).feed(wire)

    assert messages_of(out) == [(TEXT, b"b" * size)]
    assert len(out) == len(wire)


def test_a_large_binary_message_passes_byte_for_byte(is_client: bool) -> None:
    wire = framing(is_client)(BINARY, b"a" * 100_000)
    direction = rewriter(is_client, 0)

    outs = [direction.feed(piece) for piece in in_pieces(wire, 1000)]

    assert all(outs[1:])
    assert b"".join(outs) == wire


def test_rewriters_work_one_after_the_other() -> None:
    class Quieter:
        def begin(self, beginning: bytes) -> TextStream:
            return Quiet()

    class Quiet(Shout):
        def feed(self, piece: bytes) -> bytes:
            return piece.replace(b"AAA", b"x")

        def end(self) -> bytes:
            return b""

    assert MessageRewriter([Shouting(), Quieter()]).feed(frame(TEXT, b"bab")) == frame(TEXT, b"bxb")


def test_behind_a_close_nothing_is_read(is_client: bool) -> None:
    of, direction = framing(is_client), rewriter(is_client)

    assert direction.feed(of(CLOSE) + of(TEXT, b"a")) == of(CLOSE)
    assert direction.feed(b"\xff\xff\xff") == b""


VIOLATIONS = {
    "reserved bit": lambda of: of(TEXT, b"a", first=0x40),
    "reserved data opcode": lambda of: of(0x3, b"a"),
    "reserved control opcode": lambda of: of(0xB, b"a"),
    "fragmented control": lambda of: of(PING, b"a", final=False),
    "long control": lambda of: of(PING, b"a" * 126),
    "continuation of nothing": lambda of: of(CONTINUATION, b"a"),
    "continuation of a whole message": lambda of: of(TEXT, b"b") + of(CONTINUATION, b"a"),
    "message within a message": lambda of: of(TEXT, b"b", final=False) + of(TEXT, b"a"),
    "binary within text": lambda of: of(TEXT, b"b", final=False) + of(BINARY, b"a"),
    "length too large": lambda of: of(TEXT, b"")[:1] + bytes((of(TEXT)[1] | 127,)) + b"\xff" * 8 + MASK,
}


@pytest.mark.parametrize("violation", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_a_violation_ends_the_reading(is_client: bool, violation: Callable[[Callable[..., bytes]], bytes]) -> None:
    of, direction = framing(is_client), rewriter(is_client)

    with pytest.raises(FrameViolation):
        fed(direction, in_pieces(violation(of), 1))

    assert direction.feed(of(TEXT, b"a")) == b""


def test_the_wrong_masking_is_a_violation(is_client: bool) -> None:
    with pytest.raises(FrameViolation):
        rewriter(is_client).feed(framing(not is_client)(TEXT, b"a"))


def test_what_is_held_is_bounded(is_client: bool) -> None:
    direction, of = rewriter(is_client, 100), framing(is_client)
    wire = of(TEXT, b"b" * 10_000, final=False)

    sizes = [0]
    for piece in in_pieces(wire, 10):
        sizes.append(sizes[-1] + len(direction.feed(piece)))

    assert max(later - earlier for earlier, later in pairwise(sizes)) < 150
