"""Where a secret may go without TLS."""

import pytest

from iron_proxy.messages.authority import parse_target
from iron_proxy.transforms.secrets.plaintext import may_go_in_clear


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.8.8.8", "[::1]", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "[fd00::1]",
        "[fc00::1]", "[::ffff:10.0.0.1]", "localhost", "api.localhost", "LOCALHOST.",
    ],
)  # fmt: skip
def test_loopback_and_private_destinations(host: str) -> None:
    assert may_go_in_clear("http", parse_target(host.encode(), 80))


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8", "172.32.0.1", "192.169.0.1", "169.254.169.254", "100.64.0.1", "[fe80::1]", "[2001:db8::1]",
        "[::ffff:8.8.8.8]", "0.0.0.0", "api.openai.com", "intranet", "db.internal", "printer.local",
        "localhost.evil.com", "notlocalhost",
    ],
)  # fmt: skip
def test_everything_else_needs_tls(host: str) -> None:
    target = parse_target(host.encode(), 80)

    assert not may_go_in_clear("http", target)
    assert may_go_in_clear("https", target)
