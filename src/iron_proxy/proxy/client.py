"""
What a client is to the main path, in either version: `ClientConnection` for HTTP/1, `Http2Request` for a stream.

Both live for one request after another or for one, answer it, and say how it ended when they cannot. The handler and
what it calls know no more than this.
"""

from typing import TYPE_CHECKING, Protocol

from iron_proxy.errors import ClientError
from iron_proxy.messages.authority import Target
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.protocols.http1.events import RequestHead, ResponseHead
from iron_proxy.proxy.request_checks import CountedSource
from iron_proxy.proxy.services import Services

if TYPE_CHECKING:                                # it imports this
    from iron_proxy.proxy.request_life import RequestLife


class RequestSource(CountedSource, Protocol):
    """Where the request's body comes from."""

    message_ended: bool                  # it has been read to its end


class Client(Protocol):
    """Who asked. Writing raises ClientDisconnected and ClientTimeout."""

    services: Services
    scheme: str                          # what it speaks to us: `http` or `https`
    server_name: str                     # the name its TLS was set up for, or ""
    tunnel: Tunnel | None
    original_destination: Target | None  # where the kernel intercepted its connection; None when it came to us
    client_name: str                     # which of the configured clients it is, or ""
    never_indexed: frozenset[bytes]      # HTTP/2: fields that the client wants in no compression table
    prefers_http2: bool                  # towards the upstream, where there is a choice
    keep_alive: bool                     # HTTP/1: another request may follow this one
    response_started: bool
    life: "RequestLife | None"           # of the request that is being served
    client_left: bool                    # it is gone: the task of its request was cancelled for that
    violation: ClientError | None        # HTTP/2: the rule that it broke on its stream, which is why it is gone

    @property
    def peer(self) -> str:
        """Its address, as `ip:port`."""
        ...

    @property
    def reader(self) -> RequestSource:
        """The body of the request that is being served."""
        ...

    async def respond(self, head: RequestHead, response: Response) -> None:
        """Send a whole response to the request with this head, each piece as it arrives. Also raises UpstreamError."""
        ...

    async def send_informational(self, head: ResponseHead) -> None:
        """Pass on a 1xx."""
        ...

    async def answer(self, response: Response) -> None:
        """Send a short answer of our own."""
        ...

    async def answer_error(self, error: ClientError) -> None:
        """Answer what could not be read as a request."""
        ...

    def break_off(self) -> None:
        """End it improperly: never let a cut message pass for a whole one."""
        ...
