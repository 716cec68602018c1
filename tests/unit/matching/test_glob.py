"""Go's path.Match: what each construct covers, and which patterns are malformed."""

import pytest

from iron_proxy.go_compat.path_match import MAX_GLOB_LENGTH
from iron_proxy.matching.glob import compile_glob


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        pytest.param("a*c", "abbc", True, id="a star is any run"),
        pytest.param("a*c", "ac", True, id="a star is also nothing"),
        pytest.param("a*c", "a/c", False, id="a star does not cross a slash"),
        pytest.param("a***c", "abc", True, id="several stars are one"),
        pytest.param("a?c", "abc", True, id="a question mark is one character"),
        pytest.param("a?c", "aéc", True, id="a question mark is one character beyond ASCII"),
        pytest.param("a?c", "ac", False, id="a question mark is not nothing"),
        pytest.param("a?c", "a/c", False, id="a question mark is no slash"),
        pytest.param("a?c", "a\nc", True, id="a newline is a character"),
        pytest.param("[a-c]", "b", True, id="a range"),
        pytest.param("[a-cx]", "x", True, id="a range and a character"),
        pytest.param("[^a-c]", "d", True, id="a negated class"),
        pytest.param("[^a-c]", "b", False, id="a negated class leaves its members out"),
        pytest.param("a[^b]c", "a/c", False, id="a negated class is no slash"),
        pytest.param("[!a]", "!", True, id="an exclamation mark does not negate"),
        pytest.param(r"[\]\-]", "]", True, id="escapes in a class"),
        pytest.param(r"a\*", "a*", True, id="an escaped star is a star"),
        pytest.param(r"a\*", "ab", False, id="an escaped star is no wildcard"),
        pytest.param("a.c", "abc", False, id="a dot is a dot"),
        pytest.param("(a|b)+$", "(a|b)+$", True, id="regex characters are literal"),
        pytest.param("a", "ab", False, id="the whole text must match"),
        pytest.param("", "", True, id="empty matches empty"),
    ],
)
def test_a_glob_covers_what_path_match_covers(glob: str, text: str, expected: bool) -> None:
    assert (compile_glob(glob).fullmatch(text) is not None) is expected


@pytest.mark.parametrize(
    ("glob", "sentence"),
    [
        pytest.param("[ab", "] is missing", id="a class without an end"),
        pytest.param("[", "] is missing", id="a bracket alone"),
        pytest.param("[]a]", "unescaped ]", id="an empty class"),
        pytest.param("[-a]", "unescaped -", id="a range without a beginning"),
        pytest.param("[a-]", "unescaped ]", id="a range without an end"),
        pytest.param("[z-a]", "the wrong way round", id="a range that runs backwards"),
        pytest.param("a\\", "escapes nothing", id="a backslash at the end"),
        pytest.param("[\\", "escapes nothing", id="a backslash at the end of a class"),
        pytest.param("a\ud800*", "surrogate", id="half a character"),
        pytest.param("a" * (MAX_GLOB_LENGTH + 1), "at most 2048", id="too long"),
    ],
)
def test_a_malformed_glob_is_refused_with_a_sentence(glob: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|class") as caught:
        compile_glob(glob)

    assert sentence in str(caught.value)


def test_many_stars_cost_no_more_than_linear_time() -> None:
    hostile = compile_glob("*a" * 60 + "b")

    assert hostile.fullmatch("a" * 20_000) is None
