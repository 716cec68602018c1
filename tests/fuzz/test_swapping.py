"""
Whatever the body, its pieces, its coding and its framing: the upstream gets what a simple reference says.

Bodies are made of units whose meaning is known, so that the reference need not read any: it looks for tokens in what
the units mean, leftmost first, the longest of several, and puts a secret in the place of the units.
"""

import asyncio
import json
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.secret_source import FakeSource
from tests.unit.transforms.secrets.building import PiecewiseBody, content_of, exchange_of, send

from iron_proxy.matching.rule import Rule
from iron_proxy.messages.body import Body
from iron_proxy.pipeline.verdict import CONTINUE
from iron_proxy.protocols.content_coding.decoder import make_decoder
from iron_proxy.protocols.content_coding.encoder import make_encoder
from iron_proxy.transforms.secrets.entries import ENCODINGS, Entry, Replacement
from iron_proxy.transforms.secrets.transform import SecretsTransform

# One begins another, one holds a character that JSON escapes and forms encode, one repeats itself.
SECRETS = {"tok-1": 'real "a" tok-12', "tok-12": "real\\b&é", "x/ tök": "real-c", "abab": "r%41"}
FILLERS = {f"filler-token-{number}z": f"never-{number}" for number in range(500)}
CONTENT_TYPES = {"json": b"application/json", "form": b"application/x-www-form-urlencoded", "": b"text/plain"}


class Unit(NamedTuple):
    """Some bytes of a body, and the bytes that they mean."""

    spelt: bytes
    meaning: bytes


def spellings(kind: str, char: str) -> list[bytes]:
    plain = char.encode()
    if kind == "form":
        escaped = "".join(f"%{byte:02x}" for byte in plain).encode()
        bare = [] if char in "+%&=" else [plain]
        return [*bare, escaped, escaped.upper(), *([b"+"] if char == " " else [])]
    if kind == "json":
        coded = char.encode("utf-16-be").hex()
        escaped = "".join(f"\\u{coded[at : at + 4]}" for at in range(0, len(coded), 4)).encode()
        bare = [] if char in '"\\' or char < " " else [plain]
        short = [json.dumps(char)[1:-1].encode()] if char in '"\\\n' else []
        return [*bare, escaped, escaped.replace(b"e", b"E"), *short, *([rb"\/"] if char == "/" else [])]
    return [plain]


def units(kind: str, text: str) -> st.SearchStrategy[list[Unit]]:
    """A text, each of its characters in some spelling."""
    each = [st.sampled_from([Unit(spelt, char.encode()) for spelt in spellings(kind, char)]) for char in text]
    return st.tuples(*each).map(list)


# What is around tokens: their own beginnings, and what looks like parts of escapes.
TEXTS = [*"12anb\\%0é𝄞\"\n ", "tok-", "ok-1", "ab", "bab", "x/", "u0074", "u006", "41", "%7", "filler-token-"]


def bodies(kind: str) -> st.SearchStrategy[list[Unit]]:
    part = st.sampled_from([*SECRETS, *TEXTS]).flatmap(lambda text: units(kind, text))
    return st.lists(part, max_size=12).map(lambda parts: [unit for some in parts for unit in some])


def written(kind: str, secret: str) -> bytes:
    if kind == "form":
        return quote(secret, safe="").encode()
    return json.dumps(secret, ensure_ascii=False)[1:-1].encode() if kind == "json" else secret.encode()


def expected(kind: str, body: list[Unit], *, in_place: bool = False) -> bytes:
    """The body with its tokens swapped; `in_place`: only where the length stays."""
    longest_first = sorted(SECRETS, key=len, reverse=True)
    result, at = b"", 0
    while at < len(body):
        meaning = b"".join(unit.meaning for unit in body[at : at + 40])
        found = next((token for token in longest_first if meaning.startswith(token.encode())), None)
        size = 1
        if found is not None:
            size = next(n for n in range(1, 41) if b"".join(u.meaning for u in body[at : at + n]) == found.encode())
        spelt = b"".join(unit.spelt for unit in body[at : at + size])
        new = spelt if found is None else written(kind, SECRETS[found])
        result += spelt if in_place and len(new) != len(spelt) else new
        at += size
    return result


