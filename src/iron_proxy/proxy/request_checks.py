"""
A request head → a Request, or a BadRequest that says why not. Nothing here looks at policy.

What is refused: anything that the next reader could take for another destination or another path than we do. Host,
server name and tunnel target must be the same host (decision of `docs/adr/0003`); on an intercepted connection the port
must be the one that it was for, and so must an address.
"""

import re
from typing import NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from iron_proxy.errors import BadRequest
from iron_proxy.messages.ambiguous_path import path_is_ambiguous
from iron_proxy.messages.authority import DEFAULT_PORTS, Target, parse_target
from iron_proxy.messages.body import Body, BodySource
from iron_proxy.messages.body_memory import HeldBody
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request, decoded_path
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.protocols.http1.events import RequestHead
from iron_proxy.protocols.http1.framing import NO_BODY, Length
from iron_proxy.protocols.websocket_handshake import wanted_upgrade

_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)")
# A path that may hold dot segments in some reader's eyes; the careful check runs only then.
_MAYBE_DOTS = re.compile(rb"(?:^|[/\\])\.|%|\\")
_SLASH = 0x2F
_SEPARATORS = re.compile(rb"[/\\]")


class CountedSource(BodySource, Protocol):
    """Where the body of a request comes from, and who counts what is held of it."""

    def hold_body(self) -> HeldBody:
        """Begin to count, for this client."""
        ...


def check_request(
    head: RequestHead,
    source: CountedSource,
    *,
    scheme: str,
    server_name: str,
    tunnel: Tunnel | None,
    original_destination: Target | None = None,
) -> Request:
    """
    The request that a head describes, as it arrived on a connection.

    `scheme` is what the connection speaks; `server_name` the name its TLS was set up for, or "";
    `original_destination` the address it was going to when it was intercepted. Raises BadRequest.
    """
    checked: CheckedHead | None = head.checked
    if checked is None:
        checked = head.checked = _checked(head, scheme, server_name, tunnel, original_destination)
    target, raw_path, raw_query, path, upgrade, _, is_ambiguous = checked
    body = Body(None, 0) if head.framing is NO_BODY else _body(head, source)
    headers = Headers(head.pairs)
    request = Request(head.method, scheme, target, raw_path, raw_query, headers, body, upgrade, path, is_ambiguous)
    request.accepts_trailers = head.te_trailers
    return request


class CheckedHead(NamedTuple):
    """
    What a head says once it has been checked; kept as its `checked`.

    Nothing in it may depend on more than the head and its connection: it stays with a head that is given again.
    """

    target: Target
    raw_path: bytes
    raw_query: bytes | None
    path: str                            # decoded
    upgrade: bytes | None
    host_text: str
    has_ambiguous_path: bool


def _checked(
    head: RequestHead, scheme: str, server_name: str, tunnel: Tunnel | None, original_destination: Target | None
) -> CheckedHead:
    raw_target = head.target
    if raw_target[0] == _SLASH and len(head.host_fields) == 1 and head.host_fields[0] and b"#" not in raw_target:
        authority = head.host_fields[0]          # what nearly every request looks like
    else:
        authority, raw_target = _authority_and_target(head, scheme, original_destination)
    fixed = original_destination if tunnel is None else tunnel.target
    target = parse_target(authority, DEFAULT_PORTS[scheme] if fixed is None else fixed.port)
    if server_name and target.host != server_name:
        raise BadRequest("SNI and Host header mismatch")
    if tunnel is not None and target != tunnel.target:
        raise BadRequest("tunnel target and Host header mismatch", 421)
    if original_destination is not None:
        _check_original(target, original_destination)
    raw_path, mark, query = raw_target.partition(b"?")
    if (b"." in raw_path or b"%" in raw_path or b"\\" in raw_path) and _MAYBE_DOTS.search(raw_path):
        check_path(raw_path)
    upgrade = wanted_upgrade(head.upgrade, head.connection) if head.upgrade else None
    raw_path = raw_path or b"/"
    return CheckedHead(
        target,
        raw_path,
        query if mark else None,
        decoded_path(raw_path),
        upgrade,
        target.host_text(scheme),
        path_is_ambiguous(raw_path),
    )


def _check_original(target: Target, original: Target) -> None:
    """The port is the one that was connected to. The host is what the request names; an address must be the same."""
    if target.port != original.port:
        raise BadRequest("the Host header names another port than the connection was for", 421)
    if target.is_ip and target.host != original.host:
        raise BadRequest("the Host header names another address than the connection was for", 421)


def _authority_and_target(
    head: RequestHead, scheme: str, original_destination: Target | None
) -> tuple[bytes, bytes]:
    """(authority, target in origin form) by RFC 9112 section 3.2."""
    hosts = head.host_fields
    if len(hosts) > 1:
        raise BadRequest("more than one Host header")
    target = head.target
    if b"#" in target:
        raise BadRequest("the request target holds a fragment")
    if target[:1] == b"/" or (target == b"*" and head.method == "OPTIONS"):
        if not hosts and head.minor_version == 0 and original_destination is not None:
            return str(original_destination).encode(), target     # HTTP/1.0 need not say: the connection does
        if not hosts or not hosts[0]:
            raise BadRequest("missing Host header")
        return hosts[0], target
    return _from_absolute_form(head, scheme)


def _from_absolute_form(head: RequestHead, scheme: str) -> tuple[bytes, bytes]:
    absolute = _ABSOLUTE.fullmatch(head.target)
    if absolute is None:
        raise BadRequest("malformed request target")
    if absolute[1].lower() != scheme.encode():
        # An https URL on a plain connection would have to go upstream as plain text: never.
        raise BadRequest("the scheme of the request target does not fit this connection")
    authority = absolute[2]
    if head.host_fields:
        default_port = DEFAULT_PORTS[scheme]
        if parse_target(head.host_fields[0], default_port) != parse_target(authority, default_port):
            raise BadRequest("request target and Host header mismatch")
    elif head.minor_version == 1:
        raise BadRequest("missing Host header")
    path = absolute[3]
    return authority, path if path[:1] == b"/" else b"/" + path


def check_path(raw_path: bytes) -> None:
    """Refuse dot segments, in any spelling that some server resolves (RFC 3986 section 5.2.4)."""
    if has_dot_segments(raw_path):
        raise BadRequest("path contains dot segments")


def has_dot_segments(raw_path: bytes) -> bool:
    """Whether a segment is `.` or `..` raw or after up to two decodings, `;` parameters aside, `\\` as a separator."""
    form = raw_path
    for _ in range(3):
        for segment in _SEPARATORS.split(form):
            if segment.partition(b";")[0] in (b".", b".."):
                return True
        if b"%" not in form:
            return False
        form = unquote_to_bytes(form)
    return False


def _body(head: RequestHead, source: CountedSource) -> Body:
    framing = head.framing
    return Body(source, framing.size if isinstance(framing, Length) else None, source.hold_body)


def described(head: RequestHead) -> tuple[str, str, str]:
    """(host, method, path) of a head that was refused, for its audit record: as sent, made printable."""
    host = head.host_fields[0] if head.host_fields else b""
    path = unquote_to_bytes(head.target.partition(b"?")[0])
    return host.decode("utf-8", "replace"), head.method, path.decode("utf-8", "replace")
