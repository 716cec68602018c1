"""The searcher for secrets finds them however they were written, and finds nothing where there is nothing."""

import base64
import gzip
import html
import json
import zlib
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import brotli
import pytest
from tests.fakes.canary import Finder, pieces_of

from iron_proxy.protocols.content_coding.zstd_library import zstd_library

PLAIN = b"Kq7vZ2xW-5d1f0a77b3c9"
AWKWARD = "vB\"2'k\\<8d&>%41+c/=;é9 6f5a".encode()

WRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda secret: b"a " + secret + b" b",
    "upper case": lambda secret: secret.upper(),
    "half of it": lambda secret: b"..." + secret[: len(secret) // 2 + 1],
    "the other half": lambda secret: secret[len(secret) // 2 - 1 :] + b"...",
    "reversed": lambda secret: secret[::-1],
    "percent": lambda secret: quote(secret, safe="").encode(),
    "every byte escaped": lambda secret: b"".join(b"%%%02x" % byte for byte in secret),
    "form": lambda secret: quote_plus(secret).encode(),
    "percent twice": lambda secret: quote(quote(secret, safe=""), safe="").encode(),
    "JSON": lambda secret: json.dumps({"k": secret.decode()}).encode(),
    "JSON, all escaped": lambda secret: b"".join(b"\\u%04X" % ord(char) for char in secret.decode()),
    "JSON in JSON": lambda secret: json.dumps(json.dumps([secret.decode()])).encode(),
    "Python's repr": lambda secret: repr(secret).encode(),
    "HTML": lambda secret: html.escape(secret.decode()).encode(),
    "HTML, by numbers": lambda secret: b"".join(b"&#x%x;" % ord(char) for char in secret.decode()),
    "base64": base64.b64encode,
    "base64, one behind": lambda secret: base64.b64encode(b"x" + secret + b"y"),
    "base64, two behind": lambda secret: base64.b64encode(b"xx" + secret + b"y"),
    "base64 in a text": lambda secret: b"key=" + base64.b64encode(secret) + b"abc",
    "base64 of URLs": base64.urlsafe_b64encode,
    "base64 in lines": lambda secret: base64.encodebytes(secret * 9),
    "base64 twice": lambda secret: base64.b64encode(base64.b64encode(secret)),
    "hexadecimal": lambda secret: secret.hex().encode(),
    "hexadecimal with colons": lambda secret: secret.hex(":").upper().encode(),
    "UTF-16": lambda secret: secret.decode().encode("utf-16-le"),
    "gzip": gzip.compress,
    "gzip behind a head": lambda secret: b"HTTP/1.1 200 OK\r\n\r\n" + gzip.compress(b"x" * 99 + secret),
    "bare deflate": lambda secret: zlib.compress(secret, wbits=-15),
    "br": lambda secret: bytes(brotli.compress(secret)),
    "zstd": lambda secret: bytes(zstd_library().compress(secret)),
    "chunks of one byte": lambda secret: b"\r\n" + b"\r\n".join(b"1\r\n%c" % byte for byte in secret),
    "folded": lambda secret: secret[:9] + b"\r\n\t" + secret[9:],
    "base64 in JSON in gzip": lambda secret: gzip.compress(json.dumps(base64.b64encode(secret).decode()).encode()),
}
# Not in the wide coding, where what is not ASCII has no zeros to take out.
ONLY_ASCII = {"UTF-16", "upper case", "JSON, all escaped"}


@pytest.mark.parametrize("written", [pytest.param(written, id=name) for name, written in WRITTEN.items()])
def test_a_secret_is_found_however_it_is_written(written: Callable[[bytes], bytes]) -> None:
    assert Finder({"PLAIN": PLAIN}).names_in(written(PLAIN)) == {"PLAIN"}


@pytest.mark.parametrize(
    "written", [pytest.param(written, id=name) for name, written in WRITTEN.items() if name not in ONLY_ASCII]
)
def test_one_with_every_awkward_character_too(written: Callable[[bytes], bytes]) -> None:
    assert Finder({"AWKWARD": AWKWARD}).names_in(written(AWKWARD)) == {"AWKWARD"}


def test_nothing_is_found_in_other_texts() -> None:
    finder = Finder({"PLAIN": PLAIN, "AWKWARD": AWKWARD})
    texts = [PLAIN[:9], AWKWARD[5:11], b"", b"\0", b"%", b"&#xD800;", b"\\ud800", gzip.compress(b"a")[:-5], b"=" * 99]

    assert [text for text in texts if finder.find(text)] == []


def test_what_is_found_is_named_with_how_it_was_read() -> None:
    found = Finder({"PLAIN": PLAIN, "OTHER": b"Other-secret-0123"}).find(b"x " + base64.b64encode(PLAIN))

    assert found == ["PLAIN as base64"]


@pytest.mark.parametrize("size", [8, 15, 16, 31, 32, 33, 4096])
def test_pieces_are_long_enough_and_leave_no_long_part_out(size: int) -> None:
    secret = bytes(33 + at % 90 for at in range(size))

    pieces = pieces_of(secret)

    assert min(map(len, pieces)) >= 8
    assert pieces[0] == secret[: len(pieces[0])]
    assert pieces[-1] == secret[-len(pieces[-1]) :]
    assert sum(map(len, pieces)) >= size
