"""The index of paths gives the same answers as looking at every pattern."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.matching.path_index import PathIndex
from iron_proxy.matching.path_patterns import PathPattern


def index_of(*texts: str) -> PathIndex:
    return PathIndex((PathPattern.parse(text), number) for number, text in enumerate(texts))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/v1", {0, 1}, id="the directory itself"),
        pytest.param("/v1/", {0}, id="with a slash"),
        pytest.param("/v1/a", {0, 3}, id="below"),
        pytest.param("/v1/a/b/c", {0, 2}, id="nested directories"),
        pytest.param("/v11", set[int](), id="a name that begins alike"),
        pytest.param("/v2/a", {3}, id="a shell pattern"),
        pytest.param("", set[int](), id="the empty path"),
        pytest.param("*", set[int](), id="of OPTIONS *"),
    ],
)
def test_patterns_of_all_kinds(path: str, expected: set[int]) -> None:
    assert index_of("/v1/*", "/v1", "/v1/a/b/*", "/*/a").matching(path) == expected


def test_a_rule_with_several_patterns_that_fit_is_found_once() -> None:
    index = PathIndex((PathPattern.parse(text), 7) for text in ("/a/*", "/a/b", "/*/b"))

    assert index.matching("/a/b") == {7}


def test_every_path_is_below_the_root() -> None:
    index = index_of("/*")

    assert index.matching("") == index.matching("/") == index.matching("/a/b") == {0}
    assert index.matching("*") == set()


def test_only_beginnings_of_a_length_that_a_directory_has_are_looked_up() -> None:
    looked_up: list[str] = []

    class Watched(dict[str, list[int]]):
        def get(self, key: str, default: object = None) -> object:  # type: ignore[override]  # what is used of it
            looked_up.append(key)
            return super().get(key, default)

    index = index_of("/a/b/*", "/c/*")
    index._directories = Watched(index._directories)
    path = "/a" * 4000

    assert index.matching(path) == set()
    assert looked_up == [path, "/a", "/a/a"]


segments = st.sampled_from(["", "a", "b", "ab", "é", "x y", "%61", "\n", "*", "?"])
patterns = st.lists(segments | st.sampled_from(["a*", "[ab]", "\\*"]), max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)
paths = st.lists(segments, max_size=5).map("/".join) | st.lists(segments, max_size=5).map(lambda p: "/" + "/".join(p))


@pytest.mark.slow
@given(st.lists(patterns, max_size=12), paths)
def test_the_index_agrees_with_a_look_at_every_pattern(texts: list[str], path: str) -> None:
    expected = {number for number, text in enumerate(texts) if PathPattern.parse(text).matches(path)}

    assert index_of(*texts).matching(path) == expected
