"""A secret in any spelling leaves a response, and what stood around it can still be decoded."""

import html
import json
import re
import time
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from iron_proxy.transforms.secrets.spellings import coverage_note, fit, spellings_of
from iron_proxy.transforms.secrets.streaming import Replacer

TOKEN = b"proxy-openai-abc123"
PLAIN = b"sk-real-openai-key"
AWKWARD = 'p@ss w/rd+"<=\\é~?'.encode()


def scrubbed(text: bytes, secret: bytes, stand_in: bytes = TOKEN, *, same_length: bool = False) -> bytes:
    body = Replacer(spellings_of(secret, stand_in, same_length=same_length), same_length=same_length).stream()
    return body.feed(text) + body.end()


def in_php(text: str) -> str:
    return json.dumps(text).replace("/", r"\/").replace(r"\u007f", "\x7f")


def in_go(text: str) -> str:
    text = json.dumps(text, ensure_ascii=False)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def in_lower_case_digits(text: str) -> str:
    return re.sub("%..", lambda escape: escape[0].lower(), quote(text, safe=""))


# How an encoder writes a text, and how it is read.
TEXT_CODINGS: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "raw": (str, str),
    "link": (lambda text: quote(text, safe=""), unquote),
    "link, lower-case digits": (in_lower_case_digits, unquote),
    "path": (quote, unquote),
    "form": (quote_plus, unquote_plus),
    "link in a link": (lambda text: quote(quote(text, safe=""), safe=""), lambda text: unquote(unquote(text))),
    "JSON": (lambda text: json.dumps(text, ensure_ascii=False), json.loads),
    "JSON in ASCII": (json.dumps, json.loads),
    "JSON of PHP": (in_php, json.loads),
    "JSON of Go": (in_go, json.loads),
    "JSON in JSON": (lambda text: json.dumps(json.dumps(text)), lambda text: json.loads(json.loads(text))),
    "HTML": (html.escape, html.unescape),
    "HTML between tags": (lambda text: html.escape(text, quote=False), html.unescape),
}
BINARY_CODINGS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "base64": (b64encode, lambda text: b64decode(text, validate=True)),
    "URL-safe base64": (urlsafe_b64encode, urlsafe_b64decode),
    "base64 without padding": (
        lambda raw: b64encode(raw).rstrip(b"="),
        lambda text: b64decode(text + b"=" * (-len(text) % 4), validate=True),
    ),
    "base64 in a link": (lambda raw: quote(b64encode(raw), safe="").encode(), lambda text: b64decode(unquote(text))),
    "base64 in PHP's JSON": (
        lambda raw: in_php(b64encode(raw).decode()).encode(),
        lambda text: b64decode(json.loads(text), validate=True),
    ),
    "hexadecimal": (lambda raw: raw.hex().encode(), lambda text: bytes.fromhex(text.decode())),
    "HEXADECIMAL": (lambda raw: raw.hex().upper().encode(), lambda text: bytes.fromhex(text.decode())),
}


def varied(secret: bytes) -> bool:
    """Not one of those like `00000000` that any escape before them lengthens."""
    return len(set(secret)) >= 6


AROUND = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=40).filter(
    lambda text: varied(text.strip(" \t\r\n").encode())
)


@pytest.mark.slow
@pytest.mark.parametrize("coding", TEXT_CODINGS)
@given(before=AROUND, secret=SECRETS, after=AROUND, same_length=st.booleans())
def test_a_secret_in_a_text_becomes_its_stand_in_in_the_same_coding(
    coding: str, before: str, secret: str, after: str, same_length: bool
) -> None:
    encoded, decoded = TEXT_CODINGS[coding]
    secret = secret.strip(" \t\r\n")
    text = encoded(f"{before} {secret} {after}").encode()

    clean = scrubbed(text, secret.encode(), same_length=same_length)

    assert secret not in decoded(clean.decode())
    if same_length:
        assert len(clean) == len(text)
    else:
        assert decoded(clean.decode()) == f"{before} {secret} {after}".replace(secret, TOKEN.decode())


