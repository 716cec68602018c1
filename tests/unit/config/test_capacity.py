"""How many connections fit into so many descriptors, and what one client may have of them."""

import pytest

from iron_proxy.config.capacity import Capacity, capacity_of
from iron_proxy.config.schema import LimitsConfig


@pytest.mark.parametrize(
    ("descriptors", "capacity"),
    [(65_536, Capacity(32_736, 24_552)), (1024, Capacity(480, 360)), (256, Capacity(96, 72)), (20, Capacity(8, 6))],
)
def test_half_of_the_descriptors_are_for_upstreams(descriptors: int, capacity: Capacity) -> None:
    assert capacity_of(LimitsConfig(), descriptors) == capacity


@pytest.mark.parametrize(
    ("connections", "per_client", "capacity"),
    [
        (100, None, Capacity(100, 75)),
        (1, None, Capacity(1, 1)),
        (100, 100, Capacity(100, 100)),
        (100, 200, Capacity(100, 100)),
        (None, 10, Capacity(480, 10)),
        (5000, None, Capacity(5000, 3750)),
    ],
)
def test_what_the_configuration_says_counts(
    connections: int | None, per_client: int | None, capacity: Capacity
) -> None:
    limits = LimitsConfig(connections=connections, connections_per_client=per_client)

    assert capacity_of(limits, 1024) == capacity
