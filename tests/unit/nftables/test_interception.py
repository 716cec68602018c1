"""Which connections are brought to the proxy, to which of its ports, and whose are left alone."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.nftables.rulesets import ROUTER, USERS, names_of, rules_of

from iron_proxy.nftables.interception import intercepting_chains
from iron_proxy.nftables.settings import Settings

REDIRECT, TPROXY = replace(USERS, mode="redirect"), replace(USERS, mode="tproxy")
MARKED = "meta mark set meta mark or 0x100000"


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (USERS, []),
        (REDIRECT, ["nat_output"]),
        (replace(ROUTER, mode="redirect"), ["nat_prerouting"]),
        (TPROXY, ["nat_output", "taken", "prerouting", "output_route"]),
        (replace(ROUTER, mode="tproxy"), ["nat_prerouting", "taken", "prerouting"]),
        (replace(ROUTER, mode="tproxy", dns_port=0), ["taken", "prerouting"]),
    ],
)
def test_each_mode_and_place_has_its_chains(settings: Settings, names: list[str]) -> None:
    assert names_of(intercepting_chains(settings)) == names


def test_the_proxys_own_connections_and_local_ones_are_not_redirected() -> None:
    rules = rules_of(intercepting_chains(REDIRECT), "nat_output")

    assert rules[:2] == ["meta skuid { 998 } accept", "fib daddr type local accept"]
    assert rules[2:] == [
        "udp dport 53 redirect to :53",
        "tcp dport 53 redirect to :53",
        "tcp dport 443 redirect to :443",
        "tcp dport 80 redirect to :80",
    ]


def test_only_what_comes_from_the_interface_is_redirected() -> None:
    rules = rules_of(intercepting_chains(replace(ROUTER, mode="redirect")), "nat_prerouting")

    assert rules[0] == 'iifname != { "docker0", "br-*" } accept'


@pytest.mark.parametrize(
    ("captured", "rules"),
    [
        ((443,), ["tcp dport 443 redirect to :8443"]),
        ((80,), ["tcp dport 80 redirect to :8080"]),
        (
            (443, 22, 8443),
            ["tcp dport 443 redirect to :8443", "fib daddr type != local tcp dport { 22, 8443 } redirect to :8080"],
        ),
        (
            None,
            [
                "tcp dport 443 redirect to :8443",
                "tcp dport 80 redirect to :8080",
                "fib daddr type != local tcp dport != 53 redirect to :8080",
            ],
        ),
    ],
)
def test_every_port_goes_to_the_listener_that_fits(captured: tuple[int, ...] | None, rules: list[str]) -> None:
    settings = replace(REDIRECT, captured=captured, http_port=8080, https_port=8443)

    assert rules_of(intercepting_chains(settings), "nat_output")[4:] == rules


def test_questions_are_answered_and_not_taken_for_http() -> None:
    chains = intercepting_chains(replace(TPROXY, captured=(53, 443)))

    assert not [rule for name in ("taken", "output_route") for rule in rules_of(chains, name) if " 53" in rule]
    assert "tcp dport 53 redirect to :53" in rules_of(chains, "nat_output")


def test_without_a_dns_server_of_ours_all_ports_are_all_ports() -> None:
    rules = rules_of(intercepting_chains(replace(REDIRECT, captured=None, dns_port=0)), "nat_output")

    assert rules[-1] == "fib daddr type != local meta l4proto tcp redirect to :80"
    assert not [rule for rule in rules if "53" in rule]


@pytest.mark.parametrize(("off", "port"), [("http_port", 443), ("https_port", 80)])
def test_one_listener_serves_for_both(off: str, port: int) -> None:
    changes: dict[str, Any] = {off: 0}

    rules = rules_of(intercepting_chains(replace(REDIRECT, **changes)), "nat_output")

    assert rules[4:] == [f"tcp dport 443 redirect to :{port}", f"tcp dport 80 redirect to :{port}"]


@pytest.mark.parametrize("settings", [REDIRECT, TPROXY])
@pytest.mark.parametrize(("gone", "left"), [("proxy_ip6", "ipv4"), ("proxy_ip", "ipv6")])
def test_a_family_without_an_address_of_the_proxy_is_not_brought_to_it(
    settings: Settings, gone: str, left: str
) -> None:
    changes: dict[str, Any] = {gone: None}

    chains = intercepting_chains(replace(settings, **changes))

    bringing = [rule for name in names_of(chains) for rule in rules_of(chains, name) if "dport" in rule]
    assert bringing
    assert all(rule.startswith(f"meta nfproto {left} ") for rule in bringing)


def test_tproxy_takes_each_family_to_its_address() -> None:
    assert rules_of(intercepting_chains(TPROXY), "taken") == [
        f"meta nfproto ipv4 tcp dport 443 tproxy ip to 192.0.2.1:443 {MARKED} accept",
        f"meta nfproto ipv4 tcp dport 80 tproxy ip to 192.0.2.1:80 {MARKED} accept",
        f"meta nfproto ipv6 tcp dport 443 tproxy ip6 to [2001:db8::1]:443 {MARKED} accept",
        f"meta nfproto ipv6 tcp dport 80 tproxy ip6 to [2001:db8::1]:80 {MARKED} accept",
    ]


def test_marking_is_the_default_for_what_this_machine_sends() -> None:
    """A packet whose user cannot be told any more is marked too, unless its connection is the proxy's."""
    rules = rules_of(intercepting_chains(TPROXY), "output_route")

    assert rules == [
        "ct direction original meta skuid { 998 } ct mark set ct mark or 0x200000",
        "ct direction original ct mark and 0x200000 != 0 accept",
        "ct direction reply accept",
        "fib daddr type local accept",
        f"tcp dport 443 {MARKED}",
        f"tcp dport 80 {MARKED}",
    ]


def test_what_is_taken_comes_from_the_interface_or_was_marked() -> None:
    settings = replace(TPROXY, interfaces=("eth1",))

    assert rules_of(intercepting_chains(settings), "prerouting") == [
        'iifname { "eth1" } jump taken',
        'iif "lo" meta mark and 0x100000 != 0 jump taken',
    ]
