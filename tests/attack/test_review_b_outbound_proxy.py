"""What an outbound proxy is told about us stays between the two: the client cannot have it sent back."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator

import pytest
from tests.conftest import Running
from tests.fakes.internet import Internet
from tests.fakes.outbound_proxy import FakeHTTPProxy
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import Way

pytestmark = pytest.mark.end_to_end

PROXY_HOST = "127.0.1.5"
LOGIN = ("alice", "PROXY-hunter2canary")
ON_THE_WIRE = b64encode(":".join(LOGIN).encode())


class TracingProxy(FakeHTTPProxy):
    """Answers TRACE itself, as a proxy does that `Max-Forwards` has run out at (RFC 9110 section 7.6.2)."""

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._next_head(reader):
            self.heads.append(head)
            kind = b"Content-Type: message/http"
            writer.write(b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(head), head))


@pytest.fixture
def outbound(internet: Internet) -> Iterator[TracingProxy]:
    fake = TracingProxy(PROXY_HOST, login=LOGIN)
    internet.background.run(fake.__aenter__())
    yield fake
    internet.background.run(fake.__aexit__())


@pytest.fixture
def proxy(running: Running, outbound: TracingProxy) -> RunningProxy:
    return running(proxy__upstream_proxy={"http_proxy": outbound.url})


@pytest.mark.parametrize("method", ["TRACE", "trace"])
def test_trace_does_not_bring_back_the_outbound_proxys_password(
    proxy: RunningProxy, outbound: TracingProxy, method: str
) -> None:
    for more in ("", "Max-Forwards: 0\r\n"):
        host = proxy.authority(Way.HTTP, "ok.test")
        answer = proxy.exchange(Way.HTTP, request("/", host, method=method, headers=more), host="ok.test")

        assert ON_THE_WIRE not in answer.body
        assert answer.status == 502
        assert "TRACE" in proxy.last_record()["error"]
    assert outbound.heads == []
