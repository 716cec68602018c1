from datetime import UTC, datetime

import pytest
from tests.fakes.audit_lines import entry_of

from iron_proxy.audit_reading.selection import Selection, host_of, parse_since
from iron_proxy.matching.host_patterns import HostPattern

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_without_conditions_everything_is_taken() -> None:
    assert Selection().takes(entry_of(host="anything"))


def test_a_host_pattern_looks_at_the_host_without_its_port() -> None:
    selection = Selection(host=HostPattern.parse("*.example.com"))

    assert selection.takes(entry_of(host="api.example.com:8443"))
    assert not selection.takes(entry_of(host="api.example.org"))


@pytest.mark.parametrize("host", ["bad host\x00", "müller.test", "a:b:c", ""])
def test_a_host_that_is_none_does_not_matter(host: str) -> None:
    assert not Selection(host=HostPattern.parse("ok.test")).takes(entry_of(host=host))
    assert host_of(entry_of(host=host)) == host


def test_a_client_is_meant_by_its_name_or_address() -> None:
    entry = entry_of(client="agent-1", remote_addr="192.0.2.7:1")

    assert Selection(client="agent-1").takes(entry)
    assert Selection(client="192.0.2.7").takes(entry)
    assert not Selection(client="agent-2").takes(entry)


def test_what_was_denied() -> None:
    selection = Selection(denied_only=True)

    assert selection.takes(entry_of(action="reject"))
    assert not selection.takes(entry_of(action="error"))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-25", datetime(2026, 11, 25, tzinfo=UTC)),
        ("2026-11-25T01:41:05Z", datetime(2026, 11, 25, 1, 41, 5, tzinfo=UTC)),
        ("2026-11-25T02:41:05+01:00", datetime(2026, 11, 25, 1, 41, 5, tzinfo=UTC)),
        ("90m", datetime(2026, 11, 25, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_time_or_a_duration_before_now(text: str, moment: datetime) -> None:
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize("text", ["yesterday", "", "9" * 15 + "h", "25.11.2026"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="-since"):
        parse_since(text, NOW)


@pytest.mark.parametrize(
    ("time", "is_taken"),
    [
        ("2026-11-25T12:00:00.000000Z", True),
        ("2026-11-25T12:00:00.123456789Z", True),
        ("2026-11-25T11:59:59Z", False),
        ("2026-11-25T13:00:00+02:00", False),
        ("gibberish", False),
        ("", False),
    ],
)
def test_records_from_then_on(time: str, is_taken: bool) -> None:
    assert Selection(since=NOW).takes(entry_of(time=time)) is is_taken
