"""How long a place stays empty."""

from iron_proxy.workers.backoff import HEALTHY_SECONDS, Backoff


def test_the_first_death_costs_nothing_and_young_ones_ever_more() -> None:
    backoff = Backoff()

    assert [backoff.pause_after(1.0) for _ in range(9)] == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_long_life_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(100):
        backoff.pause_after(0.0)

    assert [backoff.pause_after(HEALTHY_SECONDS), backoff.pause_after(1.0)] == [0.0, 0.5]
