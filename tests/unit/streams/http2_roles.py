"""The least of a role that a session and a stream need, with errors that say which they are."""

from typing import cast

from tests.fakes.memory_stream import MemoryStream
from tests.fakes.served import LONG

from iron_proxy.errors import ClientDisconnected, ClientTimeout, IronProxyError
from iron_proxy.protocols.http2.events import Event
from iron_proxy.protocols.http2.server import Http2Server
from iron_proxy.streams.byte_stream import StreamTimeout
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.streams.http2_session import Http2Session
from iron_proxy.streams.http2_stream import Http2Stream


class PlainStream(Http2Stream):
    """A stream of either role."""

    def too_slow(self) -> IronProxyError:
        return ClientTimeout("nothing came")

    def stopped_reading(self) -> IronProxyError:
        return ClientTimeout("nothing was taken")


class PlainSession(Http2Session[PlainStream]):
    """A server's side, whose requests a test takes; what else a role would act on is written down."""

    def __init__(self, stream: MemoryStream, write_timeout: float = LONG) -> None:
        super().__init__(cast(Stream, stream), Http2Server("https"), write_timeout)
        self.noted: list[object] = []

    def begin(self, stream_id: int) -> PlainStream:
        """An exchange takes a stream that the client has opened."""
        stream = PlainStream(self, stream_id, body_timeout=LONG, write_timeout=LONG)
        self.add(stream)
        return stream

    def answer(self, stream_id: int) -> PlainStream:
        """The same, and the head of a response with a body."""
        cast(Http2Server, self.core).send_head(stream_id, 200, [], end=False)
        return self.begin(stream_id)

    def doubt(self, since: float) -> None:
        self.noted.append("doubt")

    def role_event(self, event: Event) -> None:
        self.noted.append(event)

    def stream_reset(self, stream: PlainStream, code: int) -> None:
        self.noted.append(("reset", stream.id, code))
        stream.fail(ClientDisconnected("reset"))

    def peer_going_away(self) -> None:
        self.noted.append("going away")

    def connection_failed(self, reason: str) -> None:
        self.noted.append(reason)

    def write_failed(self, error: Exception) -> IronProxyError:
        if isinstance(error, StreamTimeout):
            return ClientTimeout("the connection takes nothing")
        return ClientDisconnected("the connection broke")
