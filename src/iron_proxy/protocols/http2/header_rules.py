"""
The peer's fields to heads, and every reason to refuse them (RFC 9113 section 8). What we send: `outbound_fields.py`.

The rules for a method, a target, a length and a trailer are those of HTTP/1.1, and so are the heads that come out: a
request must not fare better or worse for its version. Requests raise BadRequest, responses UpstreamProtocolError; the
one is answered or resets its stream, the other always resets.
"""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus

from iron_proxy.errors import BadRequest, IronProxyError, UpstreamProtocolError
from iron_proxy.messages.authority import DEFAULT_PORTS, parse_target
from iron_proxy.messages.headers import TOKEN, Fields, Pair
from iron_proxy.messages.hop_by_hop import HOP_BY_HOP
from iron_proxy.protocols.http1.events import RequestHead, ResponseHead
from iron_proxy.protocols.http1.framing import CHUNKED, NO_BODY, Framing, Length, parse_content_length
from iron_proxy.protocols.http1.limits import (
    MAX_FIELDS,
    MAX_REQUEST_HEAD_BYTES,
    MAX_RESPONSE_HEAD_BYTES,
    MAX_TRAILER_BYTES,
)  # fmt: skip
from iron_proxy.protocols.http1.message_parser import _NOT_IN_TRAILERS
from iron_proxy.protocols.http2.hpack import Field, size_of

# RFC 9113 section 8.2.2: these make a message malformed; `te` may say `trailers`.
CONNECTION_SPECIFIC = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))

_METHOD = re.compile(TOKEN + rb"++")
_METHODS = {name.encode(): name for name in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT")}
_TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]++")  # as in http1/request_parser.py
_STATUS = re.compile(rb"[1-5][0-9][0-9]")
_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}

# Deleting what may stand in names or values leaves what may not: one pass in C over all of them joined by line feeds.
_NAME_BYTES = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
_VALUE_BYTES = bytes(byte for byte in range(256) if byte == 0x09 or (byte >= 0x20 and byte != 0x7F))

_SET_APART = HOP_BY_HOP | {b"host", b"content-length", b"expect"}
_REQUEST_PSEUDO = frozenset((b":method", b":scheme", b":authority", b":path"))
_RESPONSE_PSEUDO = frozenset((b":status",))
_NOTHING: frozenset[bytes] = frozenset()
_NONE: list[bytes] = []

Refuse = Callable[[str], IronProxyError]
Apart = dict[bytes, list[bytes]]


class RequestReader:
    """
    The requests of one connection that speaks `scheme`.

    A connection mostly repeats its requests, or all but their paths: what repeats is not gone through anew, and the
    head of a whole repetition is the same object, as from `http1/request_parser.py`.
    """

    __slots__ = (
        "_apart", "_known", "_known_ends", "_known_head", "_known_regular", "_pairs", "_scheme", "_size",
        "never_indexed",
    )  # fmt: skip

    def __init__(self, scheme: bytes) -> None:
        self._scheme = scheme
        self._known: Sequence[Field] | None = None
        self._known_ends = False
        self._known_head = RequestHead()
        self._known_regular: Sequence[Field] | None = None
        self.never_indexed = _NOTHING           # of the last request that was read: names that no table may keep
        self._pairs = Fields()
        self._apart: Apart = {}
        self._size = 0

    def read(self, fields: Sequence[Field], *, ends: bool) -> RequestHead:
        """The head of a request. Raises BadRequest."""
        if fields != self._known or ends != self._known_ends:
            self._known_head = self._read(fields, ends)
            self.never_indexed = never_indexed(fields)
            self._known, self._known_ends = fields, ends
        return self._known_head

    def _read(self, fields: Sequence[Field], ends: bool) -> RequestHead:
        pseudo = _pseudo_fields(fields, _REQUEST_PSEUDO, BadRequest)
        self._read_regular(fields[len(pseudo) :])
        if self._size + size_of(fields[: len(pseudo)]) > MAX_REQUEST_HEAD_BYTES:
            raise _too_large("the head is too large")
        apart = self._apart
        head = RequestHead()
        method = pseudo.get(b":method", b"")
        if not _METHOD.fullmatch(method):
            raise BadRequest("missing or malformed :method")
        head.method = _METHODS.get(method) or method.decode("ascii")
        head.target = _target(pseudo, head.method, self._scheme)
        head.host_fields = _host_fields(pseudo, apart, self._scheme)
        head.minor_version = 1
        head.keep_alive = True
        head.connection = _NOTHING
        head.upgrade = _NONE
        head.te_trailers = _takes_trailers(apart, BadRequest)
        head.expect = b", ".join(apart[b"expect"]).lower() if b"expect" in apart else None
        head.proxy_authorization = apart[b"proxy-authorization"][0] if b"proxy-authorization" in apart else None
        head.framing = _framing(parse_content_length(apart.get(b"content-length", _NONE), BadRequest), ends, BadRequest)
        head.pairs = self._pairs
        return head

    def _read_regular(self, fields: Sequence[Field]) -> None:
        if fields != self._known_regular:
            self._known_regular = None
            self._size = _checked_size(fields, MAX_REQUEST_HEAD_BYTES, _too_large)
            pairs, self._apart = _regular_fields(fields, BadRequest)
            self._pairs = Fields(_joined_cookies(pairs))
            self._known_regular = fields


