"""Path patterns over decoded paths."""

import pytest

from iron_proxy.matching.path_patterns import PathPattern


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
