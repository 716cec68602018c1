"""A worker's contexts, of leaves that another process signs."""

import asyncio
import time

import pytest
from tests.unit.certs.ca_material import make_authority

from iron_proxy.certs.issued_leaves import IssuedLeaves
from iron_proxy.certs.leaf_signer import SignedLeaf
from iron_proxy.errors import IronProxyError
from iron_proxy.workers.channel import ChannelClosed
from iron_proxy.workers.messages import LeafWanted
from iron_proxy.workers.shared_leaves import SharedLeaves


class Supervisor:
    """Signs, and counts."""

    def __init__(self) -> None:
        self.leaves = IssuedLeaves(make_authority(), 10, 72, clock=time.time)
        self.asked: list[str] = []
        self.is_gone = False

    async def __call__(self, wanted: LeafWanted) -> SignedLeaf:
        self.asked.append(wanted.host)
        await asyncio.sleep(0)
        if self.is_gone:
            raise ChannelClosed
        return await self.leaves.issue(wanted.host, wanted.is_ip, wanted.admitted)


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    return Supervisor()


async def test_each_worker_asks_once_and_the_host_is_signed_for_once(supervisor: Supervisor) -> None:
    workers = [SharedLeaves(supervisor, 10, ("h2", "http/1.1")) for _ in range(3)]

    contexts = await asyncio.gather(*(each.context_for("a.test", False, True) for each in workers * 5))

    assert len({id(context) for context in contexts}) == 3
    assert supervisor.asked == ["a.test"] * 3
    assert (supervisor.leaves.signed, len(supervisor.leaves)) == (1, 1)
    assert workers[0].cached("a.test") is contexts[0]
    assert workers[0].cached("b.test") is None


async def test_without_a_supervisor_there_is_no_leaf(supervisor: Supervisor) -> None:
    supervisor.is_gone = True

    with pytest.raises(IronProxyError, match=r"^generating cert for a\.test: the supervisor is gone$"):
        await SharedLeaves(supervisor, 10, ()).context_for("a.test", False, True)