def describe_request(fields: Sequence[Field]) -> RequestHead:
    """A head that was refused, for its audit record: what can be read of it, and nothing is vouched for."""
    head = RequestHead()
    said = {name: value for name, value, _ in reversed(fields)}
    head.method = said.get(b":method", b"").decode("utf-8", "replace")
    head.target = said.get(b":path", b"")
    authority = said.get(b":authority", said.get(b"host"))
    head.host_fields = [] if authority is None else [authority]
    head.minor_version = 1
    head.keep_alive = True
    head.connection = _NOTHING
    head.upgrade = _NONE
    head.te_trailers = False
    head.expect = head.proxy_authorization = None
    head.framing = NO_BODY
    head.pairs = Fields()
    return head


def read_response(fields: Sequence[Field], method: str, *, ends: bool) -> ResponseHead:
    """The head of an interim or final response to `method`. Raises UpstreamProtocolError."""
    pseudo = _pseudo_fields(fields, _RESPONSE_PSEUDO, _upstream_fault)
    _checked_size(fields, MAX_RESPONSE_HEAD_BYTES, _upstream_fault)
    pairs, apart = _regular_fields(fields[len(pseudo) :], _upstream_fault)
    status = pseudo.get(b":status", b"")
    if not _STATUS.fullmatch(status) or status == b"101":
        raise _upstream_fault("missing or malformed :status")
    head = ResponseHead()
    head.status = int(status)
    if head.status < 200 and ends:
        raise _upstream_fault("an interim response ends the stream")
    _takes_trailers(apart, _upstream_fault)
    head.reason = _REASONS.get(head.status, b"")
    head.minor_version = 1
    head.keep_alive = True
    head.connection = _NOTHING
    head.upgrade = _NONE
    head.declared_length = parse_content_length(apart.get(b"content-length", _NONE), _upstream_fault)
    if method == "HEAD" or head.status < 200 or head.status in (204, 304):
        head.framing = NO_BODY
    else:
        head.framing = _framing(head.declared_length, ends, _upstream_fault)
    head.pairs = Fields(pairs)
    return head


def read_trailers(fields: Sequence[Field], refuse: Refuse) -> Fields:
    """The fields behind a body that may be passed on, as in HTTP/1.1. Raises what `refuse` makes."""
    _checked_size(fields, MAX_TRAILER_BYTES, refuse)
    pairs, _ = _regular_fields(fields, refuse)
    return Fields([pair for pair in pairs if pair[0] not in _NOT_IN_TRAILERS])


def never_indexed(fields: Sequence[Field]) -> frozenset[bytes]:
    """The names that the sender wants no hop to keep in a table."""
    names = [name for name, _, is_sensitive in fields if is_sensitive]
    return frozenset(names) if names else _NOTHING


# --- all messages ---------------------------------------------------------------------------------------------------


def _pseudo_fields(fields: Sequence[Field], known: frozenset[bytes], refuse: Refuse) -> dict[bytes, bytes]:
    """The pseudo-headers that the block begins with. Those that stand elsewhere fail as names do."""
    pseudo: dict[bytes, bytes] = {}
    for name, value, _ in fields:
        if name[:1] != b":":
            break
        if name not in known:
            raise refuse("unknown pseudo-header")
        if name in pseudo:
            raise refuse("repeated pseudo-header")
        pseudo[name] = value
    return pseudo


def _checked_size(fields: Sequence[Field], limit: int, refuse: Refuse) -> int:
    """What the fields count (RFC 9113 section 6.5.2). Raises what `refuse` makes if they are too many or too large."""
    if len(fields) > MAX_FIELDS:
        raise refuse("too many header fields")
    size = size_of(fields)
    if size > limit:
        raise refuse("the head is too large")
    return size


