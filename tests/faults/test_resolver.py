"""A resolver that dies and comes back: lookups fail with a reason, nothing else does, and nobody has to restart."""

from collections.abc import Iterator

import dns.message
import dns.query
import pytest
from tests.conftest import Fresh
from tests.fakes.dns_upstream import FakeDNSUpstream
from tests.fakes.internet import LITERAL, NAMES, Internet
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import ALL_WAYS, Way


@pytest.fixture
def resolver(internet: Internet) -> Iterator[FakeDNSUpstream]:
    """A resolver of the test's own, which is up."""
    resolver = FakeDNSUpstream(NAMES)
    internet.background.run(resolver.__aenter__())
    yield resolver
    internet.background.run(resolver.__aexit__())


def own_answer(proxy: RunningProxy) -> str:
    """What our own DNS says of a name."""
    host, port = proxy.addresses["dns"]
    reply = dns.query.udp(dns.message.make_query("ok.test", "A"), host, 5, port)
    return str(reply.answer[0][0])


def test_a_resolver_that_dies_and_comes_back(
    fresh_proxy: Fresh, internet: Internet, resolver: FakeDNSUpstream
) -> None:
    proxy = fresh_proxy(dns={"listen": "127.0.0.1:0", "proxy_ip": "127.0.0.1", "upstream_resolver": resolver.address})
    proxy.begin_test()
    internet.background.run(resolver.__aexit__())

    status = proxy.ask(Way.HTTPS, "/dead").status  # after five seconds: a datagram that nobody takes may be late
    record = proxy.last_record()

    assert status == 502
    assert (record["action"], record["status_code"]) == ("error", 502)
    assert "ok.test" in record["error"]
    assert proxy.ask(Way.HTTP, host=LITERAL).status == 200  # nothing to look up
    assert own_answer(proxy) == "127.0.0.1"

    internet.background.run(resolver.__aenter__())
    assert [proxy.ask(way, "/alive").status for way in ALL_WAYS] == [200] * len(ALL_WAYS)
    proxy.check_oracles()
