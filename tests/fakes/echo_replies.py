"""
What an origin says that sends back what it was sent: in every place of a response, and in every coding.

`REPLIES` are responses that keep the rules, in either version of HTTP; `BROKEN` are bytes of HTTP/1.1 that do not. Each
is made from the texts that the origin found in the request. `echo_origin.py` sends them.
"""

import base64
import gzip
import html
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

import brotli

from iron_proxy.protocols.content_coding.zstd_library import zstd_library

Pair = tuple[bytes, bytes]
Texts = Sequence[bytes]


@dataclass(frozen=True)
class Reply:
    """One response. `piece` is the size of the body's pieces; 0 sends it whole, with its length."""

    headers: list[Pair] = field(default_factory=list)
    body: bytes = b""
    status: int = 200
    piece: int = 0
    trailers: list[Pair] = field(default_factory=list)
    hints: list[Pair] = field(default_factory=list)  # of a 103 before it
    reason: bytes = b"Whatever"


def fit_for_fields(texts: Texts) -> list[bytes]:
    """What may stand in a field: texts with newlines are escaped."""
    return [quote(text).encode() if b"\n" in text else text for text in texts]


def _in_fields(texts: Texts) -> list[Pair]:
    plain = [(b"x-back-%d" % number, text) for number, text in enumerate(fit_for_fields(texts))]
    cookies = [(b"set-cookie", b"s%d=%b; Path=/" % (number, _percent(text))) for number, text in enumerate(texts)]
    links = [
        (b"location", b"https://inject.test/?a=1&k=" + b"&k=".join(map(_percent, texts))),
        (b"www-authenticate", b'Bearer realm="%b"' % b" ".join(fit_for_fields(texts))),
        (b"link", b"</%b>; rel=next" % _percent(texts[0])),
        (b"etag", b'"%b"' % base64.b64encode(b"e" + texts[0])),
        (b"x-basic", b"Basic " + base64.b64encode(b"user:" + b"".join(texts))),
        (b"x-json", json.dumps([_text(text) for text in texts]).encode()),
        (b"content-disposition", b"attachment; filename*=UTF-8''%b" % _percent(b" ".join(texts))),
        (b"content-type", b'text/plain; note="%b"' % fit_for_fields(texts)[0]),
        (b"x-trace", b"key=%b,%b" % (_percent(texts[0]), base64.urlsafe_b64encode(texts[-1]))),
    ]
    return [*plain, *cookies, *links]