def _regular_fields(fields: Sequence[Field], refuse: Refuse) -> tuple[list[Pair], Apart]:
    """(what may be forwarded, what was set apart by name), both in wire order and checked byte by byte."""
    if not fields:
        return [], {}
    names, values, _ = zip(*fields, strict=True)
    _check_bytes(names, values, refuse)
    if not CONNECTION_SPECIFIC.isdisjoint(names):
        raise refuse("a header field that HTTP/2 does not have")
    if _SET_APART.isdisjoint(names):
        return list(zip(names, values, strict=True)), {}
    kept: list[Pair] = []
    apart: Apart = {}
    for name, value in zip(names, values, strict=True):
        if name in _SET_APART:
            apart.setdefault(name, []).append(value)
        else:
            kept.append((name, value))
    return kept, apart


def _check_bytes(names: tuple[bytes, ...], values: tuple[bytes, ...], refuse: Refuse) -> None:
    """Raise unless all names and values are well formed (RFC 9113 section 8.2.1)."""
    line_feeds = b"\n" * (len(names) + 1)
    joined = b"\n%b\n" % b"\n".join(names)
    if joined.translate(None, _NAME_BYTES) != line_feeds or b"\n\n" in joined:
        raise refuse("a header name is malformed, in upper case, or a pseudo-header out of place")
    joined = b"\n%b\n" % b"\n".join(values)
    if joined.translate(None, _VALUE_BYTES) != line_feeds:
        raise refuse("a header value holds a control character")
    if b"\n " in joined or b" \n" in joined or b"\n\t" in joined or b"\t\n" in joined:
        raise refuse("a header value begins or ends with white space")


def _takes_trailers(apart: Apart, refuse: Refuse) -> bool:
    values = apart.get(b"te", _NONE)
    if any(value.lower() != b"trailers" for value in values):
        raise refuse("TE other than trailers")
    return bool(values)


def _framing(length: int | None, ends: bool, refuse: Refuse) -> Framing:
    if ends:
        if length:
            raise refuse("the body is shorter than its Content-Length")
        return NO_BODY
    if length is None:
        return CHUNKED
    return Length(length) if length else NO_BODY


# --- requests -------------------------------------------------------------------------------------------------------


def _target(pseudo: dict[bytes, bytes], method: str, scheme: bytes) -> bytes:
    """The request target, in the form it has in HTTP/1.1."""
    if method == "CONNECT":  # RFC 9113 section 8.5; the extended form (RFC 8441) is never offered
        if len(pseudo) != 2 or not pseudo.get(b":authority"):
            raise BadRequest("malformed CONNECT")
        return pseudo[b":authority"]
    if pseudo.get(b":scheme") != scheme:
        raise BadRequest("missing :scheme, or not the one of this connection")
    target = pseudo.get(b":path", b"")
    if not _TARGET.fullmatch(target) or (target[0] != 0x2F and (target != b"*" or method != "OPTIONS")):
        raise BadRequest("missing or malformed :path")
    return target


def _host_fields(pseudo: dict[bytes, bytes], apart: Apart, scheme: bytes) -> list[bytes]:
    """Where the request goes: what :authority and Host say must be the same (RFC 9113 section 8.3.1)."""
    authority, hosts = pseudo.get(b":authority"), apart.get(b"host", _NONE)
    if authority is None:
        return hosts
    if not authority or b"@" in authority:
        raise BadRequest("malformed :authority")
    if len(hosts) > 1:
        raise BadRequest("more than one Host header")
    if hosts and hosts[0] != authority:
        port = DEFAULT_PORTS[scheme.decode("ascii")]
        if parse_target(hosts[0], port) != parse_target(authority, port):
            raise BadRequest(":authority and Host header mismatch")
    return [authority]


def _joined_cookies(pairs: list[Pair]) -> list[Pair]:
    """One Cookie field in the place of the first: HTTP/2 may cut it into many (RFC 9113 section 8.2.3)."""
    cookies = [value for name, value in pairs if name == b"cookie"]
    if len(cookies) < 2:
        return pairs
    joined: list[Pair] = []
    for name, value in pairs:
        if name != b"cookie":
            joined.append((name, value))
        elif cookies:
            joined.append((name, b"; ".join(cookies)))
            cookies = []
    return joined


def _too_large(reason: str) -> BadRequest:
    return BadRequest(reason, 431)


def _upstream_fault(reason: str) -> UpstreamProtocolError:
    return UpstreamProtocolError(f"the upstream's response is not valid HTTP/2: {reason}")
