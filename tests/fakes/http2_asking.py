"""`RunningProxy.ask` in HTTP/2, for tests of HTTP/1 whose meaning is the same there."""

from tests.fakes.http2_peer import speak
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import Answer, TunnelRefused, Way


def ask_in_http2(
    proxy: RunningProxy, way: Way, path: str = "/", *, host: str = "ok.test", method: str = "GET", headers: str = "",
    body: bytes = b"", host_field: str | None = None,
) -> Answer:  # fmt: skip
    """As `RunningProxy.ask`, which see. Names of fields go out in lower case, as they must."""
    lines = (line.partition(": ") for line in headers.splitlines())
    fields = [(name.lower().encode(), value.encode()) for name, _, value in lines]
    try:
        with speak(proxy, way, host) as peer:
            proxy.started += 1
            peer.authority = proxy.authority(way, host) if host_field is None else host_field
            return peer.ask(path, method, fields, body or None)
    except TunnelRefused as refusal:
        return Answer(status=403 if way.is_socks and refusal.code == 2 else refusal.code)
