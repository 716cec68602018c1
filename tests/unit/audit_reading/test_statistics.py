import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.audit_lines import entry_of

from iron_proxy.audit_reading.statistics import MAX_GROUPS, OTHERS, Durations, Statistics


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_percentile_is_right_within_two_percent(values: list[float], share: float) -> None:
    durations = Durations()
    for value in values:
        durations.add(value)
    ordered = sorted(values)
    wanted = next(value for place, value in enumerate(ordered, 1) if place >= share * len(values))

    assert durations.percentile(share) == pytest.approx(wanted, rel=0.02)


def test_without_time_there_is_none() -> None:
    durations = Durations()
    assert durations.percentile(0.5) == 0

    durations.add(0.0)
    assert durations.percentile(0.5) == 0


def test_requests_are_counted_by_host_whatever_the_port() -> None:
    statistics = Statistics("host")
    statistics.add(entry_of(host="a.test", bytes_from_client=10, bytes_from_upstream=200))
    statistics.add(entry_of(host="a.test:8443", action="error", error="x"))
    statistics.add(entry_of(host="a.test:443", method="CONNECT", action="reject"))
    statistics.add(entry_of(host="b.test"))

    ((first, figures), _) = statistics.most_first()

    assert first == "a.test"
    assert (figures.requests, figures.allowed, figures.denied, figures.failed) == (3, 1, 1, 1)
    assert (figures.bytes_from_client, figures.bytes_from_upstream) == (10, 200)


def test_an_opening_that_was_allowed_is_counted_by_what_comes_inside() -> None:
    statistics = Statistics("host")
    statistics.add(entry_of(host="a.test:443", method="CONNECT"))
    statistics.add(entry_of(phase="open"))

    assert statistics.groups == {}


@pytest.mark.parametrize(("by", "group"), [("client", "agent"), ("status", "200"), ("host", "ok.test")])
def test_they_can_be_counted_by_other_things(by: str, group: str) -> None:
    statistics = Statistics(by)
    statistics.add(entry_of(client="agent"))

    assert [*statistics.groups] == [group]


def test_a_client_without_a_name_is_its_address() -> None:
    statistics = Statistics("client")
    statistics.add(entry_of(remote_addr="192.0.2.9:1"))

    assert [*statistics.groups] == ["192.0.2.9"]


def test_a_program_that_invents_hosts_does_not_fill_the_memory() -> None:
    statistics, entry = Statistics("host"), entry_of()
    for number in range(MAX_GROUPS + 50):
        entry.host = f"h{number}.test"
        statistics.add(entry)

    assert len(statistics.groups) == MAX_GROUPS + 1
    assert statistics.groups[OTHERS].requests == 50
