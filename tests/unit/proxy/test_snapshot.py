"""Which hosts' TLS is passed through, and what their records say."""

import pytest
from tests.fakes.secret_source import FakeSource
from tests.fakes.transforms import FakeTransform

from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.proxy.client_identity import Client, ClientIdentities
from iron_proxy.proxy.snapshot import Snapshot

PIPELINE = Pipeline(())


def test_by_default_nothing_is_passed_through() -> None:
    assert not Snapshot(PIPELINE).passes_through("ok.test")


@pytest.mark.parametrize("host", ["ok.test", "10.0.0.1", "2001:db8::1", ""])
def test_in_sni_only_mode_everything_is(host: str) -> None:
    snapshot = Snapshot(PIPELINE, tls_mode="sni-only")

    assert snapshot.passes_through(host)
    assert snapshot.passthrough_mode == "sni-only"


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("pinned.test", True),
        ("a.bank.test", True),
        ("bank.test", True),
        ("10.0.0.1", True),
        ("evilbank.test", False),
        ("pinned.test.evil", False),
        ("", False),
    ],
)
def test_in_mitm_mode_the_hosts_of_the_list_are(host: str, passes: bool) -> None:
    patterns = tuple(map(HostPattern.parse, ("pinned.test", "*.bank.test", "10.0.0.1")))
    snapshot = Snapshot(PIPELINE, passthrough=patterns)

    assert snapshot.passes_through(host) is passes
    assert snapshot.passthrough_mode == "passthrough"


async def test_closing_closes_what_transforms_and_clients_own() -> None:
    closed: list[str] = []

    class Closable(FakeTransform):
        async def aclose(self) -> None:
            closed.append(self.name)

    class ClosableSource(FakeSource):
        async def aclose(self) -> None:
            closed.append(self.name)

    clients = ClientIdentities([Client("agent", (), "agent", ClosableSource("PASSWORD", "x"))])

    await Snapshot(Pipeline([Closable("mine")]), clients=clients).aclose()

    assert closed == ["mine", "PASSWORD"]
