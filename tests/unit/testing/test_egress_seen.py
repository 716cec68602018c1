import pytest

from iron_proxy.testing.direct_egress import DirectEgress
from iron_proxy.testing.egress_seen import Seen, refusal_message, seen_directly, seen_in_records


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (Seen("a.test", 443, "https", "GET", "/", False), "a.test"),
        (Seen("a.test", 8443, "https", "GET", "/", False), "a.test:8443"),
        (Seen("2001:db8::1", 53, "", "", "", False), "[2001:db8::1]:53"),
        (Seen("a.test", 0, "", "", "", False, True), "a.test"),
    ],
)
def test_the_line_that_would_allow_it(seen: Seen, line: str) -> None:
    assert seen.allowing_line == line


def test_the_message_names_what_was_refused_once_and_stays_short() -> None:
    message = refusal_message([Seen(f"h{n}.test", 80, "http", "GET", "/\x1b", False) for n in range(12)] * 2)

    assert message.count("GET http://h3.test/") == 1
    assert "and 2 more" in message
    assert "\x1b" not in message
    assert '@pytest.mark.egress("h0.test", ' in message


def test_a_lookup_that_was_allowed_is_not_told() -> None:
    egress = [DirectEgress("a.test", 443, True, True), DirectEgress("b.test", 443, True, False)]

    assert [each.host for each in seen_directly(egress)] == ["b.test"]


def test_what_is_no_request_is_passed_over() -> None:
    assert list(seen_in_records([{"msg": "event", "event": "reload", "host": 3}], "rules[0]")) == []
