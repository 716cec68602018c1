"""What a ruleset cannot be made from is told with what to write instead."""

import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from iron_proxy.nftables.settings import Settings, check_settings

GOOD = Settings(proxy_ip=IPv4Address("192.0.2.1"))
TAKING = replace(GOOD, mode="redirect", uids=(998,))


@pytest.mark.parametrize(
    "settings",
    [
        GOOD,
        Settings(proxy_ip6=IPv6Address("2001:db8::1")),
        replace(GOOD, dns_port=0, tunnel_port=0, http_port=0),
        replace(GOOD, interfaces=("eth0", "br-0a1b2c", "veth*", "wg0.5", "eth0@if3")),
        replace(GOOD, captured=()),
        TAKING,
        replace(TAKING, captured=None),
        replace(TAKING, https_port=0),
        replace(TAKING, uids=(), interfaces=("docker0",)),
    ],
)
def test_what_can_be_used_is_accepted(settings: Settings) -> None:
    check_settings(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(), "the proxy's address is missing: -proxy-ip"),
        (replace(GOOD, proxy_ip=IPv4Address("0.0.0.0")), "0.0.0.0 is not the address of a machine"),
        (replace(GOOD, proxy_ip=IPv4Address("224.0.0.1")), "224.0.0.1 is not the address of a machine"),
        (replace(GOOD, http_port=65536), "65536 is not a port"),
        (replace(GOOD, dns_port=-1), "-1 is not a port"),
        (replace(GOOD, captured=(70000,)), "70000 is not a port"),
        (replace(GOOD, http_port=0, https_port=0, dns_port=0, tunnel_port=0), "all ports are 0"),
        (replace(GOOD, interfaces=('e"; accept',)), "is not the name of a network interface"),
        (replace(GOOD, interfaces=("",)), "is not the name of a network interface"),
        (replace(GOOD, interfaces=("a-name-that-is-too-long",)), "is not the name of a network interface"),
        (replace(TAKING, uids=()), "-mode redirect needs to know whose connections to take: -uid"),
        (replace(TAKING, http_port=0, https_port=0), "-mode redirect needs the port of a listener"),
        (replace(TAKING, captured=()), "-mode redirect needs ports to take"),
    ],
)
def test_what_cannot_be_used_is_told(settings: Settings, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check_settings(settings)


@pytest.mark.parametrize(("mode", "intercepts"), [("enforce", False), ("redirect", True), ("tproxy", True)])
def test_two_modes_intercept(mode: str, intercepts: bool) -> None:
    assert replace(GOOD, mode=mode).intercepts is intercepts  # type: ignore[arg-type]  # one of the three
