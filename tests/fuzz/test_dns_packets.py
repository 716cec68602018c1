"""
Hostile DNS packets: nothing raises, what is no question gets no answer, and no answer is worth a forged source.

What is answered is read by dnspython, so that what we write is DNS for others too.
"""

import struct
from collections.abc import Callable, Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.fuzz.targets.dns import ZONES, check_answer

from iron_proxy.dns.answers import Zone

# --- bytes that look enough like DNS to get somewhere ---------------------------------------------------------------

OPT = b"\0\0\x29"
LABELS = st.sampled_from([b"ok", b"WWW", b"db", b"passed", b"test", b"a" * 63, b"a.b", b"\0", b"\xff", b"*", b"_https"])
NAMES = st.lists(LABELS, max_size=8).map(lambda labels: b"".join(bytes((len(each),)) + each for each in labels) + b"\0")
KNOWN_NAMES = st.sampled_from(
    [b"\x03wWw\x04test\0", b"\x02db\x04test\0", b"\x04loop\x04test\0", b"\x01a\x06passed\x04test\0"]
)
TYPES = st.sampled_from([0, 1, 5, 6, 16, 28, 41, 64, 65, 250, 251, 252, 255, 65280]) | st.integers(0, 65535)
CLASSES = st.sampled_from([1, 1, 1, 1, 3, 255])
QUESTIONS = st.tuples(NAMES | KNOWN_NAMES, TYPES, CLASSES).map(lambda each: each[0] + struct.pack("!HH", *each[1:]))
RECORDS = st.tuples(
    NAMES | st.just(b"\xc0\x0c") | st.just(b"\0"),
    st.sampled_from([41, 41, 41, 1, 250]),
    st.integers(0, 65535),
    st.sampled_from([0, 0, 1 << 16, 0x8000, 2**32 - 1]),
    st.binary(max_size=20),
).map(lambda each: each[0] + struct.pack("!HHIH", *each[1:4], len(each[4])) + each[4])
FLAGS = st.sampled_from([b"\x01\0", b"\x01\0", b"\0\x10", b"\x81\x80", b"\x28\0", b"\x79\xff"])


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    """A header whose counts are mostly true, sections, and sometimes bytes behind or missing."""
    questions = draw(st.lists(QUESTIONS, min_size=1, max_size=1) | st.lists(QUESTIONS, max_size=3))
    records = draw(st.lists(RECORDS, max_size=2))
    counts = [len(questions), 0, 0, len(records)]
    if draw(st.integers(0, 9)) == 0:
        counts[draw(st.integers(0, 3))] = draw(st.integers(0, 65535))
    wire = b"\xbe\xef" + draw(FLAGS) + struct.pack("!4H", *counts) + b"".join(questions + records)
    cut = draw(st.just(0) | st.integers(0, len(wire)))
    return wire[: len(wire) - cut] + draw(st.just(b"") | st.binary(max_size=30))


SHAPES: Sequence[Callable[[bytes], bytes]] = [
    bytes,
    lambda tail: b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0" + tail,
    lambda tail: b"\x12\x34\x01\x00\0\1\0\0\0\0\0\1\x01a\0\0\1\0\1\0\0\x29" + tail,
]
NOISE = st.tuples(st.sampled_from(SHAPES), st.binary(max_size=700)).map(lambda each: each[0](each[1]))


@given(packets() | NOISE, st.sampled_from(ZONES))
@example(b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0\0\0\xff\0\1", ZONES[0])
@settings(max_examples=600, deadline=None)
def test_no_packet_raises_or_is_answered_with_much(wire: bytes, zone: Zone) -> None:
    check_answer(wire, zone)
