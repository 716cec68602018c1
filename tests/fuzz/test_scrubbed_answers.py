"""Any answer, in any coding, cut anywhere, while secrets become known: what the client gets holds none of them."""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.fakes.body_source import FakeBodySource
from tests.unit.transforms.secrets.scrubbing_cases import entry_of, secret_of

from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.scrub import LateTrace
from iron_proxy.protocols.content_coding.encoder import make_encoder
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.scrubbers import SentLedger

# Secrets that begin, hold and end one another's characters, with all that escapes are for.
SECRETS = {
    "A": b"sk-live_1/+=sk-live",
    "B": b"sk-live_1/+=sk-live_2",
    "C": 'p@ss "w\u00f6rd" <&> \\ 99%'.encode(),
    "D": b"-----BEGIN KEY-----\nAAAA\nBBBB\n-----END KEY-----",
}
TOKENS = {name: f"token-of-{name}".encode() for name in SECRETS}

Spell = Callable[[bytes], bytes]
# How an echo may write a text whole. Each is the identity for the texts that stand between the secrets.
SPELLINGS: dict[str, Spell] = {
    "raw": bytes,
    "json": lambda text: json.dumps(text.decode(), ensure_ascii=False)[1:-1].encode(),
    "ascii json": lambda text: json.dumps(text.decode())[1:-1].encode(),
    "percent": lambda text: quote(text, safe="").encode(),
    "html": lambda text: html.escape(text.decode()).encode(),
}
# Codings that have no stand-in of natural length: only the absence can be checked.
RECODINGS: dict[str, Spell] = {
    "hex": lambda text: text.hex().encode(),
    "base64": lambda text: b64encode(b"user:" + text),
    "base64url": lambda text: urlsafe_b64encode(b"u:" + text),
    "utf-16": lambda text: text.decode().encode("utf-16-le"),
}
NOISE = st.sampled_from([b" ", b"x", b"sk-live", b"sk-", b"token", b"-----BEGIN", b"\n", b"%2", b"AAA", b"1/"])
PART = st.tuples(st.sampled_from(sorted(SECRETS)), st.sampled_from(sorted(SPELLINGS)))
RECODED = st.tuples(st.sampled_from(sorted(SECRETS)), st.sampled_from(sorted(RECODINGS)))
CODINGS = st.sampled_from([(), ("gzip",), ("deflate",), ("br",), ("zstd",), ("gzip", "br")])
CUTS = st.lists(st.integers(0, 5000), max_size=8)


def cut(content: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({0, len(content), *(place % (len(content) + 1) for place in places)})
    return [content[start:end] for start, end in pairwise(borders)]


def coded(content: bytes, codings: tuple[str, ...]) -> bytes:
    if not codings:
        return content
    encoder = make_encoder(codings)
    return encoder.feed(content) + encoder.end()


async def answered(
    pieces: list[bytes], kind: bytes, codings: tuple[str, ...], length: int | None, known_before: int
) -> tuple[bytes, int | None]:
    """What the client gets, where some of the secrets become known only once the answer has begun."""
    entries: list[Entry] = [entry_of(name, TOKENS[name]) for name in SECRETS]
    ledger = SentLedger()
    sent = ledger.of(frozenset(entries))
    for entry in entries[:known_before]:
        sent.note(entry, secret_of(SECRETS[entry.name], entry.name))
    fields = [(b"Content-Type", kind)]
    if codings:
        fields.append((b"Content-Encoding", ", ".join(codings).encode()))
    response = Response(200, Headers(fields), Body(FakeBodySource(pieces, here=0), length))
    (scrubber,) = sent.scrubbers
    assert await scrubber.begin().scrub(response, LateTrace("secrets", [])) is None
    for entry in entries[known_before:]:
        sent.note(entry, secret_of(SECRETS[entry.name], entry.name))
    out = []
    while piece := await response.body.read():
        out.append(piece)
    return b"".join(out), response.body.length


def all_spellings() -> list[bytes]:
    return [spell(secret) for secret in SECRETS.values() for spell in SPELLINGS.values()]


@settings(max_examples=300)
@given(parts=st.lists(PART | NOISE, max_size=10), cuts=CUTS, codings=CODINGS, known_before=st.integers(0, 4))
@example(parts=[("A", "raw"), ("B", "raw")], cuts=[19, 20], codings=(), known_before=4)
@example(parts=[b"sk-live", ("A", "raw")], cuts=[3, 9], codings=(), known_before=0)
async def test_a_text_is_what_a_simple_replacement_says(
    parts: list[tuple[str, str] | bytes], cuts: list[int], codings: tuple[str, ...], known_before: int
) -> None:
    text = b"|".join(part if isinstance(part, bytes) else SPELLINGS[part[1]](SECRETS[part[0]]) for part in parts)
    clean = b"|".join(part if isinstance(part, bytes) else TOKENS[part[0]] for part in parts)

    got, length = await answered(cut(coded(text, codings), cuts), b"text/plain", codings, None, known_before)

    assert (got, length) == (clean, None)


@settings(max_examples=200)
@given(
    parts=st.lists(PART | RECODED | NOISE, max_size=10),
    cuts=CUTS,
    kind=st.sampled_from([b"application/octet-stream", b"application/grpc", b"text/html"]),
    sized=st.booleans(),
    known_before=st.integers(0, 4),
)
async def test_whatever_the_kind_no_spelling_comes_through_and_a_stated_length_stays_true(
    parts: list[tuple[str, str] | bytes], cuts: list[int], kind: bytes, sized: bool, known_before: int
) -> None:
    every = SPELLINGS | RECODINGS
    text = b"|".join(part if isinstance(part, bytes) else every[part[1]](SECRETS[part[0]]) for part in parts)

    if sized and kind.startswith(b"text"):        # it is here as a whole before anything else is sent
        known_before = len(SECRETS)

    got, length = await answered(cut(text, cuts), kind, (), len(text) if sized else None, known_before)

    assert length == (len(got) if sized else None)
    for spelling in all_spellings():
        assert spelling not in got
    for secret in SECRETS.values():
        for recode in RECODINGS.values():
            assert recode(secret)[8:-8] not in got
