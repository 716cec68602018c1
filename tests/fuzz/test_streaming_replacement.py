"""Any needles, any text, any split: the streaming replacement says what a plain one says, and as early."""

import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iron_proxy.transforms.secrets import needle_search, streaming
from iron_proxy.transforms.secrets.streaming import Replacer

# A tiny alphabet, so that needles begin, end and hold one another all the time.
LETTERS = st.sampled_from([b"a", b"b", b"\n", b"\xff"])
WORDS = st.lists(LETTERS, min_size=1, max_size=24).map(b"".join)
NEEDLES = st.dictionaries(WORDS, WORDS | st.just(b""), min_size=1, max_size=12)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Needles, and pieces made of them, of parts of them and of noise, cut anywhere."""
    needles = draw(NEEDLES)
    whole = st.sampled_from(sorted(needles))
    cut_short = st.tuples(whole, st.integers(1, 24)).map(lambda pair: pair[0][: pair[1]])
    text = b"".join(draw(st.lists(whole | cut_short | LETTERS, max_size=12)))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    borders = [0, *cuts, len(text)]
    return needles, [text[start:end] for start, end in pairwise(borders)]


def plainly(needles: dict[bytes, bytes], pieces: list[bytes]) -> tuple[list[bytes], dict[bytes, int]]:
    """What each piece lets out, and the end; a byte leaves as soon as no needle can begin with it."""
    counts: dict[bytes, int] = {}
    outputs = []
    text = b""
    for last, piece in [*((False, piece) for piece in pieces), (True, b"")]:
        text += piece
        out = b""
        while text and (last or not any(len(needle) > len(text) and needle.startswith(text) for needle in needles)):
            here = max((needle for needle in needles if text.startswith(needle)), key=len, default=b"")
            if here:
                counts[here] = counts.get(here, 0) + 1
            out += needles[here] if here else text[:1]
            text = text[len(here) or 1 :]
        outputs.append(out)
    return outputs, counts


@given(bodies(), st.sampled_from([0, 8]), st.sampled_from([1, 2, 8]), st.sampled_from([1, 3, 32]))
@settings(max_examples=400)
@example(({b"aab": b"b", b"ab": b"aab"}, [b"aa", b"ab"]), 8, 8, 32)
@example(({b"ab": b"1", b"abb": b"2", b"abbbba": b"3"}, [b"abbbb", b"aabbbab"]), 0, 8, 3)
def test_every_split_of_every_text_is_replaced_as_if_plainly_and_as_early(
    body: tuple[dict[bytes, bytes], list[bytes]], few: int, head: int, compiled_head: int
) -> None:
    needles, pieces = body
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "_FEW_NEEDLES", few)
        patch.setattr(streaming, "_HEAD_BYTES", head)
        patch.setattr(needle_search, "_HEAD_BYTES", compiled_head)

        stream = Replacer(needles).stream()
        outputs = [*map(stream.feed, pieces), stream.end()]

    assert (outputs, stream.counts) == plainly(needles, pieces)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 60], ids=["few needles", "many needles"])
def test_text_made_to_look_like_needles_takes_time_in_proportion_to_its_length(count: int) -> None:
    needles = {b"sk-proj-%04d-" % number + b"abcdefgh" * 4: b"token" for number in range(count)}
    almost = b"".join(needle[:-1] + b"#" for needle in needles)
    text = almost * (1_000_000 // len(almost))

    seconds = {pieces: taken(needles, text, len(text) // pieces) for pieces in (1, 4, 1000)}

    # A million bytes take 10 ms; work that grows with the square of anything here would take minutes.
    assert max(seconds.values()) < 2


def taken(needles: dict[bytes, bytes], text: bytes, size: int) -> float:
    stream = Replacer(needles).stream()
    began = time.perf_counter()
    for start in range(0, len(text), size):
        stream.feed(text[start : start + size])
    stream.end()
    return time.perf_counter() - began