@pytest.mark.slow
@pytest.mark.parametrize("coding", BINARY_CODINGS)
@given(
    before=st.binary(max_size=12),
    secret=st.binary(min_size=8, max_size=40).filter(varied),
    after=st.binary(max_size=12),
)
def test_a_secret_within_coded_bytes_leaves_bytes_that_decode(
    coding: str, before: bytes, secret: bytes, after: bytes
) -> None:
    encoded, decoded = BINARY_CODINGS[coding]
    secret = secret.strip()
    assume(varied(secret) and len(secret) >= 8)
    assume((before + secret + after).count(secret[1:-1]) == 1)  # base64 that differs in bits at its borders goes too

    for same_length in (False, True):
        clean = decoded(scrubbed(encoded(before + secret + after), secret, same_length=same_length))

        assert secret not in clean
        assert clean.startswith(before)
        assert clean.endswith(after)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be", "utf-16"])
@given(before=AROUND, secret=SECRETS, after=AROUND, same_length=st.booleans())
def test_a_secret_in_utf16_becomes_its_stand_in(
    order: str, before: str, secret: str, after: str, same_length: bool
) -> None:
    secret = secret.strip(" \t\r\n")
    text = f"{before} {secret} {after}"
    assume(text.count(secret) == 1)

    clean = scrubbed(text.encode(order), secret.encode(), same_length=same_length)

    assert secret.encode(order)[2:] not in clean
    if same_length:
        assert len(clean) == len(text.encode(order))
    assert clean.decode(order).startswith(f"{before} {TOKEN.decode()[:4]}")
    assert clean.decode(order).endswith(f" {after}")


@pytest.mark.parametrize("user", ["u", "us", "use", "user"])
@pytest.mark.parametrize("secret", [PLAIN, AWKWARD], ids=["plain", "awkward"])
def test_a_secret_in_a_basic_credential_is_found_at_every_alignment(user: str, secret: bytes) -> None:
    header = b"Authorization: Basic " + b64encode(user.encode() + b":" + secret)

    clean = scrubbed(header, secret)

    name, _, password = b64decode(clean.removeprefix(b"Authorization: Basic "), validate=True).partition(b":")
    assert len(clean) == len(header)
    assert name == user.encode()
    assert b"proxy-openai" in password
    assert secret[1:-1] not in password


@pytest.mark.parametrize("user", ["u", "us", "use"])
def test_the_borders_of_replaced_base64_are_printable(user: str) -> None:
    for number in range(0x21, 0x7F):
        secret = bytes([number]) + b"sixteen-bytes" + bytes([number])

        clean = b64decode(scrubbed(b64encode(user.encode() + secret + b"\n"), secret), validate=True)

        assert clean.rstrip(b"\n").decode().isprintable()
        assert not set(clean) & set(b"\"'\\&<>")


def test_a_secret_without_special_characters_has_few_spellings() -> None:
    spellings = spellings_of(PLAIN, TOKEN, same_length=False)

    assert spellings[PLAIN] == TOKEN
    assert spellings[PLAIN.hex().encode()] == TOKEN.hex().encode()
    assert spellings[b64encode(PLAIN)] == b64encode(TOKEN[: len(PLAIN)])
    assert len(spellings) == 10


@pytest.mark.parametrize(
    ("spelling", "replacement"),
    [
        (rb"p%40ss%20w%2Frd%2B%22%3C%3D%5C%C3%A9~%3F", b"%5Btoken%5D"),
        (rb"p%40ss+w%2frd%2b%22%3c%3d%5c%c3%a9~%3f", b"%5btoken%5d"),
        (rb"p@ss%20w/rd+%22%3C=%5C%C3%A9~%3F", b"%5Btoken%5D"),
        (rb"p@ss w/rd+\"<=\\\u00e9~?", b"[token]"),
        (rb"p@ss w\/rd+\"<=\\\u00E9~?", b"[token]"),
        (rb"p@ss w/rd\u002B\u0022\u003C=\\\u00E9~?", b"[token]"),
        ('p@ss w/rd+"&lt;=\\é~?'.encode(), b"[token]"),
        ("p@ss w&#x2F;rd+&quot;&lt;&#x3D;\\é~?".encode(), b"[token]"),
    ],
)
def test_special_characters_are_spelled_as_encoders_do(spelling: bytes, replacement: bytes) -> None:
    assert spellings_of(AWKWARD, b"[token]", same_length=False)[spelling] == replacement


