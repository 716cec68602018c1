"""Connections by client: who may have another one, and what is told of those who may not."""

from collections.abc import Callable

import pytest

from iron_proxy.audit.record import EventRecord
from iron_proxy.config.capacity import Capacity
from iron_proxy.listeners.connection_counts import MAX_CLIENTS_TOLD, TELL_EVERY, ConnectionCounts


class Counting:
    """Counts, their records, and a timer that a test lets go off."""

    def __init__(self, connections: int, per_client: int) -> None:
        self.records: list[EventRecord] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.counts = ConnectionCounts(Capacity(connections, per_client), self.records.append, self._call_later)

    def _call_later(self, delay: float, call: Callable[[], None]) -> None:
        self.timers.append((delay, call))

    def told(self) -> list[tuple[str, object]]:
        """Let the timers go off; (client, limit) of the records since."""
        self.records.clear()
        timers, self.timers = self.timers, []
        for _, call in timers:
            call()
        return [(record.remote_addr, record.limit) for record in self.records]


def limit(name: str, value: int, refused: int) -> dict[str, object]:
    return {"name": f"limits.{name}", "value": value, "refused": refused}


def test_a_client_has_its_share_and_another_finds_room() -> None:
    counting = Counting(4, 3)

    assert [counting.counts.enter("10.0.0.1") for _ in range(5)] == [True, True, True, False, False]
    assert [counting.counts.enter("10.0.0.2") for _ in range(2)] == [True, False]
    assert counting.told() == [
        ("10.0.0.1", limit("connections_per_client", 3, 2)),
        ("10.0.0.2", limit("connections", 4, 1)),
    ]


def test_who_leaves_makes_room_and_is_forgotten() -> None:
    counting = Counting(4, 2)
    for _ in range(3):
        assert counting.counts.enter("10.0.0.1")
        assert counting.counts.enter("10.0.0.1")
        assert not counting.counts.enter("10.0.0.1")
        counting.counts.leave("10.0.0.1")
        counting.counts.leave("10.0.0.1")

    assert counting.counts.total == 0
    assert counting.counts._by_client == {}


def test_a_flood_is_one_record_a_second_with_its_number() -> None:
    counting = Counting(1, 1)
    counting.counts.enter("10.0.0.1")
    for _ in range(1000):
        counting.counts.enter("10.0.0.1")

    assert counting.records == []
    assert [delay for delay, _ in counting.timers] == [TELL_EVERY]
    assert counting.told() == [("10.0.0.1", limit("connections_per_client", 1, 1000))]
    assert counting.told() == []

    counting.counts.enter("10.0.0.1")

    assert counting.told() == [("10.0.0.1", limit("connections_per_client", 1, 1))]


def test_a_flood_from_everywhere_is_a_bounded_number_of_records() -> None:
    counting = Counting(1, 1)
    counting.counts.enter("10.0.0.1")
    for number in range(MAX_CLIENTS_TOLD * 10):
        counting.counts.enter(f"10.1.0.{number}")

    told = counting.told()

    assert len(told) == MAX_CLIENTS_TOLD + 1
    assert told[-1] == ("", limit("connections", 1, MAX_CLIENTS_TOLD * 9))


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_not_told_yet_can_be_asked_for(times: int) -> None:
    counting = Counting(1, 1)
    counting.counts.enter("10.0.0.1")
    counting.counts.enter("10.0.0.2")
    for _ in range(times):
        counting.counts.tell_refused()

    [record] = counting.records
    assert record.reason == "there are as many connections as there may be"


def test_another_capacity_counts_from_the_next_connection_on() -> None:
    counting = Counting(4, 4)
    for _ in range(3):
        counting.counts.enter("10.0.0.1")

    counting.counts.capacity = Capacity(2, 2)

    assert counting.counts.total == 3            # nobody is closed
    assert not counting.counts.enter("10.0.0.1")
    counting.counts.leave("10.0.0.1")
    counting.counts.leave("10.0.0.1")
    assert counting.counts.enter("10.0.0.1")
