"""The raw query, edited parameter by parameter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.transforms.secrets.query import replace_in_query, set_parameter, tokens_in_query
from iron_proxy.transforms.secrets.tokens import TokenSet

TOKENS = TokenSet([b"tok", b"a b+c"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"key=tok", [("key", [b"tok"])]),
        (b"a=1&k%65y=Bearer+tok&key=tok", [("key", [b"tok"]), ("key", [b"tok"])]),
        (b"key=%74%6F%6b", [("key", [b"tok"])]),
        (b"key=a+b%2Bc", [("key", [b"a b+c"])]),
        (b"key=tok+tok", [("key", [b"tok"])]),
        (b"a;b=tok", [("a;b", [b"tok"])]),
        (b"%zz=tok%zz", [("%zz", [b"tok"])]),
        (b"k=v=tok", [("k", [b"tok"])]),
        (b"tok=1&tok", []),
        (b"a=to&b=k", []),
        (b"%ff=tok", [("\N{REPLACEMENT CHARACTER}", [b"tok"])]),
        (b"&&=tok&", [("", [b"tok"])]),
    ],
    ids=[
        "plain", "twice", "escaped", "plus is a space", "once per value", "semicolon", "malformed", "second equals",
        "keys are not searched", "across parameters", "key not UTF-8", "empty key",
    ],
)  # fmt: skip
def test_tokens_are_found_in_values(query: bytes, found: list[tuple[str, list[bytes]]]) -> None:
    assert tokens_in_query(query, TOKENS) == found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"b=2&a=%20&key=tok&c&b=1&d=%zz", b"b=2&a=%20&key=R%2F%26%20&c&b=1&d=%zz"),
        (b"key=x+%2f+tok+%7e", b"key=x+%2f+R%2F%26%20+%7e"),
        (b"tok=tok", b"tok=R%2F%26%20"),
        (b"&&tok&=tok", b"&&tok&=R%2F%26%20"),
    ],
    ids=["order and bytes of the rest", "rest of the value", "key stays", "odd separators"],
)
def test_only_matched_text_changes(query: bytes, expected: bytes) -> None:
    assert replace_in_query(query, TOKENS, {b"tok": b"R/& "}.get) == expected


@given(st.binary())
def test_a_query_without_a_token_keeps_every_byte(query: bytes) -> None:
    assert replace_in_query(query, TokenSet([b"proxy-never-here"]), lambda token: token) == query


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, b"key=v%26"),
        (b"", b"key=v%26"),
        (b"existing=value", b"existing=value&key=v%26"),
        (b"b=%zz&key=mine&a=1+2&k%65y=two&c", b"b=%zz&key=v%26&a=1+2&c"),
        (b"key", b"key=v%26"),
        (b"Key=1", b"Key=1&key=v%26"),
        (b"a=1;key=mine;b=2&c;key&d;%6bey=x", b"a=1;b=2&c&d&key=v%26"),
        (b"a=x;y&+key=mine&%20key=2&key%00=3", b"a=x;y&key=v%26"),
    ],
    ids=[
        "no query", "empty query", "appended", "replaces all, keeps the rest", "key without a value", "case matters",
        "behind semicolons", "with blanks or a NUL",
    ],
)  # fmt: skip
def test_set_parameter(query: bytes | None, expected: bytes) -> None:
    assert set_parameter(query, "key", b"v&") == expected