@pytest.mark.parametrize("secret", [PLAIN, AWKWARD, b"\xff\x00 not text \xfe", b"abcd", b"p&ss"])
@pytest.mark.parametrize(
    "stand_in", [b"", b"t", TOKEN, b'[redacted:<"/\xc3\xa9">]' * 9], ids=["none", "short", "usual", "long"]
)
def test_with_a_promised_length_each_replacement_is_as_long_as_its_spelling(secret: bytes, stand_in: bytes) -> None:
    spellings = spellings_of(secret, stand_in, same_length=True)

    assert spellings
    assert all(len(spelling) == len(new) for spelling, new in spellings.items())


def test_a_secret_that_is_not_text_is_found_byte_by_byte() -> None:
    secret = b"\xff\x00key?\xfe\x80"

    spellings = spellings_of(secret, TOKEN, same_length=False)

    assert {secret, b"%FF%00key%3F%FE%80", b"\xff\\u0000key?\xfe\x80", b"ff006b65793ffe80"} <= set(spellings)


def test_blanks_around_a_secret_are_no_part_of_it() -> None:
    assert spellings_of(b" " + PLAIN + b"\r\n", TOKEN, same_length=False) == spellings_of(
        PLAIN, TOKEN, same_length=False
    )


def test_what_would_replace_a_spelling_by_itself_is_left_out() -> None:
    assert spellings_of(PLAIN, PLAIN, same_length=False).keys().isdisjoint({PLAIN, PLAIN.hex().encode()})


@pytest.mark.parametrize(
    ("secret", "count"), [(b"", 0), (b"abc", 0), (b"abc\n", 0), (b"abcd", 3), (b"abcdefg", 3), (b"klmnopqr", 8)]
)
def test_a_short_secret_has_few_spellings_or_none(secret: bytes, count: int) -> None:
    assert len(spellings_of(secret, TOKEN, same_length=False)) == count


@pytest.mark.parametrize(
    ("secret", "stand_in", "note"),
    [
        (b"abc\n", TOKEN, "is shorter than 4 bytes: responses are not scrubbed of it"),
        (
            b"abcdefg",
            TOKEN,
            "is shorter than 8 bytes: responses are not scrubbed of it where it stands in base64 or hexadecimal",
        ),
        (PLAIN, b"my-" + PLAIN, "is part of what replaces it in responses: choose another proxy token"),
        (b"abcdefgh", TOKEN, None),
    ],
    ids=["too short", "short", "in its stand-in", "long enough"],
)
def test_what_is_not_scrubbed_is_said_without_the_value(secret: bytes, stand_in: bytes, note: str | None) -> None:
    assert coverage_note(secret, stand_in) == note


@pytest.mark.parametrize(
    ("replacement", "size", "fitted"),
    [
        (b"token", 5, b"token"),
        (b"token", 8, b"token***"),
        (b"token", 3, b"tok"),
        (b"", 2, b"**"),
        (b"token", 0, b""),
        ("té☃".encode(), 6, "té☃".encode()),
        ("té☃".encode(), 5, "té**".encode()),
        ("tééé".encode(), 2, b"t*"),
    ],
)
def test_a_replacement_is_cut_between_characters_or_filled_up(replacement: bytes, size: int, fitted: bytes) -> None:
    assert fit(replacement, size) == fitted


def test_a_replacement_is_not_cut_within_an_escape() -> None:
    assert fit(b"a/b", 4, lambda text: quote(text, safe="").encode()) == b"a%2F"
    assert fit(b"a/b", 3, lambda text: quote(text, safe="").encode()) == b"a**"


@pytest.mark.slow
def test_a_large_secret_is_spelled_without_a_stall() -> None:
    """Nobody else is served meanwhile. Byte by byte it took seconds."""
    secret = b"AKIA-_/+=ab" * 40_000
    began = time.process_time()

    for same_length in (False, True):
        spellings_of(secret, TOKEN, same_length=same_length)

    assert time.process_time() - began < 3
