"""Percent-encoding with the wire's bytes kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.transforms.secrets import percent
from iron_proxy.transforms.secrets.tokens import TokenSet


@pytest.mark.parametrize(
    ("raw", "in_query", "in_path"),
    [
        (b"a%20b", b"a b", b"a b"),
        (b"a+b", b"a b", b"a+b"),
        (b"%zz%4", b"%zz%4", b"%zz%4"),
        (b"%2b%2B", b"++", b"++"),
        (b"\xff%ff", b"\xff\xff", b"\xff\xff"),
        (b"", b"", b""),
    ],
    ids=["escape", "plus", "malformed", "escaped plus", "not ASCII", "empty"],
)
def test_decode(raw: bytes, in_query: bytes, in_path: bytes) -> None:
    assert percent.decode(raw, plus_is_space=True) == in_query
    assert percent.decode(raw) == in_path


def test_encode_leaves_only_unreserved_characters() -> None:
    assert percent.encode(b"aZ09-._~/?#% +&=;\n\xc3\xa9") == b"aZ09-._~%2F%3F%23%25%20%2B%26%3D%3B%0A%C3%A9"


@given(st.binary())
def test_encode_and_decode_are_inverse(value: bytes) -> None:
    assert percent.decode(percent.encode(value), plus_is_space=True) == value


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"tok", b"%3C%3E"),
        (b"%74ok", b"%3C%3E"),
        (b"%2f%2Ftok%2f%zz+", b"%2f%2F%3C%3E%2f%zz+"),
        (b"a%74%6f%6Bb%74%6f%6Bc", b"a%3C%3Eb%3C%3Ec"),
        (b"%zztok%", b"%zz%3C%3E%"),
        (b"%2574ok", b"%2574ok"),
    ],
    ids=["plain", "one escape", "neighbours keep theirs", "twice", "malformed neighbours", "escaped twice is not it"],
)
def test_only_the_token_changes(raw: bytes, expected: bytes) -> None:
    assert percent.replace(raw, TokenSet([b"tok"]), {b"tok": b"<>"}.get) == expected


@given(st.lists(st.sampled_from([b"%74", b"t", b"o", b"%6F", b"k", b"+", b"%", b"%zz", b"%25", b"/"])).map(b"".join))
def test_the_result_decodes_to_the_replaced_decoded_form(raw: bytes) -> None:
    tokens = TokenSet([b"tok", b"k t"])
    values = {b"tok": b"%74", b"k t": b"+&"}

    result = percent.replace(raw, tokens, values.get, plus_is_space=True)

    expected = tokens.replace(percent.decode(raw, plus_is_space=True), values.get)
    # A lone % just before a token could swallow what follows it; neither value begins with a hexadecimal digit.
    assert percent.decode(result, plus_is_space=True) == expected
