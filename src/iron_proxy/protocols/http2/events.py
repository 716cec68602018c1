"""
What an HTTP/2 connection reports. Heads are those of HTTP/1.1, so that what is behind need not know the version.

Where a head says `ends`, no StreamEnded follows. `credit` is to be given back (`give_credit`) once the bytes have been
taken: that is what lets the sender go on. ConnectionFailed is always the last event of a connection.
"""

from dataclasses import dataclass

from iron_proxy.errors import BadRequest, IronProxyError
from iron_proxy.messages.headers import Fields
from iron_proxy.protocols.http1.events import RequestHead, ResponseHead


@dataclass(slots=True)  # none of them is frozen: that would make the making of one much slower
class RequestReceived:
    """A request begins. `never_indexed`: lower names that no hop may compress (RFC 7541 section 6.2.3)."""

    stream_id: int
    head: RequestHead
    ends: bool
    never_indexed: frozenset[bytes]


@dataclass(slots=True)
class ResponseReceived:
    """A response begins; a status below 200 is an interim one, and another head follows."""

    stream_id: int
    head: ResponseHead
    ends: bool
    never_indexed: frozenset[bytes]


@dataclass(slots=True)
class DataReceived:
    """A piece of a body; `credit` is its length with padding."""

    stream_id: int
    data: bytes
    credit: int


@dataclass(slots=True)
class TrailersReceived:
    """The fields behind a body; StreamEnded follows."""

    stream_id: int
    pairs: Fields


@dataclass(slots=True)
class StreamEnded:
    """The peer's message is complete."""

    stream_id: int


@dataclass(slots=True)
class StreamReset:
    """The peer broke the stream off. With REFUSED_STREAM it has done nothing: the request may be repeated."""

    stream_id: int
    code: int


@dataclass(slots=True)
class StreamRefused:
    """A request whose head is malformed. The stream is open for an answer; `head` is what could be read of it."""

    stream_id: int
    error: BadRequest
    head: RequestHead


@dataclass(slots=True)
class StreamFailed:
    """The peer broke a rule on this stream after its request; we have reset it."""

    stream_id: int
    error: IronProxyError


@dataclass(slots=True)
class WindowOpened:
    """More may be sent on this stream; 0 stands for any."""

    stream_id: int


@dataclass(slots=True)
class PeerGoingAway:
    """The peer takes no streams after `last_stream_id`; those that it had not seen are reported as StreamReset."""

    last_stream_id: int
    code: int


@dataclass(slots=True)
class SettingsChanged:
    """The peer's settings, its limit of streams among them, have been taken over."""


@dataclass(slots=True)
class PingAnswered:
    """The answer to a ping of ours."""

    opaque: bytes


@dataclass(slots=True)
class ConnectionFailed:
    """The peer broke the protocol or floods us: GOAWAY is in the outgoing bytes, nothing else will come."""

    code: int
    reason: str


Event = (
    RequestReceived
    | ResponseReceived
    | DataReceived
    | TrailersReceived
    | StreamEnded
    | StreamReset
    | StreamRefused
    | StreamFailed
    | WindowOpened
    | PeerGoingAway
    | SettingsChanged
    | PingAnswered
    | ConnectionFailed
)
