"""
Which values are secret at this moment, for the last wall before the log: it masks what must never be written.

Every `Secret` registers itself when it is made and leaves when the last reference to it goes, after a time of grace in
which what was derived from it may still be on its way. Lines are JSON, so that a value is sought as JSON writes it.
Who writes lines is handed `KNOWN_VALUES.mask` by `runtime/last_wall.py`; values themselves cannot be had from here.
"""

import json
import time
import weakref
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import re2

# Shorter texts stand in many innocent places: a log in which every "token" is masked tells nothing.
_SHORTEST = 8
# An exchange that had the old value ends within minutes; longer ones (WebSockets) leave their record without it.
GRACE = 600.0
# Sources that yield a new value every time (`ttl: -1s`) must not fill the memory: the newest are the likely ones.
_MOST_RETIRED = 64
# One bytes search takes 0.1 µs on an audit record, the automaton 1.3 µs however many needles there are.
_FEW_NEEDLES = 12
# Beyond it RE2 refuses a pattern: some thousand secrets fit.
_RE2_MEMORY = 64 * 1024 * 1024
# What tells a value apart: an automaton of whole key files takes half a second to build. The first lines of two of
# them are the same for some 60 characters. A value that is cut off behind it (a captured body) is masked to where.
_HEAD = 128
# Of a head the automaton has this much: it only says whether to look closer. Whoever writes the first line after a
# secret was fetched waits for it to be built, with all others: 18 ms for 500 secrets, not 58.
_FILTER = 32


class _Known:
    """The needles of one secret. They outlive it by the grace."""

    __slots__ = ("name", "needles", "reference", "retired_at")

    def __init__(self, name: str, needles: tuple[tuple[bytes, bytes], ...]) -> None:
        self.name = name
        self.needles = needles
        self.reference: weakref.ref[object] | None = None
        self.retired_at = 0.0


