"""Tokens in every spelling of a body, at hand or streaming."""

import pytest

from iron_proxy.transforms.secrets.body_spellings import FORM, JSON, PLAIN, Spelling
from iron_proxy.transforms.secrets.body_tokens import SpelledTokens, TokenStream

FOUND = [
    (PLAIN, b"a tok-1 b", [b"tok-1"]),
    (PLAIN, b"tok-1tok-12", [b"tok-1", b"tok-12"]),
    (PLAIN, rb"\u0074ok-1 %74ok-1", []),
    (JSON, b'{"k": "tok-1"}', [b"tok-1"]),
    (JSON, rb'{"k": "\u0074o\u006B-1"}', [rb"\u0074o\u006B-1"]),
    (JSON, rb'"\\u0074ok-1"', []),
    (JSON, rb'"\\\u0074ok-1"', [rb"\u0074ok-1"]),
    (JSON, rb'"\u00e9 a\/b"', [rb"a\/b"]),
    (JSON, rb'"a\/b"', [rb"a\/b"]),
    (JSON, b'"\\tok-1"', []),
    (JSON, b'"\\\\tok-1"', [b"tok-1"]),
    (JSON, b'"\\\\ntok-1"', [b"tok-1"]),
    (JSON, rb'"\u00tok-1"', [b"tok-1"]),
    (JSON, rb'"tok-1\u0032"', [rb"tok-1\u0032"]),
    (FORM, b"k=%74ok%2D1&l=tok-12", [b"%74ok%2D1", b"tok-12"]),
    (FORM, b"k=a%2fb", [b"a%2fb"]),
    (FORM, b"k=two+words&l=two%20words", [b"two+words", b"two%20words"]),
    (FORM, b"k=41k&l=%41k", [b"41k"]),
]
TOKENS = (b"tok-1", b"tok-12", b"a/b", b"two words", b"41k")


@pytest.mark.parametrize(("spelling", "text", "spelt"), FOUND)
def test_tokens_are_found_in_each_spelling(spelling: Spelling, text: bytes, spelt: list[bytes]) -> None:
    spans = SpelledTokens(TOKENS, spelling).find(text)

    assert [text[start:end] for start, end, _ in spans] == spelt
    assert {token for _, _, token in spans} <= set(TOKENS)


@pytest.mark.parametrize(("spelling", "text", "spelt"), FOUND)
def test_a_stream_finds_the_same_at_every_split(spelling: Spelling, text: bytes, spelt: list[bytes]) -> None:
    tokens = SpelledTokens(TOKENS, spelling)

    for split in range(len(text) + 1):
        stream = TokenStream(tokens)
        parts = [stream.feed(text[:split]), stream.feed(text[split:]), stream.end()]
        assert b"".join(part for part, _ in parts) == text
        assert [part[start:end] for part, spans in parts for start, end, _ in spans] == spelt


@pytest.mark.parametrize(
    ("spelling", "piece", "held"),
    [
        (PLAIN, b"message", b""),
        (PLAIN, b"a tok-", b"tok-"),
        (PLAIN, b"a tok-1", b"tok-1"),
        (PLAIN, b"a tok-12", b""),
        (JSON, b'{"k": "v"}\n', b""),
        (JSON, rb"a \u0074ok", rb"\u0074ok"),
        (JSON, rb"a \u0074o\u00", rb"\u0074o\u00"),
        (JSON, rb"a \u0075", b""),
        (FORM, b"a=%74o%6", b"%74o%6"),
        (FORM, b"a=%75", b""),
    ],
)
def test_no_more_is_held_back_than_may_become_a_token(spelling: Spelling, piece: bytes, held: bytes) -> None:
    stream = TokenStream(SpelledTokens(TOKENS, spelling))

    passed_on, _ = stream.feed(piece)

    assert piece[len(passed_on) :] == held
    assert stream.end()[0] == held


def test_a_piece_in_which_nothing_is_found_is_not_copied() -> None:
    piece = b"x" * 1000

    assert TokenStream(SpelledTokens(TOKENS, JSON)).feed(piece)[0] is piece
