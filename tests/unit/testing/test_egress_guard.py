import os
import urllib.error
import urllib.request

import pytest

from iron_proxy.testing.allowed_egress import AllowedEgress, allowed_by_lines
from iron_proxy.testing.egress_guard import EgressGuard

pytestmark = pytest.mark.slow


def status_of(host: str) -> int:
    try:
        with urllib.request.urlopen(f"http://{host}/x", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.slow
def test_tests_share_a_proxy_and_leave_the_environment_as_it_was() -> None:
    before = dict(os.environ)
    guard = EgressGuard(observes=False)
    try:
        guard.begin(AllowedEgress())
        refused, seen = status_of("nx.invalid"), guard.take_seen()
        first = guard.proxy
        guard.end()
        assert dict(os.environ) == before
        guard.begin(allowed_by_lines(["nx.invalid"], "egress_allow"))
        allowed, seen_then = status_of("nx.invalid"), guard.take_seen()
        assert guard.proxy is first
    finally:
        guard.close()

    assert refused == 403 != allowed
    assert [(each.host, each.path, each.is_allowed) for each in seen + seen_then] == [
        ("nx.invalid", "/x", False), ("nx.invalid", "/x", True),
    ]  # fmt: skip
    assert guard.take_seen() == []
