"""An upload that was not finished leaves a connection that nobody else may use."""

import pytest
from tests.fakes.body_source import FakeBodySource
from tests.fakes.loopback import LoopbackStreamPair

from iron_proxy.errors import BadRequest, IronProxyError
from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.request import Request
from iron_proxy.protocols.http1.events import ResponseHead
from iron_proxy.proxy.forward import _upload
from iron_proxy.upstream.http1_client import UpstreamConnection


async def answered(connection: UpstreamConnection, pair: LoopbackStreamPair) -> ResponseHead:
    """The whole answer is here, however far the request has come."""
    await pair.right.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1.0)
    return await connection.reader.read_head(1.0)


@pytest.mark.parametrize(
    ("failure", "is_reusable"), [(None, True), (BadRequest("malformed chunk size"), False)], ids=["whole", "malformed"]
)
async def test_only_a_whole_upload_leaves_a_connection_for_the_next_request(
    failure: IronProxyError | None, is_reusable: bool
) -> None:
    async with LoopbackStreamPair() as pair:
        connection = UpstreamConnection(pair.left, ("http", Target("ok.test", 80), False))
        body = Body(FakeBodySource([b"first"], failure=failure), None)
        await connection.send_head(Request("POST", "http", Target("ok.test", 80), b"/", body=body))
        try:
            await _upload(connection, body)
        except BadRequest:
            pass
        head = await answered(connection, pair)

        assert connection.is_reusable(head) is is_reusable
