import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.learning.denied_paths import DeniedPaths
from iron_proxy.learning.generalizing import generalize
from iron_proxy.learning.path_shapes import shape_of
from iron_proxy.matching.path_patterns import PathPattern

segments = st.sampled_from(["a", "b", "c", "d", "1", "2", "77", "x-1.0.tgz", "x-2.0.tgz", "y*", "", "v1"])
paths = st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


def texts(*seen: str, denied: tuple[str, ...] = (), max_names: int = 30) -> list[str]:
    return [each.text for each in generalize(dict.fromkeys(seen, 1), {}, DeniedPaths(denied), max_names)]


def test_an_id_that_varies_becomes_a_wildcard_and_one_that_does_not_stays() -> None:
    assert texts("/o/7/users/1", "/o/7/users/2") == ["/o/7/users/?*"]
    assert texts("/users/1") == ["/users/1"]


def test_versions_within_a_name_vary_too() -> None:
    assert texts("/x/-/x-1.0.0.tgz", "/x/-/x-1.2.0.tgz") == ["/x/-/x-*.tgz"]


def test_names_stay_a_list_until_there_are_too_many() -> None:
    names = [f"/{letter}/info" for letter in "abcd"]

    assert texts(*names, max_names=4) == sorted(names)
    assert texts(*names, max_names=3) == ["/*/info"]
    assert texts(*names, max_names=0) == sorted(names)


def test_many_files_of_a_kind_keep_their_ending() -> None:
    assert texts("/a.tgz", "/b.tgz", "/c.tgz", max_names=2) == ["/*.tgz"]
    assert texts("/a.tar.gz", "/b.tar.gz", "/c.zip", max_names=2) == ["/?*"]


def test_a_folder_beside_many_that_go_on_alike_stays() -> None:
    packages = [f"/{letter}/-/{letter}.tgz" for letter in "abcd"]

    assert texts("/v1/models", *packages, max_names=3) == ["/*/-/*.tgz", "/v1/models"]


def test_a_path_with_a_final_slash_is_not_covered_by_names() -> None:
    assert texts("/", "/a", "/b", "/c", max_names=2) == ["/", "/?*"]


def test_a_path_that_a_pattern_covers_is_counted_with_it() -> None:
    (seen,) = generalize({"/users/1": 5, "/users/2": 1, "/users/me": 10}, {}, DeniedPaths(), 30)

    assert (seen.text, seen.requests, seen.paths, seen.has_wildcards) == ("/users/?*", 16, 3, True)


def test_nothing_that_was_denied_is_covered() -> None:
    assert texts("/users/1", "/users/2", denied=("/users/3",)) == ["/users/1", "/users/2"]
    assert texts("/a", "/b", "/c", denied=("/d",), max_names=2) == ["/a", "/b", "/c"]
    assert texts("/a/x", "/b/x", "/c/x", denied=("/d/x",), max_names=2) == ["/a/x", "/b/x", "/c/x"]


def test_a_wildcard_that_shortens_nothing_is_left_out() -> None:
    seen = ["/a/1x/x", "/b/2y/y", "/c/3z/z"]

    assert texts(*seen, denied=("/d/q/q",), max_names=2) == seen


def test_a_shape_is_a_pattern_of_its_own() -> None:
    (seen,) = generalize({}, {shape_of("/users/9")[0]: 4}, DeniedPaths(), 30)

    assert (seen.text, seen.requests) == ("/users/?*", 4)


def test_a_path_as_deep_as_somebody_likes_is_kept_as_it_is() -> None:
    deep = "/a" * 300

    assert texts(deep, deep + "/b", max_names=1) == [deep, deep + "/b"]


def test_paths_that_ask_for_endless_work_are_given_up_on() -> None:
    # At every place more names than allowed, of which one goes on; merging is refused, for nothing becomes shorter.
    seen = [f"{'/n' * depth}/{letter}/{letter}" for depth in range(60) for letter in "abc"]

    assert texts(*seen, max_names=2)


@pytest.mark.slow
@given(st.sets(paths, min_size=1, max_size=25), st.sets(paths, max_size=10), st.integers(0, 4))
def test_everything_seen_is_covered_and_nothing_denied_is(seen: set[str], denied: set[str], max_names: int) -> None:
    denied -= seen
    patterns = [PathPattern.parse(text) for text in texts(*seen, denied=tuple(denied), max_names=max_names)]

    assert [path for path in seen if not any(pattern.matches(path) for pattern in patterns)] == []
    # A denied path with an empty segment was ambiguous, and never gets to a pattern.
    plain = [path for path in denied if "//" not in path]
    assert [path for path in plain if any(pattern.matches(path) for pattern in patterns)] == []
    assert all(pattern.trap is None for pattern in patterns)


@pytest.mark.slow
@given(st.dictionaries(paths, st.integers(1, 9), max_size=25), st.integers(0, 4))
def test_no_request_is_lost_in_the_counts(seen: dict[str, int], max_names: int) -> None:
    patterns = generalize(seen, {}, DeniedPaths(), max_names)

    assert sum(pattern.requests for pattern in patterns) == sum(seen.values())
    assert sum(pattern.paths for pattern in patterns) == len(seen)


@given(st.permutations(["/a/1", "/a/2", "/b/x", "/c/x", "/d/x", "/e", "/f", "/g"]))
def test_the_order_of_the_records_does_not_matter(seen: list[str]) -> None:
    assert texts(*seen, max_names=2) == texts(*sorted(seen), max_names=2)
