"""Leaves for others: signed once, served by whoever asks."""

import asyncio

import pytest
from tests.unit.certs.ca_material import NOW, make_authority

from iron_proxy.certs.issued_leaves import IssuedLeaves
from iron_proxy.errors import BadHandshake


async def test_many_who_ask_get_the_same_leaf() -> None:
    leaves = IssuedLeaves(make_authority(), 10, 72, clock=lambda: NOW.timestamp())

    issued = await asyncio.gather(*(leaves.issue("a.test", False, True) for _ in range(10)))

    assert len(set(issued)) == 1
    assert (await leaves.issue("b.test", False, False)).key_pem == issued[0].key_pem
    assert (len(leaves), leaves.signed) == (2, 2)


async def test_nothing_is_served_from_here() -> None:
    leaves = IssuedLeaves(make_authority(), 10, 72, clock=lambda: NOW.timestamp())
    await leaves.issue("a.test", False, True)

    assert leaves.cached("a.test") is None
    with pytest.raises(BadHandshake):
        await leaves.context_for("a.test", False, True)
