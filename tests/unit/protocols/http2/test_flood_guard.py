"""A budget allows a burst, then so many a second, whatever the clock began with."""

import pytest

from iron_proxy.protocols.http2.flood_guard import Budget, FloodGuard
from iron_proxy.protocols.http2.frames import ConnectionViolation, ErrorCode


def spend_all(budget: Budget, now: float) -> int:
    count = 0
    while count < 10_000:
        try:
            budget.spend(now)
        except ConnectionViolation:
            return count
        count += 1
    return count


@pytest.mark.parametrize("start", [0.0, 1_000_000.0])
def test_a_burst_is_allowed_and_then_so_many_a_second(start: float) -> None:
    budget = Budget((10, 2.0), "enough")

    assert spend_all(budget, start) == 10
    with pytest.raises(ConnectionViolation, match="enough") as caught:
        budget.spend(start + 0.4)
    assert caught.value.code == ErrorCode.ENHANCE_YOUR_CALM
    assert spend_all(budget, start + 2.0) == 4
    assert spend_all(budget, start + 1_000.0) == 10


def test_a_clock_that_goes_back_gives_nothing() -> None:
    budget = Budget((1, 100.0), "enough")

    assert spend_all(budget, 50.0) == 1
    assert spend_all(budget, 10.0) == 0


def test_work_of_ours_gives_back_but_never_more_than_the_burst() -> None:
    budget = Budget((10, 0.0), "enough")

    assert spend_all(budget, 0.0) == 10
    budget.earn(3)
    assert spend_all(budget, 0.0) == 3
    budget.earn(500)
    assert spend_all(budget, 0.0) == 10


def test_resets_count_only_where_the_peer_opens_the_streams() -> None:
    server, client = FloodGuard(peer_opens_streams=True), FloodGuard(peer_opens_streams=False)

    for budget in (client.resets, client.provoked_resets):
        for _ in range(2000):
            budget.spend(0.0)
    for budget in (server.resets, server.provoked_resets):
        for _ in range(200):
            budget.spend(0.0)
        with pytest.raises(ConnectionViolation):
            budget.spend(0.0)