def cut(content: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted({place % (len(content) + 1) for place in places}), len(content)]
    return [content[start:end] for start, end in pairwise(borders) if start < end]


def transform_for(tokens: dict[str, str], limit: int | None) -> SecretsTransform:
    rules = (Rule.for_host("api.test"),)
    entries = [
        Entry(FakeSource(token, real), rules, Replacement(token.encode(), in_body=True, encodings=ENCODED))
        for token, real in tokens.items()
    ]
    return SecretsTransform(entries, limit)


ENCODED = frozenset(ENCODINGS) - {"base64"}
KINDS = pytest.mark.parametrize("kind", ["json", "form", ""], ids=["json", "form", "anything else"])
CODINGS = st.sampled_from([(), ("gzip",), ("deflate",), ("br",), ("zstd",), ("gzip", "br")])
PLACES = st.lists(st.integers(0, 10_000), max_size=6)


def coded(content: bytes, codings: tuple[str, ...]) -> bytes:
    if not codings:
        return content
    encoder = make_encoder(codings)
    return encoder.feed(content) + encoder.end()


def decoded(content: bytes, codings: tuple[str, ...]) -> bytes:
    if not codings:
        return content
    decoder = make_decoder(codings)
    decoder.feed(content)
    pieces = []
    while piece := decoder.read():
        pieces.append(piece)
    decoder.end()
    return b"".join(pieces)


def forwarded(
    transform: SecretsTransform, kind: str, content: bytes, codings: tuple[str, ...], places: list[int], sized: bool
) -> tuple[bytes, int | None, dict[str, object]]:
    """What goes upstream, the length that is stated, and what is noted."""

    async def run() -> tuple[bytes, int | None, dict[str, object]]:
        wire = coded(content, codings)
        headers = [(b"Content-Type", CONTENT_TYPES[kind])]
        if codings:
            headers.append((b"Content-Encoding", ", ".join(codings).encode()))
        body = Body(PiecewiseBody(*cut(wire, places)), len(wire) if sized else None)
        exchange = exchange_of(*headers, host="api.test", method="POST", body=body)
        assert await send(transform, exchange) is CONTINUE
        length = exchange.request.body.length
        return await content_of(exchange), length, exchange.notes

    return asyncio.run(run())


@KINDS
@settings(max_examples=150)
@given(st.data(), CODINGS, PLACES, st.booleans())
def test_what_goes_upstream_is_what_the_reference_says(
    kind: str, data: st.DataObject, codings: tuple[str, ...], places: list[int], sized: bool
) -> None:
    body = data.draw(bodies(kind))
    content = b"".join(unit.spelt for unit in body)
    if kind == "form" and content.lstrip()[:1] in (b"{", b"["):
        return

    result, length, _ = forwarded(transform_for(SECRETS, 1 << 20), kind, content, codings, places, sized)

    assert decoded(result, codings) == expected(kind, body)
    assert length == (len(result) if sized else None) or not content


@KINDS
@settings(max_examples=150)
@given(st.data(), PLACES, st.integers(0, 60))
def test_of_a_body_over_the_limit_all_or_nothing_is_seen(
    kind: str, data: st.DataObject, places: list[int], limit: int
) -> None:
    body = data.draw(bodies(kind))
    content = b"".join(unit.spelt for unit in body)

    result, length, notes = forwarded(transform_for(SECRETS, limit), kind, content, (), places, sized=True)

    assert result in (expected(kind, body), expected(kind, body, in_place=True))
    assert length in (None, len(result))
    if result != expected(kind, body):
        assert notes["token_unswapped"] == ["body"]


@KINDS
@settings(max_examples=40)
@given(st.data(), PLACES, st.booleans())
def test_one_token_and_five_hundred_mean_the_same(
    kind: str, data: st.DataObject, places: list[int], sized: bool
) -> None:
    content = b"".join(unit.spelt for unit in data.draw(bodies(kind)))

    few = forwarded(transform_for(SECRETS, 1 << 20), kind, content, (), places, sized)
    many = forwarded(MANY, kind, content, (), places, sized)

    assert few == many


MANY = transform_for({**SECRETS, **FILLERS}, 1 << 20)
