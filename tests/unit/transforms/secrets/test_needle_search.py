"""Many needles, of which only the heads are compiled: leftmost first, the longest where several begin."""

import time

import pytest

from iron_proxy.transforms.secrets import needle_search
from iron_proxy.transforms.secrets.needle_search import search_for

NEEDLES = [b"ab", b"abcdef", b"abcxyz", b"abcdefgh", b"b", b"\xff\0\n."]


@pytest.fixture(params=[1, 2, 3, 32], autouse=True)
def head(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of the needles is compiled, the search means the same."""
    monkeypatch.setattr(needle_search, "_HEAD_BYTES", request.param)


@pytest.mark.parametrize(
    ("text", "position", "span"),
    [
        (b"abcdefghi", 0, (0, 8)),
        (b"abcdefg", 0, (0, 6)),
        (b"abcde", 0, (0, 2)),
        (b"xabcxyz", 0, (1, 7)),
        (b"abcxyz", 1, (1, 2)),
        (b"a\xff\0\n.", 0, (1, 5)),
        (b"a\xff\0\n!", 0, None),
        (b"", 0, None),
        (b"ac" * 100, 0, None),
    ],
)
def test_the_first_one_and_the_longest_is_found(text: bytes, position: int, span: tuple[int, int] | None) -> None:
    match = search_for(NEEDLES)(text, position)

    assert (None if match is None else match.span()) == span
    assert match is None or (match.start(), match.end()) == span


def test_without_needles_nothing_is_found() -> None:
    assert search_for([])(b"text", 0) is None


def test_key_files_in_many_spellings_are_compiled_without_a_stall() -> None:
    """Whoever is served by the same process waits for it. Whole needles take some 400 ms."""
    needles = [b"%04d" % number + b"key file " * 500 for number in range(300)]
    began = time.process_time()

    search_for(needles)

    assert time.process_time() - began < 0.1


def test_a_text_made_of_heads_takes_time_in_proportion_to_its_length() -> None:
    search = search_for([b"-----BEGIN RSA PRIVATE KEY-----\nM" + b"x" * 4000])
    began = time.process_time()

    assert search(b"-----BEGIN RSA PRIVATE KEY-----\nM" * 5000, 0) is None

    assert time.process_time() - began < 1
