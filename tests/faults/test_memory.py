"""No more memory: the request that asks for too much fails and its record says why; the process serves on."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Fresh
from tests.fakes.running_proxy import PROXY_TOKEN, RunningProxy
from tests.fakes.wire_client import ALL_WAYS, TLS_WAYS, Way

MEGABYTE = 1 << 20
# Read whole, for a token is looked for in it: it takes its size a few times over.
BODY = b"x" * (30 * MEGABYTE)


@contextmanager
def memory_limited_to(proxy: RunningProxy, more: int) -> Iterator[None]:
    """The process may have so many bytes more than it has now."""
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    used = int(status.partition("VmSize:")[2].split()[0]) * 1024
    resource.prlimit(proxy.process.pid, resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))
    yield
    resource.prlimit(proxy.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def upload(proxy: RunningProxy, way: Way) -> int:
    token = f"X-Api-Key: {PROXY_TOKEN}\r\n"
    return proxy.ask(way, "/upload", host="swap.test", method="POST", headers=token, body=BODY).status


def test_a_request_that_finds_no_memory_fails_alone(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy(proxy__max_request_body_bytes=32 * MEGABYTE)
    proxy.begin_test()
    proxy.leftovers.allow(2 * len(BODY) // 1024)  # the allocator's, of a size that it has learnt to keep
    assert {proxy.ask(way).status for way in ALL_WAYS} == {200}

    with memory_limited_to(proxy, 24 * MEGABYTE):
        refused = {upload(proxy, way) for way in TLS_WAYS}
        meanwhile = {proxy.ask(way).status for way in ALL_WAYS}
    errors = [record["error"] for record in proxy.new_records() if record["action"] == "error"]

    assert (refused, meanwhile) == ({502}, {200})
    assert len(errors) == len(TLS_WAYS)
    assert all(error.endswith("MemoryError") for error in errors)
    assert upload(proxy, Way.HTTPS) == 200
    proxy.check_oracles()
