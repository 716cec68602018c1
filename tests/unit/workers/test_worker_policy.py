"""What a worker builds of a text; when it takes effect is tested in `test_worker.py`."""

import asyncio

import pytest
from tests.unit.workers.supervised import TEXT, policy

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.certs.leaf_signer import SignedLeaf
from iron_proxy.errors import ConfigError
from iron_proxy.runtime.assemble import NoLeaves, OwnListeners
from iron_proxy.runtime.policy_reading import Origin
from iron_proxy.workers.messages import LeafWanted
from iron_proxy.workers.shared_leaves import SharedLeaves
from iron_proxy.workers.worker_policy import read, services_of

AUDIT = AuditEmitter(seed_envelope, lambda lines: None)


async def no_leaf(wanted: LeafWanted) -> SignedLeaf:
    await asyncio.sleep(0)
    raise AssertionError(wanted)


async def test_the_generation_is_the_supervisors() -> None:
    services = services_of(read(Origin("f", {}), policy()), policy(generation=7), AUDIT, OwnListeners(), no_leaf)

    assert services.snapshot.generation == 7
    assert isinstance(services.leaves, SharedLeaves)


async def test_leaves_are_kept_new_or_none_as_the_supervisor_says() -> None:
    first = services_of(read(Origin("f", {}), policy()), policy(), AUDIT, OwnListeners(), no_leaf)
    kept, renewed, none = (
        services_of(read(Origin("f", {}), policy()), asked, AUDIT, OwnListeners(), no_leaf, first)
        for asked in (policy(keeps_leaves=True), policy(), policy(has_ca=False))
    )

    assert kept.leaves is first.leaves
    assert isinstance(renewed.leaves, SharedLeaves)
    assert renewed.leaves is not first.leaves
    assert isinstance(none.leaves, NoLeaves)


def test_a_text_that_is_wrong_is_told_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"^proxy\.yaml:4: prxy: unknown key"):
        read(Origin("proxy.yaml", {}), policy(TEXT + b"prxy: 1\n"))
