"""
The client's half of an HTTP CONNECT (RFC 9110 section 9.3.6): the request, and a strict reading of the proxy's reply.

A 2xx turns the connection into a tunnel from the byte behind its head on, whatever length it states. The reply's
reason, fields and body are the proxy's words to us and go nowhere. Sent and fed by `upstream/proxy_handshake.py`, which
also has the deadline.
"""

import re

from iron_proxy.errors import UpstreamProtocolError
from iron_proxy.messages.authority import Target

# A refusal with a Kerberos or NTLM challenge has some 4 KiB of fields; more is not a reply to a CONNECT.
MAX_REPLY_BYTES = 16 * 1024
# RFC 9110 section 15.2 allows any number of 1xx before the reply; a proxy that sends more keeps us waiting.
MAX_INFORMATIONAL = 4

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\x00-\x08\n-\x1f\x7f]*)?")
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\n-\x1f\x7f]*")
_END = b"\r\n\r\n"


def connect_request(target: Target, authorization: bytes | None = None) -> bytes:
    """The request for a tunnel; `authorization` is the value of a Proxy-Authorization field."""
    authority = str(target).encode("ascii")
    credentials = b"" if authorization is None else b"Proxy-Authorization: %b\r\n" % authorization
    return b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (authority, authority, credentials)


class ConnectReply:
    """Bytes in, the status out."""

    def __init__(self) -> None:
        self._unread = b""
        self._informational = 0

    @property
    def unread(self) -> bytes:
        """What came behind the reply's head: the tunnel's first bytes, not to be lost."""
        return self._unread

    def receive(self, data: bytes) -> int | None:
        """Take the next bytes; the status once the head is complete. Raises UpstreamProtocolError."""
        self._unread += data
        while (end := self._unread.find(_END)) >= 0:
            self._check_size(end)
            status = _parse_head(self._unread[:end])
            self._unread = self._unread[end + len(_END) :]
            if status >= 200:
                return status
            self._count_informational(status)
        self._check_size(len(self._unread))
        return None

    def _check_size(self, size: int) -> None:
        if size > MAX_REPLY_BYTES:
            raise UpstreamProtocolError("the reply to CONNECT is too large")

    def _count_informational(self, status: int) -> None:
        self._informational += 1
        if status == 101 or self._informational > MAX_INFORMATIONAL:
            raise UpstreamProtocolError("the reply to CONNECT is not one")


def _parse_head(head: bytes) -> int:
    status_line, *fields = head.split(b"\r\n")
    parts = _STATUS_LINE.fullmatch(status_line)
    if parts is None or not all(map(_FIELD.fullmatch, fields)):
        raise UpstreamProtocolError("the reply to CONNECT is not valid HTTP/1.1")
    return int(parts[1])
