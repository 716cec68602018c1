import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.learning.path_shapes import (
    ANYTHING,
    Path,
    Segment,
    example_of,
    filled,
    has_wildcards,
    matches,
    pattern_text,
    segments_of,
    shape_of,
)
from iron_proxy.matching.path_patterns import PathPattern

parts = st.text("ab1.9-v%*?[\\]_ é~", max_size=12)
paths = st.lists(parts, min_size=1, max_size=5).map(lambda segments: "/" + "/".join(segments))


@pytest.mark.parametrize(
    ("segment", "ids"),
    [
        ("42", ["42"]),
        ("0a1b2c3d", ["0a1b2c3d"]),
        ("DEADBEEF1", ["DEADBEEF1"]),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", ["3f2504e0-4f89-11d3-9a0c-0305e82c3301"]),
        ("lodash-4.17.21.tgz", ["4.17.21"]),
        ("next-15.0.0-rc.1.tgz", ["15.0.0-rc.1"]),
        ("requests-2.31.0-py3-none-any.whl", ["2.31.0"]),
        ("v1.2.3", ["v1.2.3"]),
        ("2026-11-25", ["2026-11-25"]),
        ("msg_01AbCdEfGhIjKlMnOp", ["01AbCdEfGhIjKlMnOp"]),
        ("1-2", ["1", "2"]),
        ("v1", []),
        ("models", []),
        ("facade", []),
        ("defaced", []),
        ("utf8", []),
        ("", []),
    ],
)
def test_what_is_likely_to_be_an_id(segment: str, ids: list[str]) -> None:
    assert list(shape_of(f"/{segment}")[1]) == ids


@given(paths)
def test_a_shape_with_its_ids_put_back_is_the_path(path: str) -> None:
    shape, ids = shape_of(path)

    assert filled(shape, ids) == segments_of(path)
    assert filled(shape, (None,) * len(ids)) == shape
    assert has_wildcards(shape) == bool(ids)


@given(paths)
def test_a_whole_path_as_a_pattern_matches_itself_without_a_warning(path: str) -> None:
    pattern = PathPattern.parse(pattern_text(segments_of(path)))

    assert pattern.matches(path)
    assert pattern.trap is None


@given(paths, paths)
def test_a_whole_path_as_a_pattern_matches_nothing_else(path: str, other: str) -> None:
    pattern = PathPattern.parse(pattern_text(segments_of(path)))

    assert pattern.matches(other) == (path == other)


@given(paths)
def test_a_shape_as_a_pattern_matches_the_path_and_its_example(path: str) -> None:
    shape = shape_of(path)[0]
    pattern = PathPattern.parse(pattern_text(shape))

    assert pattern.matches(path)
    assert pattern.matches(example_of(shape))
    assert pattern.trap is None


@given(st.lists(st.text("ab*", max_size=3), min_size=1, max_size=4).map(tuple), st.text("ab*", max_size=8))
def test_our_match_is_that_of_the_engine(segment: Segment, text: str) -> None:
    pattern = PathPattern.parse(pattern_text((segment, ("end",))))

    assert matches(segment, text) == pattern.matches(f"/{text}/end")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((("users",), ANYTHING), "/users/?*"),
        ((ANYTHING, ("x",)), "/*/x"),
        ((("",),), "/"),
        ((("app-", ".tgz"),), "/app-*.tgz"),
        ((("a*",), ("b",)), "/a\\*/b"),
        ((("%41",),), "/[%]41"),
    ],
)
def test_a_final_wildcard_is_one_segment_and_not_everything_below(path: Path, text: str) -> None:
    assert pattern_text(path) == text


def test_a_hostile_path_is_taken_apart_in_a_moment() -> None:
    for unit in ("1", "a1", "1.", "-1", "1-", "abcdef", "v1."):
        shape_of("/" + unit * 300)
