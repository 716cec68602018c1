import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.matching.glob import compile_glob


def matches(pattern: str, name: str) -> bool:
    return compile_glob(pattern).fullmatch(name) is not None


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("", ""),
        ("abc", "abc"),
        ("*", ""),
        ("*", "a.b.c"),
        ("*c", "abc"),
        ("a*", "a"),
        ("a*/b", "abc/b"),
        ("a*b*c*d*e*/f", "axbxcxdxe/f"),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f"),
        ("a*b?c*x", "abxbbxdbxebxczzx"),
        ("a**b", "aXb"),
        ("a?b", "a☺b"),
        ("a?b", "a\nb"),
        ("ab[c]", "abc"),
        ("ab[b-d]", "abc"),
        ("ab[^e-g]", "abc"),
        ("a[^a]b", "a☺b"),
        ("[α-ω]", "κ"),
        ("[a-ζ]*", "α"),
        (r"a\*b", "a*b"),
        (r"\a", "a"),
        (r"[\]a]", "]"),
        (r"[\-]", "-"),
        (r"[x\-]", "x"),
        (r"[\-x]", "-"),
        ("[!a]", "!"),
        ("[a!]", "!"),
        ("[*]", "*"),
        ("[[]", "["),
        ("a]", "a]"),
        ("*x", "xxx"),
        ("$.{}()|+^", "$.{}()|+^"),
        ("[&~|]", "~"),
        ("*a*b", "aab"),
    ],
)
def test_a_name_matches(pattern: str, name: str) -> None:
    assert matches(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("", "a"),
        ("abc", "ABC"),
        ("abc", "abc\n"),
        ("*", "a/b"),
        ("a*", "ab/c"),
        ("a*/b", "a/c/b"),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f"),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff"),
        ("a*b?c*x", "abxbbxdbxebxczzy"),
        ("a?b", "a/b"),
        ("a???b", "a☺b"),
        ("ab[e-g]", "abc"),
        ("ab[^c]", "abc"),
        ("a[^a][^a][^a]b", "a☺b"),
        (r"a\*b", "ab"),
        ("[!a]", "b"),
        ("[^a]", "/"),                         # stricter than Go: no wildcard crosses a slash
        ("*x", "xxxy"),
        ("?", ""),
        ("[^a]", ""),
        ("*/a*b", "a/ac"),
    ],
)
def test_a_name_does_not_match(pattern: str, name: str) -> None:
    assert not matches(pattern, name)


@pytest.mark.parametrize(
    "pattern",
    [
        "[]a]",
        "[-]",
        "[x-]",
        "[-x]",
        "[a-b-c]",
        "[",
        "[^",
        "[^bc",
        "a[",
        "a[\\",
        "[]",
        "[^]",
        "a\\",
        "[a-",
        "x*[",
        "[\\",
        "[*",
        "[z-a]",                               # stricter than Go, where it matches nothing
    ],
)
def test_a_malformed_pattern_is_refused_when_it_is_read(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"character class|backslash"):
        compile_glob(pattern)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*a" * 30 + "*b", "a" * 20_000),
        ("*?" * 30 + "b", "a" * 20_000),
        ("a*" * 100 + "b", "a" * 10_000),
        ("*[^b]" * 50 + "c", "a" * 10_000),
    ],
    ids=["many stars", "star and question mark", "stars after letters", "classes"],
)
def test_hostile_names_do_not_make_it_slow(pattern: str, name: str) -> None:
    assert not matches(pattern, name)  # exponential matchers do not come back from any of these


def by_trying_everything(pattern: str, name: str) -> bool:
    """Only letters, `*`, `?` and `/`: there the first place is as good as any."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        stretches = [0, *(n + 1 for n in range(len(name)) if "/" not in name[: n + 1])]
        return any(by_trying_everything(pattern[1:], name[n:]) for n in stretches)
    fits = bool(name) and (name[0] == pattern[0] or (pattern[0] == "?" and name[0] != "/"))
    return fits and by_trying_everything(pattern[1:], name[1:])


@given(st.text("ab/*?", max_size=7), st.text("ab/", max_size=9))
def test_it_agrees_with_trying_everything(pattern: str, name: str) -> None:
    assert matches(pattern, name) == by_trying_everything(pattern, name)


@given(st.text(string.printable + "é\ud800", max_size=12), st.text(max_size=12))
def test_any_pattern_either_compiles_or_is_a_value_error(pattern: str, name: str) -> None:
    try:
        compiled = compile_glob(pattern)
    except ValueError:
        return

    compiled.fullmatch(name)
