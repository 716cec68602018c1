"""How many lookups may leave."""

from iron_proxy.dns.lookup_limits import LookupLimits
from iron_proxy.dns.messages import REFUSED, SERVFAIL


def test_a_minutes_worth_is_granted_and_then_refused() -> None:
    limits = LookupLimits(3)

    for _ in range(3):
        assert limits.begin("a") is None
        limits.end("a")
    refused = limits.begin("a")

    assert refused is not None
    assert (refused.rcode, refused.reason) == (REFUSED, "too many lookups by this client")
    assert limits.begin("b") is None


def test_without_a_limit_only_what_is_under_way_counts() -> None:
    limits = LookupLimits(None, at_once=3, at_once_per_client=2)

    assert [limits.begin(client) is None for client in ("a", "a", "a", "b", "c")] == [True, True, False, True, False]
    refused = limits.begin("a")
    assert refused is not None
    assert (refused.rcode, refused.reason) == (SERVFAIL, "too many lookups at once")
    limits.end("a")
    assert limits.begin("c") is None


def test_a_lookup_that_has_no_room_costs_no_token() -> None:
    limits = LookupLimits(2, at_once=1)
    limits.begin("a")
    limits.begin("a")
    limits.end("a")

    assert limits.begin("a") is None
