"""Events are passed on one by one, until there are too many of them."""

from collections.abc import Callable

from iron_proxy.dns.event_flow import DNSEvent, EventFlow
from iron_proxy.dns.token_buckets import TokenBuckets


class Later:
    """What was put off, for the test to call."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, delay: float, callback: Callable[[], None]) -> None:
        self.calls.append((delay, callback))


def flow(events: list[DNSEvent], later: Later, per_client: int = 2, in_total: int = 5) -> EventFlow:
    return EventFlow(
        events.append,
        per_client=TokenBuckets(0.0, per_client),
        in_total=TokenBuckets(0.0, in_total),
        call_later=later,
    )


def offer(told: EventFlow, event: DNSEvent, client_host: str) -> None:
    told.tell_or_count(client_host, event.decision, event.rcode, lambda: event)


REFUSED = DNSEvent("a.test", "A", "192.0.2.7:53", "refused", "NXDOMAIN", "no rule allows this name")
DROPPED = DNSEvent("", "", "192.0.2.7:53", "dropped", "", "shorter than a header")


def test_what_is_too_much_of_one_client_is_counted_and_told_together() -> None:
    events, later = list[DNSEvent](), Later()
    told = flow(events, later)

    for event in (REFUSED, REFUSED, REFUSED, DROPPED, DROPPED):
        offer(told, event, "192.0.2.7")
    offer(told, REFUSED, "192.0.2.8")
    assert events == [REFUSED, REFUSED, REFUSED]

    [(delay, tell)] = later.calls
    tell()

    assert delay == 10.0
    assert [(event.decision, event.rcode, event.omitted) for event in events[3:]] == [
        ("refused", "NXDOMAIN", 1), ("dropped", "", 2),
    ]  # fmt: skip
    assert {(event.name, event.client, event.reason) for event in events[3:]} == {
        ("", "", "too many to record one by one")
    }


def test_many_clients_together_can_be_too_much() -> None:
    events, later = list[DNSEvent](), Later()
    told = flow(events, later)

    for number in range(9):
        offer(told, REFUSED, f"192.0.2.{number}")

    assert len(events) == 5


def test_the_next_flood_is_counted_from_nothing() -> None:
    events, later = list[DNSEvent](), Later()
    told = flow(events, later, per_client=0)

    offer(told, REFUSED, "a")
    later.calls[0][1]()
    told.tell_omissions()
    offer(told, REFUSED, "a")
    later.calls[1][1]()

    assert [event.omitted for event in events] == [1, 1]


def test_what_left_the_machine_is_told_whatever_the_rate() -> None:
    events = list[DNSEvent]()
    told = flow(events, Later(), per_client=0)

    told.tell(REFUSED)

    assert events == [REFUSED]


def test_what_is_only_counted_is_not_made() -> None:
    made, told = list[DNSEvent](), flow([], Later(), per_client=1)

    def event() -> DNSEvent:
        made.append(REFUSED)
        return REFUSED

    for _ in range(3):
        told.tell_or_count("192.0.2.7", "refused", "NXDOMAIN", event)

    assert len(made) == 1
