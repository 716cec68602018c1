"""Globs in sets give the same answers as each by itself, however many sets they need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.matching import glob_sets
from iron_proxy.matching.glob import compile_glob
from iron_proxy.matching.glob_sets import GlobSets


def test_what_a_glob_stands_for_is_found() -> None:
    sets = GlobSets([("a*", "first"), ("*b", "second"), ("c?", "third")])

    assert sorted(sets.matching("ab")) == ["first", "second"]
    assert sets.matching("d") == []


def test_without_globs_nothing_is_found() -> None:
    assert GlobSets[int]([]).matching("a") == []


def test_more_globs_than_a_set_holds_are_all_asked() -> None:
    sets = GlobSets([(f"api-*.w{number}.test", number) for number in range(1000)], is_ascii=True)

    assert sets.matching("api-x.w7.test") == [7]
    assert sets.matching("api-x.w999.test") == [999]
    assert sets.matching("api-x.w1000.test") == []


@pytest.mark.parametrize("memory", [16 * 1024 * 1024, 64 * 1024], ids=["one set", "sets that had to be divided"])
def test_long_globs_are_found_whatever_fits_a_set(monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    monkeypatch.setattr(glob_sets, "_SET_MEMORY", memory)
    letters = "?" * 100
    sets = GlobSets([(f"*{letters}{number}.*.b.test", number) for number in range(100, 150)], is_ascii=True)

    for number in (100, 131, 149):
        assert sets.matching("x" * 100 + f"{number}.a.b.test") == [number]


def test_a_glob_that_fits_no_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glob_sets, "_SET_MEMORY", 1024)

    with pytest.raises(ValueError, match="too large a pattern"):
        GlobSets([("*" + "?" * 200 + ".b.test", 0)])


def test_the_probe_of_a_set_is_an_ordinary_text() -> None:
    assert GlobSets([("/a*", 0)]).matching("/probe") == []
    assert GlobSets([("/pro*", 0)]).matching("/probe") == [0]


pieces = st.sampled_from(["a", "b", "/", "*", "?", "[a-b]", "[^a]", "é", "\U0001f600", "\n", "."])


@pytest.mark.slow
@given(st.lists(st.lists(pieces, max_size=6).map("".join), max_size=8), st.lists(pieces, max_size=6).map("".join))
def test_a_set_agrees_with_each_glob_by_itself(globs: list[str], text: str) -> None:
    expected = [number for number, glob in enumerate(globs) if compile_glob(glob).fullmatch(text)]

    assert sorted(GlobSets(zip(globs, range(len(globs)), strict=True)).matching(text)) == expected
