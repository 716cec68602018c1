"""
Replacement in a body that streams past: needles become what belongs in their places, across the borders of the pieces.

Leftmost first, the longest where several begin; what was put in is never searched again. The result is the same
however the body was cut, and no more is held back than might be the beginning of a needle, so that events of a stream
are not delayed. How needles are found is `needle_search.py`, which needles a secret needs `spellings.py`; a value at
hand as a whole, whose tokens must be asked about one by one, is for `tokens.py`. Needles are secrets where responses
are scrubbed: nothing here prints one.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from iron_proxy.transforms.secrets.needle_search import search_for

# Up to here one bytes.find per needle is faster than the automaton: 12,000 MB/s divided by the number of needles on
# pieces of 256 KiB, against 830 MB/s however many there are. On 400 bytes they are even at this number. A secret of
# letters and digits has eight spellings, one with a `-` ten.
_FEW_NEEDLES = 12
# Up to here the standard library's alternation of the needles' first bytes is faster than even that: 0.2 µs, not 0.6,
# on an answer of 60 bytes. Where a needle may begin at every other byte, they are even at 200.
_SHORT_TEXT = 128
# The end of a piece is searched for the first bytes of needles, and each place found is compared with the needles in
# Python, 2 µs each. Eight bytes keep such places rare even where a text is made of them; sixteen took eight times as
# long to compile.
_HEAD_BYTES = 8


class Replacer:
    """
    Needles and what takes their places, compiled once and shared by any number of bodies.

    With `same_length`, for a message whose length has been promised, a replacement must be as long as its needle.
    Raises ValueError for one that is not, and for an empty needle. No needles at all are fine: nothing is replaced.
    """

    __slots__ = ("_few", "_hint", "_search", "_starts", "replacements")

    def __init__(self, needles: Mapping[bytes, bytes], *, same_length: bool = False) -> None:
        if b"" in needles:
            raise ValueError("an empty needle would be found everywhere")
        if same_length and any(len(needle) != len(new) for needle, new in needles.items()):
            raise ValueError("a replacement differs in length from its needle")
        self.replacements = dict(needles)
        self._few = tuple(needles) if len(needles) <= _FEW_NEEDLES else None
        self._hint = _hint_of(self._few or ())
        self._search = search_for(needles)
        self._starts = _Starts(needles)

    def __repr__(self) -> str:
        return f"<Replacer of {len(self.replacements)} needles>"

    def stream(self) -> "StreamingReplacement":
        """The replacement in one body."""
        return StreamingReplacement(self)

    def first_match(self, text: bytes) -> Any:
        """The first needle in the text as a match, or None."""
        if self._few is not None:
            if len(text) <= _SHORT_TEXT:
                return self._search(text, 0) if self._hint(text) is not None else None
            for needle in self._few:  # not any(): a generator would cost more than what it goes through
                if needle in text:
                    return self._search(text, 0)
            return None
        return self._search(text, 0)

    def next_match(self, text: bytes, position: int) -> Any:
        """The first needle at or behind the position as a match, or None."""
        return self._search(text, position) if position < len(text) else None

    def undecided_from(self, text: bytes, position: int = 0) -> int:
        """Where the longest end of the text begins, at or behind the position, that a needle goes on from."""
        return self._starts.undecided_from(text, position)


class StreamingReplacement:
    """
    The replacement in one body: pieces in, what may be passed on out.

    `counts` says how often each needle was found.
    """

    __slots__ = ("_held", "_replacer", "counts")

    def __init__(self, replacer: Replacer) -> None:
        self._replacer = replacer
        self._held = b""
        self.counts: dict[bytes, int] = {}

    def __repr__(self) -> str:
        return f"<StreamingReplacement {sum(self.counts.values())} found, {len(self._held)} bytes held>"

    def feed(self, piece: bytes) -> bytes:
        """What may be passed on now; the piece itself where nothing was found and nothing is held."""
        text = self._held + piece if self._held else piece
        undecided = self._replacer.undecided_from(text)
        match = self._replacer.first_match(text)
        if match is not None and match.start() < undecided:
            return self._replace(text, undecided, match)
        if undecided == len(text):
            self._held = b""
            return text
        self._held = text[undecided:]
        return text[:undecided]

    def end(self) -> bytes:
        """The rest: the body has ended, so that what was held is decided."""
        text, self._held = self._held, b""
        return self.whole(text)

    def take_held(self) -> bytes:
        """What is held back, for another replacement to go on with."""
        held, self._held = self._held, b""
        return held

    def whole(self, text: bytes) -> bytes:
        """The text with its needles replaced, apart from the stream: a field of the message's head, say."""
        match = self._replacer.first_match(text)
        if match is None:
            return text
        held, self._held = self._held, b""
        replaced = self._replace(text, len(text), match)
        self._held = held
        return replaced

    def _replace(self, text: bytes, undecided: int, match: Any) -> bytes:
        replacer, replacements, counts = self._replacer, self._replacer.replacements, self.counts
        pieces: list[bytes] = []
        position = 0
        while match is not None and match.start() < undecided:
            start, end = match.span()
            needle = text[start:end]
            counts[needle] = counts.get(needle, 0) + 1
            pieces += (text[position:start], replacements[needle])
            position = end
            if end > undecided:  # what looked like a beginning belonged to this needle
                undecided = replacer.undecided_from(text, end)
            match = replacer.next_match(text, end)
        pieces.append(text[position:undecided])
        self._held = text[undecided:]
        return b"".join(pieces)


