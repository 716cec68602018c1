"""Path patterns over decoded paths, and which raw paths cannot be decided on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.matching.path_patterns import PathPattern, path_is_ambiguous


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        pytest.param("/v1/*", "/v1/models", True, id="below"),
        pytest.param("/v1/*", "/v1/chat/completions", True, id="any depth below"),
        pytest.param("/v1/*", "/v1", True, id="the directory itself"),
        pytest.param("/v1/*", "/v1/", True, id="the directory with a slash"),
        pytest.param("/v1/*", "/v2/models", False, id="another directory"),
        pytest.param("/v1/*", "/v11", False, id="a name that begins alike"),
        pytest.param("/v1/*", "/", False, id="above"),
        pytest.param("/health", "/health", True, id="exact"),
        pytest.param("/health", "/health/deep", False, id="exact covers nothing below"),
        pytest.param("/health", "/other", False, id="exact is exact"),
        pytest.param("/health", "/Health", False, id="paths mind case"),
        pytest.param("/*", "/anything", True, id="everything"),
        pytest.param("/*", "/", True, id="everything: the root"),
        pytest.param("/*", "", True, id="everything: the empty path"),
        pytest.param("/repos/*/issues", "/repos/a/issues", True, id="a star is one segment"),
        pytest.param("/repos/*/issues", "/repos/a/b/issues", False, id="a star does not cross a slash"),
        pytest.param("/v?/x", "/v2/x", True, id="a question mark"),
        pytest.param("/v[12]/x", "/v3/x", False, id="a class"),
        pytest.param("/caf?", "/café", True, id="beyond ASCII"),
        pytest.param("/repos/*/*", "/repos/a/b", False, id="before a final /* a star is literal"),
        pytest.param("/repos/*/*", "/repos/*/b", True, id="and matches itself"),
    ],
)
def test_a_path_pattern_covers(text: str, path: str, expected: bool) -> None:
    assert PathPattern.parse(text).matches(path) is expected


@pytest.mark.parametrize("text", ["*", "v1/*", "", "https://x/"])
def test_a_path_pattern_begins_with_a_slash(text: str) -> None:
    with pytest.raises(ValueError, match="must start with /") as caught:
        PathPattern.parse(text)

    assert str(caught.value) == f'path "{text}" must start with /'


def test_a_malformed_class_is_refused() -> None:
    with pytest.raises(ValueError, match=r'^path "/v\[1": a character class is not closed'):
        PathPattern.parse("/v[1")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        pytest.param("/repos/*/*", "before a final /* wildcards are literal", id="literal star"),
        pytest.param("/a%20b", "decoded path", id="escape"),
    ],
)
def test_a_pattern_that_matches_nothing_useful_loads_with_advice(text: str, advice: str) -> None:
    trap = PathPattern.parse(text).trap

    assert trap is not None
    assert advice in trap


@pytest.mark.parametrize(
    "raw_path",
    [
        pytest.param(b"/v1/a%2Fb", id="encoded slash"),
        pytest.param(b"/v1%2fadmin", id="encoded slash in lower case"),
        pytest.param(b"/v1/..%5cadmin", id="encoded backslash"),
        pytest.param(b"/v1/..\\admin", id="backslash"),
        pytest.param(b"/v1/a%00.txt", id="encoded NUL"),
        pytest.param(b"/v1/a\x00b", id="NUL"),
        pytest.param(b"/v1//admin", id="two slashes"),
        pytest.param(b"//v1", id="two slashes first"),
        pytest.param(b"/v1/..;/admin", id="dots and a semicolon"),
        pytest.param(b"/v1/..%3b/admin", id="dots and an encoded semicolon"),
        pytest.param(b"/v1/.%2e;x=1/admin", id="half encoded dots and a semicolon"),
        pytest.param(b"/v1/;../admin", id="a semicolon and dots"),
        pytest.param(b"/v1/../admin", id="dot segment"),
        pytest.param(b"/v1/.", id="one dot at the end"),
        pytest.param(b"/v1/%2e%2e/admin", id="encoded dot segment"),
        pytest.param(b"/v1/%252e%252e/admin", id="twice encoded dots"),
        pytest.param(b"/v1/%25252e%25252e/admin", id="three times encoded dots"),
        pytest.param(b"/v1/%25%32%65x", id="a twice encoded dot in pieces"),
        pytest.param(b"/v1/a%252fb", id="twice encoded slash"),
        pytest.param(b"/v1/a%255cb", id="twice encoded backslash"),
        pytest.param(b"/v1/%c0%ae%c0%ae/admin", id="overlong dots"),
        pytest.param(b"/v1/%e0%80%afadmin", id="overlong slash"),
        pytest.param(b"/v1/%u002e", id="an escape of another kind"),
        pytest.param(b"/v1/100%", id="a percent sign that is no escape"),
        pytest.param(b"/v1/%2", id="half an escape"),
    ],
)
def test_an_ambiguous_path_is_recognised(raw_path: bytes) -> None:
    assert path_is_ambiguous(raw_path)


@pytest.mark.parametrize(
    "raw_path",
    [
        b"",
        b"/",
        b"*",
        b"/v1/",
        b"/v1/x.y",
        b"/a..b",
        b"/...",
        b"/.well-known/x",
        b"/a;v=1/b",
        b"/caf%c3%a9",
        b"/caf%e9",
        b"/%761/x",
        b"/a%20b",
        b"/file%2etxt",
        b"/100%25",
        b"/x%3bv=1",
        b"/\xc3\xa9",
    ],
    ids=repr,
)
def test_an_ordinary_path_is_not_ambiguous(raw_path: bytes) -> None:
    assert not path_is_ambiguous(raw_path)


@given(st.binary(max_size=60))
def test_any_bytes_get_an_answer(raw_path: bytes) -> None:
    assert path_is_ambiguous(raw_path) in (True, False)
