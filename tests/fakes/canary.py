"""
Looks for secrets in whatever came out of the proxy, in every coding that a program might have put them into.

Text is decoded, in every way and one way upon another, and each result is searched for pieces of the secrets: no list
of spellings could be forgotten here that the proxy forgets, too. `Finder.find` says which secret, and how it was read.
"""

import base64
import html
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote_to_bytes

import brotli
import re2

from iron_proxy.protocols.content_coding.zstd_library import zstd_library

# One decoding upon another: base64 in JSON in gzip is three.
MAX_DEPTH = 3
# A secret is searched for in pieces of this size, so that most of one is found, too. Shorter ones occur by chance.
_PIECE = 16
_SHORTEST_PIECE = 8
# What is not much longer than a piece cannot hide one behind another coding.
_WORTH_DECODING = 8
# What one text may be unfolded to: a log of thousands of lines is read in parts instead.
_MAX_VIEWS = 600
_MAX_INFLATED = 1 << 20

View = tuple[str, bytes]
Decoding = Callable[[bytes], Iterator[View]]


class Finder:
    """Knows the secrets by name. A text may be anything: a body, a log, a file of /proc."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._owners = {piece.lower(): name for name, secret in secrets.items() for piece in pieces_of(secret)}
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.case_sensitive = False  # names of fields are written in lower case
        options.log_errors = False
        pattern = b"|".join(re2.escape(piece) for piece in self._owners)
        compiled = re2.compile(pattern, options)
        self._search, self._find_all = compiled.search, compiled.finditer

    def find(self, text: bytes) -> list[str]:
        """`NAME as json > base64` for each secret and each way of reading that shows it; nothing is fine."""
        hits: dict[str, str] = {}
        for how, view in unfolded(text):
            for match in self._find_all(view):
                hits.setdefault(self._owners[match.group().lower()], how)
        return [f"{name} as {how}" for name, how in hits.items()]

    def is_in(self, text: bytes) -> bool:
        """Whether a text holds any secret; stops at the first."""
        return any(self._search(view) for _, view in unfolded(text))

    def names_in(self, text: bytes) -> set[str]:
        """Which secrets a text holds."""
        return {hit.partition(" ")[0] for hit in self.find(text)}


def pieces_of(secret: bytes) -> list[bytes]:
    """The parts of a secret that are searched for: whole where it is short, else at least half of it each."""
    size = _PIECE if len(secret) >= 2 * _PIECE else max(_SHORTEST_PIECE, (len(secret) + 1) // 2)
    starts = {*range(0, len(secret) - size, size), max(0, len(secret) - size)}
    return [secret[at : at + size] for at in sorted(starts)]


def unfolded(text: bytes) -> Iterator[View]:
    """The text as it is, and as every chain of decodings reads it. The same result is yielded once."""
    seen = {text}
    layer: list[View] = [("raw", text)]
    yield layer[0]
    for _ in range(MAX_DEPTH):
        following: list[View] = []
        for how, view in layer:
            for name, decoded in _decoded(view):
                if decoded in seen or len(decoded) < _WORTH_DECODING or len(seen) >= _MAX_VIEWS:
                    continue
                seen.add(decoded)
                following.append((name if how == "raw" else f"{how} > {name}", decoded))
                yield following[-1]
        layer = following


def _decoded(text: bytes) -> Iterator[View]:
    for decoding in _DECODINGS:
        yield from decoding(text)


# --- framing --------------------------------------------------------------------------------------------------------

_CHUNK_LINE = re.compile(rb"\r\n[0-9A-Fa-f]+(?:;[^\r\n]*)?\r\n")
_MAGIC = re.compile(rb"\x1f\x8b\x08|\x28\xb5\x2f\xfd|\x78[\x01\x5e\x9c\xda]")


def _joined(text: bytes) -> Iterator[View]:
    if b"\r\n" in text:
        yield "chunks", _CHUNK_LINE.sub(b"", text)
    if b"\n" in text:
        yield "lines", re.sub(rb"\r?\n[ \t]*", b"", text)


def _inflated(text: bytes) -> Iterator[View]:
    for match in _MAGIC.finditer(text):
        content = text[match.start() :]
        if match.group().startswith(b"\x28"):
            yield "zstd", _as_far_as_it_goes(zstd_library().ZstdDecompressor().decompress, content)
        else:
            yield "deflate", _as_far_as_it_goes(zlib.decompressobj(47).decompress, content)
    if not text[:16].isascii() or not text[:16].decode("ascii").isprintable():  # these have no mark: a whole body
        yield "br", _as_far_as_it_goes(brotli.Decompressor().process, text)
        yield "bare deflate", _as_far_as_it_goes(zlib.decompressobj(-15).decompress, text)


def _as_far_as_it_goes(decompress: Callable[[bytes], bytes], content: bytes) -> bytes:
    pieces: list[bytes] = []
    try:
        for at in range(0, len(content), 64):  # in pieces: what comes before an error counts
            pieces.append(decompress(content[at : at + 64]))
            if sum(map(len, pieces)) > _MAX_INFLATED:
                break
    except Exception:  # three libraries, three kinds of error; not coded after all
        pass
    return b"".join(pieces)


# --- escapes --------------------------------------------------------------------------------------------------------

_SHORT_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_BACKSLASH = re.compile(rb"(?:\\u[0-9A-Fa-f]{4})+|\\x[0-9A-Fa-f]{2}|\\[\"'\\/bfnrt]")


def _unescaped(text: bytes) -> Iterator[View]:
    if b"\\" in text:
        yield "backslashes", _BACKSLASH.sub(_unescape, text)
    if b"%" in text:
        yield "percent", unquote_to_bytes(text)
    if b"%" in text and b"+" in text:
        yield "form", unquote_to_bytes(text.replace(b"+", b" "))
    if b"&" in text:
        unescaped = html.unescape(text.decode("utf-8", "surrogateescape"))
        yield "html", unescaped.encode("utf-8", "surrogateescape")
    if b"=" in text:
        yield "quoted-printable", re.sub(rb"=([0-9A-F]{2})", lambda match: bytes.fromhex(match[1].decode()), text)


def _unescape(match: re.Match[bytes]) -> bytes:
    escape = match[0]
    if escape.startswith(b"\\u"):
        units = bytes.fromhex(escape.replace(b"\\u", b"").decode())
        return units.decode("utf-16-be", "replace").encode()
    if escape.startswith(b"\\x"):
        return bytes.fromhex(escape[2:].decode())
    return _SHORT_ESCAPES.get(escape[1:], escape[1:])


# --- other alphabets ------------------------------------------------------------------------------------------------

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{10,}")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}[:, ]?){8,}")


def _from_base64(text: bytes) -> Iterator[View]:
    runs = [run.translate(bytes.maketrans(b"-_", b"+/")) for run in _BASE64.findall(text)]
    for shift in range(4) if runs else ():
        yield "base64", b"\n".join(map(_decoded_base64, (run[shift:] for run in runs)))


def _decoded_base64(run: bytes) -> bytes:
    if len(run) % 4 == 1:
        run = run[:-1]
    return base64.b64decode(run + b"=" * (-len(run) % 4))


def _from_hex(text: bytes) -> Iterator[View]:
    runs = [re.sub(rb"[:, ]", b"", run) for run in _HEX.findall(text)]
    for shift in range(2) if runs else ():
        parts = (run[shift:] for run in runs)
        yield "hex", b"\n".join(bytes.fromhex(part[: len(part) & ~1].decode()) for part in parts)


def _from_wide(text: bytes) -> Iterator[View]:
    if b"\0" in text:
        yield "utf-16", text.replace(b"\0", b"")
    yield "reversed", text[::-1]


_DECODINGS: tuple[Decoding, ...] = (_joined, _inflated, _unescaped, _from_base64, _from_hex, _from_wide)