class LiveReplacement:
    """The replacement in one body that may outlive its needles: `replacer` is asked for every piece."""

    __slots__ = ("_replacer", "_stream", "_used", "counts")

    def __init__(self, replacer: Callable[[], Replacer]) -> None:
        self._replacer = replacer
        self._used = replacer()
        self._stream = self._used.stream()
        self.counts = self._stream.counts

    def feed(self, piece: bytes) -> bytes:
        """What may be passed on now."""
        replacer = self._replacer()
        if replacer is self._used:
            return self._stream.feed(piece)
        held = self._stream.take_held()
        self._used, self._stream = replacer, replacer.stream()
        self._stream.counts = self.counts
        return self._stream.feed(held + piece)

    def end(self) -> bytes:
        """The rest: the body has ended."""
        return self.feed(b"") + self._stream.end()


class _Starts:
    """The beginnings of needles, to say how much of a text's end must wait for what follows."""

    __slots__ = ("_ends", "_heads", "_longest", "_short", "_sorted")

    def __init__(self, needles: Iterable[bytes]) -> None:
        self._sorted = sorted(needles)
        self._longest = max(map(len, self._sorted), default=1)
        self._heads = search_for(needle[:_HEAD_BYTES] for needle in self._sorted if len(needle) > _HEAD_BYTES)
        # Of what is shorter than a head each one is at hand: an automaton of them took longer to make than all others.
        self._short = frozenset(
            needle[:size] for needle in self._sorted for size in range(1, min(len(needle), _HEAD_BYTES))
        )
        self._ends = frozenset(beginning[-1] for beginning in self._short)

    def undecided_from(self, text: bytes, position: int) -> int:
        size = len(text)
        position = max(position, size - self._longest + 1)
        at = position
        while (match := self._heads(text, at)) is not None:
            start: int = match.start()
            if self._some_needle_goes_on_from(text[start:]):
                return start
            at = start + 1
        if size and text[-1] in self._ends:
            for start in range(max(position, size - _HEAD_BYTES + 1), size):
                if text[start:] in self._short:
                    return start
        return size

    def _some_needle_goes_on_from(self, beginning: bytes) -> bool:
        # Needles that go on from it sort right behind it; one that equals it does not go on.
        following = bisect_right(self._sorted, beginning)
        return following < len(self._sorted) and self._sorted[following].startswith(beginning)


def _hint_of(needles: Iterable[bytes]) -> Callable[[bytes], object]:
    """A search that finds something wherever a needle stands, and hardly anything else."""
    heads = sorted({needle[:_HEAD_BYTES] for needle in needles})
    return re.compile(b"|".join(map(re.escape, heads)) or b"(?!)").search
