"""Tokens in base64 within a body."""

from base64 import b64encode, urlsafe_b64encode

import pytest

from iron_proxy.transforms.secrets.base64_text import Base64Search
from iron_proxy.transforms.secrets.tokens import TokenSet

TOKEN, REAL = b"proxy-token-1", b"\xff\xfereal?>"
SEARCH = Base64Search(TokenSet([TOKEN, b"ab"]))


def replaced(body: bytes) -> bytes:
    for text in reversed(SEARCH.find(body)):
        body = body[: text.start] + text.replaced(lambda _: REAL) + body[text.end :]
    return body


@pytest.mark.parametrize("behind", [b"", b"x", b"xy"])
@pytest.mark.parametrize("before", [b"", b"u", b"us", b"user:"])
def test_a_token_is_swapped_wherever_it_stands_in_the_text(before: bytes, behind: bytes) -> None:
    body = b'{"auth": "' + b64encode(before + TOKEN + behind) + b'"}'

    assert replaced(body) == b'{"auth": "' + b64encode(before + REAL + behind) + b'"}'


def test_a_text_keeps_its_alphabet_and_does_without_padding_if_it_did() -> None:
    marks = b"\xfb\xff\xfe"
    body = b"a." + urlsafe_b64encode(marks + TOKEN).rstrip(b"=") + b".c"

    assert replaced(body) == b"a." + urlsafe_b64encode(marks + REAL).rstrip(b"=") + b".c"


def test_several_texts_and_several_tokens_are_swapped() -> None:
    body = b64encode(TOKEN + b" " + TOKEN) + b"," + b64encode(b"nothing to see") + b"," + b64encode(TOKEN)

    assert replaced(body) == b",".join(map(b64encode, [REAL + b" " + REAL, b"nothing to see", REAL]))


@pytest.mark.parametrize(
    "body",
    [b"", TOKEN, b64encode(b"another"), b"x" + b64encode(TOKEN), b64encode(TOKEN)[:9]],
    ids=["empty", "plain", "another text", "not from its beginning", "cut"],
)
def test_anything_else_stays(body: bytes) -> None:
    assert replaced(body) == body


def test_no_more_texts_are_decoded_than_are_asked_for() -> None:
    body = b",".join([b64encode(TOKEN)] * 5)

    assert SEARCH.find(body, 2) == SEARCH.find(body)[:2]