class KnownValues:
    """The values of all secrets that are alive. `hits` counts how often one was masked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._living: dict[int, _Known] = {}
        self._retired: list[_Known] = []
        self._needles: tuple[tuple[bytes, bytes, str], ...] = ()  # with their heads and names, the longest first
        self._heads: tuple[bytes, ...] = ()
        self._search: Callable[[bytes], Any] | None = None  # Any: google-re2 ships no types
        self._is_stale = False
        self.hits = 0

    def __repr__(self) -> str:
        return f"<KnownValues: {len(self._living)} secrets>"

    def add(self, owner: object, name: str, value: str) -> None:
        """Know a value for as long as its owner lives, and for the grace."""
        needles = tuple(_needles_of(value))
        if not needles:
            return
        known, key = _Known(name, needles), id(owner)
        known.reference = weakref.ref(owner, lambda _: self._retire(key, known))
        self._living[key] = known
        self._is_stale = True

    def mask(self, text: bytes) -> tuple[bytes, tuple[str, ...]]:
        """The text with `[masked:NAME]` for every known value, and the names of those that stood there."""
        if self._is_stale or self._retired:
            self._refresh()
        if self._search is not None:
            if self._search(text) is None:
                return text, ()
            return self._masked(text)
        for head in self._heads:
            if text.find(head) >= 0:         # `in` makes an exception and drops it: bytes might hold numbers
                return self._masked(text)
        return text, ()

    def found_in(self, text: bytes) -> tuple[str, ...]:
        """The names of those that stand in a line of JSON. Looked for on purpose, so that it is no hit."""
        hits = self.hits
        _, names = self.mask(text)
        self.hits = hits
        return names

    def _masked(self, text: bytes) -> tuple[bytes, tuple[str, ...]]:
        names: dict[str, None] = {}
        for needle, head, name in self._needles:  # the longest first: a shorter one may be a part of it
            mask = _in_json(f"[masked:{name}]")
            start = text.find(head)
            while start >= 0:
                if _is_within_escape(text, start):  # the n of a newline, not of the value
                    start = text.find(head, start + 1)
                    continue
                text = text[:start] + mask + text[_end_of(needle, text, start) :]
                names[name] = None
                self.hits += 1
                start = text.find(head, start + len(mask))
        return text, tuple(names)

    def _retire(self, key: int, known: _Known) -> None:
        # Called whenever the collector likes: nothing but simple steps. The key may be another secret's by now.
        if self._living.get(key) is known:
            del self._living[key]
        known.reference = None                   # whose callback knows it: nothing is left to the collector
        known.retired_at = self._clock()
        self._retired.append(known)

    def _refresh(self) -> None:
        limit = self._clock() - GRACE
        if not self._is_stale and len(self._retired) <= _MOST_RETIRED and self._retired[0].retired_at > limit:
            return
        self._is_stale = False
        self._retired = [known for known in self._retired[-_MOST_RETIRED:] if known.retired_at > limit]
        everyone = [*self._retired, *tuple(self._living.values())]
        needles = {needle: (needle, head, known.name) for known in everyone for head, needle in known.needles}
        self._needles = tuple(sorted(needles.values(), key=lambda each: len(each[0]), reverse=True))
        self._heads = tuple(dict.fromkeys(head for _, head, _ in self._needles))
        self._search = _automaton({head[:_FILTER] for head in self._heads}) if len(self._heads) > _FEW_NEEDLES else None


def _needles_of(value: str) -> Iterator[tuple[bytes, bytes]]:
    """
    How the value may stand in a line of JSON, each with its head, by which it is found.

    Nothing of a value, or of a spelling, shorter than eight bytes.
    """
    text = value.strip()
    content = text.encode("utf-8", "surrogateescape")
    if len(content) < _SHORTEST:
        return
    # What is quoted from JSON has been escaped once before; bytes of header fields are read as latin-1.
    spellings = [text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], content.decode("latin-1")]
    escaped = quote(content, safe="")
    spellings += [escaped, _with_small_escapes(escaped)]
    for alignment in range(3):
        spellings += _inner_base64(content, alignment)
    for spelling in dict.fromkeys(spellings):
        if len(spelling) >= _SHORTEST or not spelling.isascii():
            yield _in_json(spelling[:_HEAD]), _in_json(spelling)  # cut before it is escaped: an escape is whole


def _end_of(needle: bytes, text: bytes, start: int) -> int:
    """Where a needle ends that begins at the start, or the part of it that is there; never within an escape."""
    there = text[start : start + len(needle)]
    end = start + next(
        (at for at, pair in enumerate(zip(needle, there, strict=False)) if pair[0] != pair[1]), len(there)
    )
    if _is_within_escape(text, end):
        end = text.rindex(b"\\", start, end)
    while end < len(text) and text[end] & 0xC0 == 0x80:  # within a character of UTF-8
        end -= 1
    return end


def _is_within_escape(text: bytes, position: int) -> bool:
    """Whether an escape of JSON goes on at the position."""
    before = text[max(0, position - 5) : position]
    if before.endswith(b"\\"):
        return (position - len(text[:position].rstrip(b"\\"))) % 2 == 1
    at = position - len(before) + before.rfind(b"\\u")
    return b"\\u" in before and (at + 1 - len(text[: at + 1].rstrip(b"\\"))) % 2 == 1


def _inner_base64(content: bytes, alignment: int) -> list[str]:
    """The characters of base64 that do not depend on what stands before and behind."""
    start, end = (0, 2, 3)[alignment], (alignment + len(content)) * 8 // 6
    padded = bytes(alignment) + content
    return [code(padded)[start:end].decode("ascii") for code in (b64encode, urlsafe_b64encode)]


def _with_small_escapes(escaped: str) -> str:
    first, *others = escaped.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in others)])


def _in_json(text: str) -> bytes:
    return msgspec.json.encode(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))[1:-1]


def _automaton(needles: Iterable[bytes]) -> Callable[[bytes], Any] | None:
    """None where there is too much of them for it: then each is searched for."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes are bytes
    options.log_errors = False  # the pattern is made of secrets
    options.max_mem = _RE2_MEMORY
    try:
        search: Callable[[bytes], Any] = re2.compile(b"|".join(map(re2.escape, needles)), options).search
    except re2.error:
        return None
    return search


# One for the process, as its log is one. Weak: whoever lets a secret go need not tell it.
KNOWN_VALUES = KnownValues()
