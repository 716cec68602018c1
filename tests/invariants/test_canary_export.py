"""What a collector gets by OTLP, and what `/metrics` shows, after requests that carry every marked secret's token."""

import pytest
from tests.conftest import Fresh
from tests.fakes.canary import Finder
from tests.fakes.canary_world import CanaryWorld
from tests.fakes.echo_origin import EchoOrigin
from tests.fakes.otlp_collector import GRPCCollector, HTTPCollector
from tests.fakes.wire_client import Way


@pytest.mark.parametrize(("kind", "protocol"), [(HTTPCollector, "http/protobuf"), (GRPCCollector, "grpc")])
def test_nothing_that_is_exported_holds_one(
    canaries: CanaryWorld,
    fresh_proxy: Fresh,
    finder: Finder,
    echo_origins: tuple[EchoOrigin, EchoOrigin],
    kind: type[HTTPCollector] | type[GRPCCollector],
    protocol: str,
) -> None:
    with kind() as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp",
        }  # fmt: skip
        proxy = fresh_proxy(transforms=canaries.transforms, env={**canaries.environment, **environment})
        world = CanaryWorld(proxy, *echo_origins, finder)
        for way in (Way.HTTPS, Way.HTTP, Way.CONNECT_TLS):
            world.ask("/reply/json", way)
        world.ask("/reply/json", Way.HTTP, host="evil.test")
        _, page = proxy.get_page("/metrics")
        proxy.ask_to_stop()
        assert proxy.wait_for_exit() == 0

    exported = b"".join(message.SerializeToString() for _, _, message in collector.requests)
    assert b"swapped" in exported
    assert collector.spans()
    assert collector.metrics()
    assert b"iron_proxy_notes_total" in page
    assert finder.find(exported) == []
    assert finder.find(page) == []
