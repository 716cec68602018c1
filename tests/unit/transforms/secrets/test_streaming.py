"""Replacement in a streaming body: the same for every split, nothing held that could be passed on."""

import pytest
from tests.wire.pieces import in_pieces

from iron_proxy.transforms.secrets import streaming
from iron_proxy.transforms.secrets.streaming import Replacer

# Needles that begin, end, hold and repeat one another.
NEEDLES = {
    b"abc": b"<1>",
    b"abcdef": b"<2>",
    b"cde": b"<3>",
    b"efabcdefabcdefabq": b"<4>",
    b"efabcdefabcdefabqr": b"<5>",
    b"\xff\0\n": b"abc",
    b"x": b"",
}
TEXTS = {
    b"": b"",
    b"abc": b"<1>",
    b"abcde": b"<1>de",
    b"abcdef": b"<2>",
    b"abcdeabcdef": b"<1>de<2>",
    b"abcdabcdcdef": b"<1>d<1>d<3>f",
    b"ab": b"ab",
    b"efabcdefabcdefabq": b"<4>",
    b"efabcdefabcdefabqr": b"<5>",
    b"efabcdefabcdefabcdefabcdefabqefabcdefabcdefab": b"ef<2><2><2><2>abqef<2><2>ab",
    b"\xff\0\nx\xff\0x\xff": b"abc\xff\0\xff",
    b"xxxcdecdexx": b"<3><3>",
    b"nothing of the kind": b"nothing of the kind",
}


@pytest.fixture(params=[8, 0], ids=["few needles", "many needles"], autouse=True)
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to look for needles mean the same."""
    monkeypatch.setattr(streaming, "_FEW_NEEDLES", request.param)


@pytest.mark.parametrize(("text", "expected"), TEXTS.items())
def test_every_split_gives_the_same(text: bytes, expected: bytes) -> None:
    for size in range(1, len(text) + 1):
        body = Replacer(NEEDLES).stream()

        out = [body.feed(piece) for piece in in_pieces(text, size)]

        assert b"".join([*out, body.end()]) == expected


def test_a_needle_across_a_border_is_found_at_every_cut() -> None:
    text = b"key=abcdef;"
    for cut in range(len(text) + 1):
        body = Replacer({b"abcdef": b"token"}).stream()

        out = body.feed(text[:cut]) + body.feed(text[cut:]) + body.end()

        assert out == b"key=token;"
        assert body.counts == {b"abcdef": 1}


def test_the_longest_of_several_wins_although_it_comes_in_two_pieces() -> None:
    body = Replacer({b"tok-1": b"A", b"tok-12": b"B"}).stream()

    assert [body.feed(b"<tok-1"), body.feed(b"2>"), body.feed(b"tok-1"), body.feed(b"!"), body.end()] == [
        b"<",
        b"B>",
        b"",
        b"A!",
        b"",
    ]


def test_what_was_put_in_is_not_searched_again() -> None:
    body = Replacer({b"one": b"two", b"two": b"one", b"neo": b"!"}).stream()

    assert body.feed(b"onetwoo") + body.end() == b"twooneo"
    assert body.counts == {b"one": 1, b"two": 1}


def test_a_piece_in_which_nothing_was_found_is_passed_on_itself() -> None:
    body = Replacer(NEEDLES).stream()
    piece = bytes(bytearray(b"nothing of the kind"))

    assert body.feed(piece) is piece
    assert body.counts == {}


def test_an_event_is_not_delayed_when_its_end_begins_no_needle() -> None:
    body = Replacer({b"secret\n\nsecret": b"token"}).stream()

    assert body.feed(b"data: 1\n\n") == b"data: 1\n\n"
    assert body.feed(b"data: secret\n\n") == b"data: "
    assert body.feed(b"data: 2\n\n") == b"secret\n\ndata: 2\n\n"


def test_what_is_held_at_the_end_is_searched_for_shorter_needles() -> None:
    body = Replacer({b"abcdefgh": b"long", b"cd": b"!"}).stream()

    assert body.feed(b"abcdefg") == b""
    assert body.end() == b"ab!efg"
    assert body.end() == b""


def test_a_beginning_that_a_needle_took_is_not_held() -> None:
    """`cdef` looked like the beginning of the second; then it belonged to the first."""
    body = Replacer({b"abcdef": b"1", b"cdefghi": b"2", b"fgh": b"3"}).stream()

    assert body.feed(b"..abcdef") == b"..1"
    assert body.feed(b"ghi") == b"ghi"


def test_empty_pieces_change_nothing() -> None:
    body = Replacer({b"secret": b"token"}).stream()

    assert [body.feed(piece) for piece in (b"", b"sec", b"", b"ret", b"")] == [b"", b"", b"", b"token", b""]


def test_a_long_needle_of_lines_is_found_byte_by_byte() -> None:
    needle = b"".join(b"line %d\n" % number for number in range(300))
    body = Replacer({needle: b"token"}).stream()

    out = [body.feed(piece) for piece in in_pieces(b"<" + needle[:-1] + b"|" + needle + b">", 1)]

    assert b"".join(out) == b"<" + needle[:-1] + b"|token>"
    assert out[: len(needle) + 1] == [b"<", *[b""] * (len(needle) - 1), needle[:-1] + b"|"]


def test_places_that_look_like_a_beginning_are_compared_to_their_end() -> None:
    needle = b"12345678" * 3 + b"9"
    body = Replacer({needle: b"token"}).stream()

    assert body.feed(b"12345678 12345678") == b"12345678 "
    assert body.feed(b"1") == b""
    assert body.feed(b" ") == b"123456781 "


def test_no_needles_replace_nothing() -> None:
    body = Replacer({}).stream()

    assert body.feed(b"anything") + body.end() == b"anything"


def test_a_whole_value_is_replaced_beside_the_stream() -> None:
    body = Replacer({b"secret": b"token", b"cr": b"!"}).stream()

    assert body.feed(b"a sec") == b"a "
    assert body.whole(b"sec, secret") == b"sec, token"
    assert body.whole(b"none") == b"none"
    assert body.feed(b"ret") + body.end() == b"token"
    assert body.counts == {b"secret": 2}


def test_a_body_of_promised_length_takes_only_replacements_as_long_as_their_needles() -> None:
    Replacer({b"secret": b"token*"}, same_length=True)

    with pytest.raises(ValueError, match="differs in length"):
        Replacer({b"secret": b"token"}, same_length=True)


def test_an_empty_needle_is_refused() -> None:
    with pytest.raises(ValueError, match="empty needle"):
        Replacer({b"": b"x"})


def test_nothing_prints_a_needle_or_its_replacement() -> None:
    replacer = Replacer({b"secret": b"token"})
    body = replacer.stream()
    body.feed(b"secret sec")

    assert repr(replacer) == "<Replacer of 1 needles>"
    assert repr(body) == "<StreamingReplacement 1 found, 3 bytes held>"


@pytest.mark.parametrize("needle", [bytes(range(256)), rb"\E.*(a|b)[c]{2}$^\z", b"\0\r\n\0", "ſKé☃😀".encode()])
def test_bytes_of_any_value_are_needles(needle: bytes) -> None:
    text = needle + needle[1:] + b"K" + needle + needle[:-1]
    for size in (1, 2, 3, len(text)):
        body = Replacer({needle: b"token"}).stream()

        out = [body.feed(piece) for piece in in_pieces(text, size)]

        assert b"".join([*out, body.end()]) == b"token" + needle[1:] + b"Ktoken" + needle[:-1]
