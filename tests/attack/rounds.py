"""The rounds of a test with the marker `every_split`: one for each split of what clients send, and one in HTTP/2."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from tests.fakes.http2_asking import ask_in_http2
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import SPLITS, Way, sending_in

Round = tuple[str, AbstractContextManager[None]]


def rounds_of(item: pytest.Function) -> Iterator[Round]:
    """How the test is sent, one after the other, and what does it."""
    for split in SPLITS:
        yield split.value, sending_in(split)
    if is_asked_in_http2(item):
        yield "HTTP/2", asking_in_http2()


def is_asked_in_http2(item: pytest.Function) -> bool:
    """Whether the last round is one: the test asks for it, and its way in has TLS."""
    marker = item.get_closest_marker("every_split")
    if marker is None or not marker.kwargs.get("http2"):
        return False
    way = item.callspec.params.get("way") if hasattr(item, "callspec") else None
    return isinstance(way, Way) and way.is_tls


@contextmanager
def asking_in_http2() -> Iterator[None]:
    """Let `RunningProxy.ask` speak HTTP/2."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunningProxy, "ask", ask_in_http2)
        yield
