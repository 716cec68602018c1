"""How a body's kind is told, and how it spells texts."""

import json
import time
from urllib.parse import parse_qsl

import pytest

from iron_proxy.messages.headers import Headers
from iron_proxy.transforms.secrets.body_spellings import FORM, JSON, PLAIN, Spelling, media_type, spelling_of


@pytest.mark.parametrize(
    ("content_type", "start", "spelling"),
    [
        (None, b"{}", PLAIN),
        (b"text/plain", b"{}", PLAIN),
        (b"application/json", b"", JSON),
        (b"Application/JSON; charset=utf-8", b"", JSON),
        (b"application/vnd.api+json", b"", JSON),
        (b"application/x-ndjson", b"", JSON),
        (b"application/jsonl", b"", JSON),
        (b"application/json-seq", b"", JSON),
        (b"application/x-www-form-urlencoded", b"a=b", FORM),
        (b"application/x-www-form-urlencoded", b' {"a": 1}', JSON),
        (b"application/x-www-form-urlencoded;charset=UTF-8", b"[1]", JSON),
        (b"multipart/form-data; boundary=x", b"--x", PLAIN),
        (b"application/octet-stream", b"", PLAIN),
    ],
)
def test_the_kind_is_told_by_content_type(content_type: bytes | None, start: bytes, spelling: Spelling) -> None:
    headers = Headers([] if content_type is None else [(b"Content-Type", content_type)])

    assert spelling_of(headers, start) is spelling


def test_a_media_type_has_no_parameters() -> None:
    assert media_type(Headers([(b"content-type", b" Text/HTML ; charset=utf-8")])) == b"text/html"
    assert media_type(Headers()) == b""


@pytest.mark.parametrize("value", ["plain", 'quote " and \\', "new\nline\x01", "é 𝄞", "a&b=c+d%20 /"])
def test_what_is_encoded_is_read_as_the_same(value: str) -> None:
    in_json = b'{"k": "' + JSON.encode(value.encode()) + b'"}'
    in_form = b"k=" + FORM.encode(value.encode())

    assert json.loads(in_json) == {"k": value}
    assert parse_qsl(in_form.decode(), keep_blank_values=True) == [("k", value)]
    assert PLAIN.encode(value.encode()) == value.encode()
    assert (JSON.decode(in_json[7:-2]), FORM.decode(in_form[2:])) == (value.encode(), value.encode())


def test_bytes_that_are_not_utf_8_stay() -> None:
    assert JSON.encode(b"\xff\xfe") == b"\xff\xfe"
    assert JSON.pattern(b"\xff") == PLAIN.pattern(b"\xff")


@pytest.mark.parametrize(
    ("spelt", "meaning"),
    [
        (rb"\u0070", b"p"),
        (rb"\u00E9\u00e9", "éé".encode()),
        (rb"\ud834\uDD1E", "𝄞".encode()),
        (rb"\n\t\"\\\/", b'\n\t"\\/'),
        (rb"\u00", rb"u00"),
    ],
)
def test_escapes_mean_characters(spelt: bytes, meaning: bytes) -> None:
    assert JSON.decode(spelt) == meaning


@pytest.mark.parametrize(
    ("spelling", "text", "inside"),
    [
        (JSON, rb"a\nb", [2]),
        (JSON, rb"a\\nb", [2]),
        (JSON, rb"\u0070x", [1, 2, 3, 4, 5]),
        (JSON, rb"\\u0070", [1]),
        (JSON, rb"\u00zz", [1]),
        (FORM, b"%70x", [1, 2]),
        (FORM, b"%zz%4", []),
        (FORM, b"%%41", [2, 3]),
        (PLAIN, rb"\n%41", []),
    ],
)
def test_what_is_inside_an_escape(spelling: Spelling, text: bytes, inside: list[int]) -> None:
    assert [at for at in range(len(text)) if spelling.is_within_unit(text, at)] == inside


@pytest.mark.parametrize(
    ("spelling", "text", "unfinished"),
    [
        (JSON, b"abc", b""),
        (JSON, b"abc\\", b"\\"),
        (JSON, rb"abc" + b"\\\\", b""),
        (JSON, rb"abc\u", rb"\u"),
        (JSON, rb"abc\u007", rb"\u007"),
        (JSON, rb"abc\u0070", b""),
        (JSON, rb"abc\\u007", b""),
        (JSON, rb"abc\ud834", rb"\ud834"),
        (JSON, rb"abc\ud834\udd", rb"\ud834\udd"),
        (JSON, rb"abc\ud834\udd1e", b""),
        (FORM, b"abc%", b"%"),
        (FORM, b"abc%4", b"%4"),
        (FORM, b"abc%41", b""),
        (PLAIN, b"abc%\\", b""),
    ],
)
def test_what_waits_for_the_next_piece(spelling: Spelling, text: bytes, unfinished: bytes) -> None:
    assert text[spelling.unfinished_from(text) :] == unfinished


@pytest.mark.parametrize(
    ("spelling", "text", "units"),
    [
        (JSON, rb"a\n\u0041\ud834\udd1e", [b"a", rb"\n", rb"\u0041", rb"\ud834\udd1e"]),
        (FORM, b"a%41%zz", [b"a", b"%41", b"%", b"z", b"z"]),
        (PLAIN, b"a%", [b"a", b"%"]),
    ],
)
def test_a_text_is_cut_into_its_units(spelling: Spelling, text: bytes, units: list[bytes]) -> None:
    assert spelling.units(text) == units


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 4095, 4096, 4097, 300_000])
def test_of_a_row_of_backslashes_every_second_one_begins_an_escape(length: int) -> None:
    text = b"x" + b"\\" * length + b"u0041"

    assert JSON.is_within_unit(text, len(text) - 2) == bool(length % 2)
    assert JSON.unfinished_from(text[:-1]) == len(text) - 1 - (5 if length % 2 else 0)


@pytest.mark.slow
def test_a_body_of_backslashes_takes_time_in_proportion_to_its_length() -> None:
    text = b"\\" * 1_000_000
    began = time.process_time()

    for end in range(999_900, 1_000_000):
        JSON.is_within_unit(text, end)

    assert time.process_time() - began < 5
