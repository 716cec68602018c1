from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.audit_reading.lines import LineSplitter


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_the_lines_are_the_same_however_the_bytes_arrive(data: bytes, cuts: list[int]) -> None:
    splitter, lines, start = LineSplitter(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        lines += splitter.feed(data[start:cut])
        start = max(start, cut)

    assert lines + splitter.end() == data.split(b"\n")


def test_a_line_without_an_end_is_not_collected() -> None:
    splitter = LineSplitter(max_bytes=10)

    for _ in range(100):
        assert splitter.feed(b"x" * 8) == []

    assert sum(map(len, splitter._parts)) <= 10
    assert splitter.feed(b"\nshort\n") == [b"short"]
    assert splitter.too_long == 1


def test_a_long_line_within_one_piece_is_counted_too() -> None:
    splitter = LineSplitter(max_bytes=5)

    assert splitter.feed(b"a\nlonger than five\nb\nlonger than five") == [b"a", b"b"]
    assert splitter.end() == []
    assert splitter.too_long == 2
