"""
Where tokens stand in a body: how much of it is looked at, what is taken off it first, and what is found.

A body is held up to `max_request_body_bytes`. One of unknown length that is still arriving is held only where somebody
has to see it whole: both sides of a call may be talking. Only looks; called by `locations.py`.
"""

import re
import sys
from bisect import bisect_right

from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.protocols.content_coding.codings import BadCoding, parse_codings
from iron_proxy.protocols.content_coding.decoder import make_decoder
from iron_proxy.transforms.secrets.base64_text import Base64Text
from iron_proxy.transforms.secrets.body_spellings import PLAIN, Spelling, media_type, spelling_of
from iron_proxy.transforms.secrets.body_tokens import SpelledTokens
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.plan import BodyScanner, Owner
from iron_proxy.transforms.secrets.tokens import Span

_BOUNDARY = re.compile(rb';\s*boundary=(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)


# Each token takes some microseconds, in which nobody else is served, and grows by the size of its secret. A body made
# of tokens would hold the proxy up for half a second, one after the other.
MOST_TOKENS = 4096


class BodyFindings:
    """What was found in one body, and what it is."""

    __slots__ = (
        "base64", "codings", "has_too_many", "hits", "is_bare_deflate", "is_cut", "is_live", "is_opaque",
        "keeps_length", "spans", "text", "tokens", "unswapped", "wire",
    )  # fmt: skip

    def __init__(self, codings: tuple[str, ...], tokens: SpelledTokens, keeps_length: bool) -> None:
        self.codings = codings
        self.tokens = tokens
        self.keeps_length = keeps_length          # the lengths of its parts are written in it
        self.is_opaque = False                    # in a coding that is not ours to take off: nothing of it was seen
        self.is_cut = False                       # longer than the proxy may hold: only its beginning was seen
        self.is_live = False                      # still arriving, and nobody waits for it: nothing of it was seen
        self.has_too_many = False                 # more tokens than any program has a reason to send
        self.is_bare_deflate = False
        self.wire = b""                           # what was seen, as it came
        self.text = b""                           # and without its codings
        self.spans: list[Span] = []
        self.base64: list[Base64Text] = []
        self.hits: list[tuple[Owner, ...]] = []   # who owns what was found, each kind of place once
        self.unswapped: set[Entry] = set()        # whose secrets do not fit into their tokens' places

    @property
    def spelling(self) -> Spelling:
        """How it spells its texts."""
        return self.tokens.spelling

    def way_of(self, span: Span) -> str:
        """How a token is written there: "" is plainly."""
        start, end, token = span
        return "" if self.text[start:end] == token else self.spelling.name


async def look_at_body(
    scanner: BodyScanner, request: Request, max_body_bytes: int | None, *, must_be_whole: bool
) -> BodyFindings:
    """Look at a body that is not empty. Raises what reading it raises."""
    limit = sys.maxsize if max_body_bytes is None else max_body_bytes
    headers = request.headers
    codings = parse_codings(headers.get_all(b"content-encoding"))
    if codings is None or (codings and not scanner.sees_compressed):
        return _opaque(scanner)
    content, is_whole, is_live = await _read(request, limit, must_be_whole)
    text, is_bare_deflate = content, False
    if codings:
        try:
            text, fits, is_bare_deflate = _decoded(content, codings, limit, is_whole)
        except BadCoding:
            return _opaque(scanner)
        is_whole = is_whole and fits
    findings = BodyFindings(codings, _tokens_for(scanner, headers, text), _is_framed(headers))
    findings.is_live, findings.is_cut = is_live, not is_whole and not is_live
    findings.is_bare_deflate = is_bare_deflate
    findings.wire, findings.text = content, text
    _find(scanner, findings)
    return findings


def _is_framed(headers: Headers) -> bool:
    """Whether lengths are written in it: of messages, and of the fields in them."""
    return media_type(headers)[:16] == b"application/grpc"


def _opaque(scanner: BodyScanner) -> BodyFindings:
    findings = BodyFindings((), scanner.spelled(PLAIN), keeps_length=True)
    findings.is_opaque = True
    return findings


async def _read(request: Request, limit: int, must_be_whole: bool) -> tuple[bytes, bool, bool]:
    """What may be held of the body, whether that is all of it, and whether it is left to arrive instead."""
    body = request.body
    if body.length is not None or must_be_whole:
        return (*await body.peek(limit), False)
    content = body.gather_nowait(limit)
    if content is None:
        return b"", False, True
    return content[:limit], len(content) <= limit, False


def _decoded(content: bytes, codings: tuple[str, ...], limit: int, is_whole: bool) -> tuple[bytes, bool, bool]:
    """Content without its codings, as far as it may be held; whether that is all; `is_bare_deflate`."""
    decoder = make_decoder(codings)
    decoder.feed(content)
    pieces, size = [], 0
    while size <= limit and (piece := decoder.read()):
        pieces.append(piece)
        size += len(piece)
    if size <= limit and is_whole:
        decoder.end()
    return b"".join(pieces)[:limit], size <= limit, decoder.is_bare_deflate


def _tokens_for(scanner: BodyScanner, headers: Headers, start: bytes) -> SpelledTokens:
    spelling = spelling_of(headers, start)
    tokens = scanner.spelled(spelling)
    if spelling is PLAIN:
        delimiter = _delimiter(headers)
        if delimiter and scanner.tokens.occurs_in(delimiter):
            return SpelledTokens(tokens.tokens | {delimiter}, spelling)     # longer than the token in it, owned by none
    return tokens


def _delimiter(headers: Headers) -> bytes:
    """What separates the parts of a multipart body (RFC 2046 section 5.1.1)."""
    content_type = headers.get(b"content-type") or b""
    match = _BOUNDARY.search(content_type) if content_type[:10].lower() == b"multipart/" else None
    return b"--" + (match[1] or match[2] or b"") if match is not None else b""


def _find(scanner: BodyScanner, findings: BodyFindings) -> None:
    findings.spans = findings.tokens.find(findings.text, MOST_TOKENS + 1)
    found = [(span[2], findings.way_of(span)) for span in findings.spans]
    if scanner.base64 is not None and not findings.is_cut:
        texts = scanner.base64.find(findings.text, MOST_TOKENS + 1)
        ends = [end for _, end, _ in findings.spans]
        findings.base64 = [text for text in texts if not _overlaps(text, findings.spans, ends)]
        found += [(token, "base64") for text in findings.base64 for _, _, token in text.spans]
    findings.has_too_many = len(found) > MOST_TOKENS
    for token, way in dict.fromkeys(found):
        owners = scanner.owners_of(token, way, is_compressed=bool(findings.codings))
        if owners:
            findings.hits.append(owners)


def _overlaps(text: Base64Text, spans: list[Span], ends: list[int]) -> bool:
    """Whether one of the spans, which are in order, stands in the text; `ends` are theirs."""
    first = bisect_right(ends, text.start)
    return first < len(spans) and spans[first][0] < text.end
