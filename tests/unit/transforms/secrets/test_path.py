"""The raw path, edited in place."""

import pytest

from iron_proxy.transforms.secrets.path import has_dot_segment, replace_in_path, tokens_in_path
from iron_proxy.transforms.secrets.tokens import TokenSet

TOKENS = TokenSet([b"tok"])


@pytest.mark.parametrize(
    ("path", "real", "expected"),
    [
        (b"/bottok/sendMessage", b"123:abc", b"/bot123%3Aabc/sendMessage"),
        (b"/bottok/send", b"a/b?c#d%e ..", b"/bota%2Fb%3Fc%23d%25e%20../send"),
        (b"/p/group%2Fproject/t%6fk/x%2fy+z", b"R", b"/p/group%2Fproject/R/x%2fy+z"),
        (b"/tok/tok", b"R", b"/R/R"),
    ],
    ids=["telegram", "one segment", "escapes of the rest are kept", "all occurrences"],
)
def test_the_secret_stays_within_its_segment(path: bytes, real: bytes, expected: bytes) -> None:
    assert tokens_in_path(path, TOKENS) == [b"tok"]
    assert replace_in_path(path, TOKENS, {b"tok": real}.get) == expected


def test_a_path_without_a_token_holds_none() -> None:
    assert tokens_in_path(b"/v1/to/k", TOKENS) == []


@pytest.mark.parametrize(
    ("path", "has"),
    [
        (b"/a/../b", True),
        (b"/..", True),
        (b"/a/.", True),
        (b"/%2e%2e/b", True),
        (b"/a%2f..%2fb", True),
        (b"/a\\..\\b", True),
        (b"/a%5c%2e%2e", True),
        (b"/..a/b..", False),
        (b"/.../x", False),
        (b"/a.b", False),
        (b"/%252e%252e/", False),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else None,
)
def test_dot_segments(path: bytes, has: bool) -> None:
    assert has_dot_segment(path) is has
