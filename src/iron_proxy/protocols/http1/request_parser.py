"""
Requests from bytes, strictly (RFC 9112). No I/O: `receive` takes bytes, `next_event` gives one event or None.

A head is checked by regular expressions whose parts cannot backtrack; what they do not match is refused, and only then
is the reason looked for. Called by `streams/http1_reader.py`. Why it is not llhttp: docs/adr/0002.
"""

import re

from iron_proxy.errors import BadRequest, ClientDisconnected, IronProxyError
from iron_proxy.messages.headers import TOKEN, Fields, Pair
from iron_proxy.protocols.http1.events import RequestHead
from iron_proxy.protocols.http1.fields import connection_options, split_fields, without_nominated
from iron_proxy.protocols.http1.framing import Framing, request_framing
from iron_proxy.protocols.http1.limits import MAX_FIELDS, MAX_REMEMBERED_HEAD_BYTES, MAX_REQUEST_HEAD_BYTES
from iron_proxy.protocols.http1.message_parser import FIELD_BLOCK, MessageParser, keeps_alive

# Bytes above 0x7f are not valid in a URI but are sent by honest programs; they are passed on as they came.
_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb"++) ([\x21-\x7e\x80-\xff]++) HTTP/1\.([01])\r\n")
_METHODS = {name.encode(): name for name in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT")}
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_NONE: list[bytes] = []

# What a field block says, in the order of the event's attributes.
_Facts = tuple[
    Fields | list[Pair], Framing, list[bytes], frozenset[bytes], bool, list[bytes], bytes | None, bool, bytes | None
]


class RequestParser(MessageParser[RequestHead]):
    """Requests from a client. Violations raise BadRequest with the status to answer."""

    max_head_bytes = MAX_REQUEST_HEAD_BYTES

    def __init__(self) -> None:
        super().__init__()
        # A kept connection mostly repeats its fields to the byte, whatever it asks for.
        self._known_block: tuple[bytes, int] | None = None
        self._known_facts: _Facts | None = None              # what they say, once they have come twice

    def _enter(self, event: RequestHead) -> None:
        self._enter_body(event.framing)

    def _parse_head(self, head: bytes) -> RequestHead:
        line = _REQUEST_LINE.match(head)
        if line is None:
            raise _why_not_a_request(head)
        method, target, minor = line.groups()
        minor_version = 1 if minor == b"1" else 0
        block = (head[line.end() : -2], minor_version)
        is_short = len(head) <= MAX_REMEMBERED_HEAD_BYTES
        is_repeated = is_short and block == self._known_block
        facts = self._known_facts
        if facts is None or not is_repeated:
            facts = self._read_fields(*block, is_repeated)
            self._known_block = block if is_short else None
            self._known_facts = facts if is_repeated else None
        event = RequestHead()
        event.method = _METHODS.get(method) or method.decode("ascii")
        event.target = target
        event.minor_version = minor_version
        (
            event.pairs, event.framing, event.host_fields, event.connection, event.keep_alive, event.upgrade,
            event.expect, event.te_trailers, event.proxy_authorization,
        ) = facts  # fmt: skip
        return event

    def _read_fields(self, block: bytes, minor_version: int, is_repeated: bool) -> _Facts:
        if not FIELD_BLOCK.fullmatch(block):
            raise BadRequest("malformed header field")
        pairs, apart = split_fields(block)
        if len(pairs) > MAX_FIELDS:
            raise self._too_large("too many header fields")
        options = connection_options(apart)
        pairs, expect = _take_expect(without_nominated(pairs, options))
        return (
            Fields(pairs) if is_repeated else pairs,
            request_framing(
                apart.get(b"content-length", _NONE), apart.get(b"transfer-encoding", _NONE), minor_version, BadRequest
            ),
            apart.get(b"host", _NONE),
            options,
            keeps_alive(minor_version, options),
            apart.get(b"upgrade", _NONE),
            expect if minor_version else None,            # RFC 9110 section 10.1.1: not for HTTP/1.0
            any(b"trailers" in value.lower() for value in apart.get(b"te", _NONE)),
            apart[b"proxy-authorization"][0] if b"proxy-authorization" in apart else None,
        )

    def _check_start(self, unread: bytes) -> None:
        # A request line's first bytes are a token; anything else (a TLS record, binary noise) will never become one.
        if unread and not re.match(TOKEN, unread) and unread != b"\r":
            raise BadRequest("malformed request line")
        # Nor will what holds a line feed on its own: the sender means the head to end where we would wait on.
        if _BARE_LINE_FEED.search(unread, self._searched):
            raise BadRequest("a line of the head ends without a carriage return")

    def _violation(self, reason: str) -> IronProxyError:
        return BadRequest(reason)

    def _too_large(self, reason: str) -> IronProxyError:
        return BadRequest(reason, 431)

    def _cut_short(self) -> IronProxyError:
        return ClientDisconnected("the client closed the connection in the middle of a request")


def _take_expect(pairs: list[Pair]) -> tuple[list[Pair], bytes | None]:
    """Expect is answered by us (RFC 9110 section 10.1.1) and not passed on."""
    values = [value for name, value in pairs if len(name) == 6 and name.lower() == b"expect"]
    if not values:
        return pairs, None
    return [pair for pair in pairs if pair[0].lower() != b"expect"], b", ".join(values).lower()


def _why_not_a_request(head: bytes) -> BadRequest:
    line = head.partition(b"\r\n")[0]
    parts = line.split(b" ")
    if len(parts) != 3 or not all(parts):
        return BadRequest("malformed request line")
    if not re.fullmatch(TOKEN + rb"+", parts[0]):
        return BadRequest("malformed method")
    if re.fullmatch(rb"HTTP/[0-9]\.[0-9]", parts[2]) and parts[2][:7] != b"HTTP/1.":
        return BadRequest("HTTP version not supported", 505)
    if parts[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        return BadRequest("malformed HTTP version")
    if not re.fullmatch(rb"[\x21-\x7e\x80-\xff]+", parts[1]):
        return BadRequest("malformed request target")
    return BadRequest("malformed header field")