def _text(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _blob(texts: Texts) -> bytes:
    return b"before " + b" | ".join(texts) + b" behind"


def _percent(text: bytes) -> bytes:
    return quote(text, safe="").encode()


def _typed(kind: bytes, body: bytes, piece: int = 0) -> Reply:
    return Reply([(b"content-type", kind)], body, piece=piece)


def _json(texts: Texts, *, ensure_ascii: bool = True) -> bytes:
    document = {"args": {str(number): _text(text) for number, text in enumerate(texts)}, "n": 1}
    return json.dumps(document, ensure_ascii=ensure_ascii).encode()


def _coded(coding: bytes, code: Callable[[bytes], bytes]) -> Callable[[Texts], Reply]:
    def reply(texts: Texts) -> Reply:
        fields = [(b"content-type", b"text/plain"), (b"content-encoding", coding), (b"etag", b'"strong"')]
        return Reply(fields, code(_blob(texts) * 3), piece=7)

    return reply


def _base64_at(alignment: int, code: Callable[[bytes], bytes]) -> Callable[[Texts], Reply]:
    def reply(texts: Texts) -> Reply:
        return _typed(b"text/plain", b"\n".join(code(b"pad"[:alignment] + text + b"!") for text in texts))

    return reply


def _page(status: int) -> Callable[[Texts], Reply]:
    def reply(texts: Texts) -> Reply:
        page = b"<h1>No</h1><p>bad key %b</p>" % html.escape(_text(b", ".join(texts))).encode()
        return Reply([(b"content-type", b"text/html")], page, status)

    return reply


def _events(texts: Texts) -> Reply:
    """As streams of answers come: JSON in the data, and short texts as they are."""
    events = [b"data: %b\n\n" % (_json([text]) if b"\n" in text else text) for text in texts]
    return _typed(b"text/event-stream", b"event: note\n" + b"".join(events), piece=5)


def _trailers(texts: Texts) -> Reply:
    fields = [(b"x-sum-%d" % number, text) for number, text in enumerate(fit_for_fields(texts))]
    fields.append((b"grpc-message", _percent(b"denied for " + texts[0])))
    return Reply([(b"trailer", b"x-sum-0")], b"ok", piece=1, trailers=fields)


def _zstd(content: bytes) -> bytes:
    coded: bytes = zstd_library().compress(content)
    return coded


def _brotli(content: bytes) -> bytes:
    coded: bytes = brotli.compress(content)
    return coded


REPLIES: dict[str, Callable[[Texts], Reply]] = {
    "fields": lambda texts: Reply(_in_fields(texts), b"ok"),
    "fields-of-a-redirect": lambda texts: Reply(_in_fields(texts), b"", 302),
    "fields-of-a-304": lambda texts: Reply(_in_fields(texts), b"", 304),
    "fields-of-a-204": lambda texts: Reply(_in_fields(texts), b"", 204),
    "reason": lambda texts: Reply(body=b"ok", status=418, reason=b"no " + b" ".join(fit_for_fields(texts))),
    "hints": lambda texts: Reply(
        body=b"ok", hints=[(b"link", b"</%b>; rel=preload" % each) for each in map(_percent, texts)]
    ),
    "plain-hints": lambda texts: Reply(body=b"ok", hints=[(b"x-note", each) for each in fit_for_fields(texts)]),
    "trailers": _trailers,
    "plain": lambda texts: _typed(b"text/plain", _blob(texts)),
    "side-by-side": lambda texts: _typed(b"text/plain", b"".join(texts) + texts[0][:5] + b"".join(reversed(texts))),
    "in-binary": lambda texts: _typed(b"application/octet-stream", b"\0".join(texts) * 3, piece=11),
    "form": lambda texts: _typed(
        b"application/x-www-form-urlencoded", b"&".join(b"k=" + quote_plus(each).encode() for each in texts)
    ),
    "unnamed": lambda texts: Reply(body=b"\x00\xff" + _blob(texts)),
    "in-single-bytes": lambda texts: _typed(b"text/plain", _blob(texts), piece=1),
    "in-pieces-of-seven": lambda texts: _typed(b"text/plain", _blob(texts) * 2, piece=7),
    "html": lambda texts: _typed(b"text/html", html.escape(_text(_blob(texts))).encode()),
    "json": lambda texts: _typed(b"application/json", _json(texts)),
    "json-unicode": lambda texts: _typed(b"application/json", _json(texts, ensure_ascii=False)),
    "json-slashes": lambda texts: _typed(b"application/json", _json(texts).replace(b"/", b"\\/")),
    "json-in-json": lambda texts: _typed(b"application/json", json.dumps({"data": _text(_json(texts))}).encode()),
    "json-of-go": lambda texts: _typed(
        b"application/json",
        _json(texts, ensure_ascii=False).replace(b"<", rb"\u003c").replace(b">", rb"\u003e").replace(b"&", rb"\u0026"),
    ),
    "percent": lambda texts: _typed(b"text/plain", b"&k=".join(map(_percent, texts))),
    "percent-twice": lambda texts: _typed(b"text/plain", b"&k=".join(_percent(_percent(each)) for each in texts)),
    "percent-path": lambda texts: _typed(b"text/plain", b"/".join(quote(each).encode() for each in texts)),
    "base64-0": _base64_at(0, base64.b64encode),
    "base64-1": _base64_at(1, base64.b64encode),
    "base64-2": _base64_at(2, base64.b64encode),
    "base64url-0": _base64_at(0, base64.urlsafe_b64encode),
    "base64url-1": _base64_at(1, base64.urlsafe_b64encode),
    "base64url-2": _base64_at(2, base64.urlsafe_b64encode),
    "base64-in-json": lambda texts: _typed(
        b"application/json", json.dumps([base64.b64encode(each).decode() for each in texts]).encode(), piece=3
    ),
    "hex": lambda texts: _typed(b"text/plain", b" ".join(each.hex().encode() for each in texts)),
    "events": _events,
    "gzip": _coded(b"gzip", gzip.compress),
    "deflate": _coded(b"deflate", zlib.compress),
    "br": _coded(b"br", _brotli),
    "zstd": _coded(b"zstd", _zstd),
    "gzip-in-members": _coded(b"gzip", lambda content: gzip.compress(content[:37]) + gzip.compress(content[37:])),
    "x-gzip": _coded(b"x-gzip", gzip.compress),
    "bare-deflate": _coded(b"deflate", lambda content: zlib.compress(content, wbits=-15)),
    "gzip-twice": _coded(b"gzip, gzip", lambda content: gzip.compress(gzip.compress(content))),
    "page-400": _page(400),
    "page-401": _page(401),
    "page-404": _page(404),
    "page-500": _page(500),
    "page-503": _page(503),
}


def _chunked(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + content


# Bytes from the texts as one line; the connection is closed behind them.
BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "no-status-line": lambda line: b"%b\r\n\r\n" % line,
    "status-of-a-text": lambda line: b"HTTP/1.1 2%b OK\r\n\r\n" % line,
    "field-without-a-colon": lambda line: b"HTTP/1.1 200 OK\r\nX-Garbage %b\r\n\r\n" % line,
    "field-name": lambda line: b"HTTP/1.1 200 OK\r\nX (%b): 1\r\nContent-Length: 0\r\n\r\n" % line,
    "control-in-field": lambda line: b"HTTP/1.1 200 OK\r\nX-Garbage: %b\x01\r\nContent-Length: 0\r\n\r\n" % line,
    "length-of-a-text": lambda line: b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\nok" % line,
    "transfer-coding": lambda line: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %b\r\n\r\nok" % line,
    "coded-in-transfer": lambda line: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (len(gzip.compress(line)), gzip.compress(line))
    ),
    "coded-in-capitals": lambda line: (
        b"HTTP/1.1 200 OK\r\ncontent-encoding: \tGZip ,\r\nContent-Encoding: identity\r\nContent-Length: %d\r\n\r\n%b"
        % (len(gzip.compress(line)), gzip.compress(line))
    ),
    "content-coding": lambda line: b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: 2\r\n\r\nok" % line,
    "unknown-coding": lambda line: (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: x-own\r\nContent-Length: %d\r\n\r\n%b" % (len(line), line)
    ),
    "not-gzip": lambda line: (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(line), line)
    ),
    "gzip-cut": lambda line: (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n%b" % gzip.compress(line)[:-20]
    ),
    "chunk-size": lambda line: _chunked(b"2\r\nok\r\n%b\r\n" % line),
    "chunk-extension": lambda line: _chunked(b'2;note="%b"\r\nok\r\n0;%b\r\n\r\n' % (line, line)),
    "behind-a-chunk": lambda line: _chunked(b"2\r\nok%b\r\n0\r\n\r\n" % line),
    "bad-trailer": lambda line: _chunked(b"2\r\nok\r\n0\r\nX-Sum %b\r\n\r\n" % line),
    "framing-in-trailer": lambda line: _chunked(b"2\r\nok\r\n0\r\nContent-Length: %b\r\n\r\n" % line),
    "cut-in-a-field": lambda line: b"HTTP/1.1 200 OK\r\nX-Back: %b" % line,
    "cut-in-a-body": lambda line: b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n%b" % line,
    "cut-in-a-chunk": lambda line: _chunked(b"%x\r\n%b" % (len(line) + 9, line)),
    "to-the-end": lambda line: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + line,
    "http-1.0": lambda line: b"HTTP/1.0 200 OK\r\n\r\n" + line,
    "head-too-large": lambda line: b"HTTP/1.1 200 OK\r\n" + b"X-Back: %b\r\n" % line * 400 + b"\r\n",
    "folded": lambda line: b"HTTP/1.1 200 OK\r\nX-Back: a\r\n %b\r\nContent-Length: 0\r\n\r\n" % line,
    "behind-the-body": lambda line: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok%b" % line,
    "unasked-switch": lambda line: (
        b"HTTP/1.1 101 No\r\nUpgrade: x\r\nConnection: Upgrade\r\nX-Back: %b\r\n\r\n%b" % (line, line)
    ),
    "partial-coded": lambda line: (
        b"HTTP/1.1 206 Part\r\nContent-Encoding: gzip\r\nContent-Range: bytes 5-90/99\r\nContent-Length: %d\r\n\r\n%b"
        % (len(line), line)
    ),
}
