"""Which filter chains there are where, and the rules in them whose place or absence matters."""

from dataclasses import replace

import pytest
from tests.unit.nftables.rulesets import ROUTER, USERS, WORKLOAD, names_of, rules_of

from iron_proxy.nftables.enforcement import chain, enforcing_chains, interface_names, numbers
from iron_proxy.nftables.settings import Settings

TO_PROXY = [
    "ip daddr 192.0.2.1 udp dport 53 accept",
    "ip daddr 192.0.2.1 tcp dport { 53, 80, 443, 8080 } accept",
    "ip6 daddr 2001:db8::1 udp dport 53 accept",
    "ip6 daddr 2001:db8::1 tcp dport { 53, 80, 443, 8080 } accept",
]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (WORKLOAD, ["output", "input", "forward"]),
        (USERS, ["output"]),
        (ROUTER, ["input", "forward"]),
        (replace(ROUTER, uids=(0,)), ["output", "input", "forward"]),
        (replace(USERS, mode="redirect"), ["output"]),
        (replace(USERS, mode="tproxy"), ["output", "postrouting"]),
    ],
)
def test_each_place_has_its_chains(settings: Settings, names: list[str]) -> None:
    assert names_of(enforcing_chains(settings)) == names


@pytest.mark.parametrize("settings", [WORKLOAD, USERS])
def test_what_is_sent_is_dropped_unless_a_rule_accepts_it(settings: Settings) -> None:
    assert "hook output priority filter; policy drop;" in enforcing_chains(settings)[0]


@pytest.mark.parametrize("settings", [WORKLOAD, USERS, ROUTER])
def test_the_proxys_ports_are_reached_in_both_families_and_quic_is_refused_before_them(settings: Settings) -> None:
    name = "input" if settings is ROUTER else "output"

    rules = rules_of(enforcing_chains(settings), name)

    assert [rule for rule in rules if "daddr" in rule] == TO_PROXY
    [quic] = [rule for rule in rules if "udp dport 443" in rule]
    assert rules.index(quic) < rules.index(TO_PROXY[0])
    assert rules[-1] == "counter reject with icmpx admin-prohibited"


def test_a_listener_that_is_off_is_left_out() -> None:
    rules = rules_of(enforcing_chains(replace(WORKLOAD, proxy_ip6=None, dns_port=0, tunnel_port=0)), "output")

    assert [rule for rule in rules if "daddr" in rule] == ["ip daddr 192.0.2.1 tcp dport { 80, 443 } accept"]


def test_a_workload_is_not_admitted_by_the_state_of_a_connection() -> None:
    assert not [rule for rule in rules_of(enforcing_chains(WORKLOAD), "output") if "ct state" in rule]


def test_users_that_may_go_out_are_remembered_in_the_direction_of_their_connections_only() -> None:
    rules = rules_of(enforcing_chains(replace(USERS, uids=(998, 5))), "output")

    assert "ct direction original meta skuid { 5, 998 } ct mark set ct mark or 0x200000 accept" in rules
    assert "ct direction reply meta skuid { 0, 5, 998 } ct mark set ct mark or 0x400000 accept" in rules
    assert [rule for rule in rules if "ct state" in rule and "ct mark and" not in rule] == []


@pytest.mark.parametrize(
    ("settings", "rules"),
    [
        (USERS, []),
        (replace(USERS, mode="redirect"), ["fib daddr type local accept"]),
        (replace(USERS, mode="tproxy"), ["meta mark and 0x100000 != 0 accept", "fib daddr type local accept"]),
    ],
)
def test_what_is_on_its_way_to_the_proxy_passes(settings: Settings, rules: list[str]) -> None:
    found = rules_of(enforcing_chains(settings), "output")

    assert [rule for rule in found if "fib" in rule or "meta mark" in rule] == rules


@pytest.mark.parametrize(
    ("settings", "rules"),
    [
        (ROUTER, []),
        (
            replace(ROUTER, mode="redirect"),
            ["ct status dnat udp dport 53 accept", "ct status dnat tcp dport { 53, 80, 443 } accept"],
        ),
        (replace(ROUTER, mode="redirect", dns_port=0), ["ct status dnat tcp dport { 80, 443 } accept"]),
        (
            replace(ROUTER, mode="tproxy"),
            [
                "ct status dnat udp dport 53 accept",
                "ct status dnat tcp dport { 53 } accept",
                "meta mark and 0x100000 != 0 accept",
            ],
        ),
        (replace(ROUTER, mode="tproxy", dns_port=0), ["meta mark and 0x100000 != 0 accept"]),
    ],
)
def test_what_was_brought_to_the_router_passes(settings: Settings, rules: list[str]) -> None:
    found = rules_of(enforcing_chains(settings), "input")

    assert [rule for rule in found if "dnat" in rule or "meta mark" in rule] == rules


def test_a_router_passes_nothing_on_and_leaves_other_interfaces_alone() -> None:
    rules = rules_of(enforcing_chains(ROUTER), "forward")

    assert rules[0] == 'iifname != { "docker0", "br-*" } accept'
    assert [rule for rule in rules[1:] if rule.endswith("accept")] == []


def test_a_marked_packet_never_leaves() -> None:
    for settings in (USERS, ROUTER):
        rules = rules_of(enforcing_chains(replace(settings, mode="tproxy")), "postrouting")

        assert rules == ['meta mark and 0x100000 != 0 oif != "lo" counter drop']


def test_sets_are_sorted_and_names_quoted() -> None:
    assert numbers([443, 80, 443]) == "{ 80, 443 }"
    assert interface_names(ROUTER) == '{ "docker0", "br-*" }'


def test_a_chain_without_a_hook_is_one_to_jump_to() -> None:
    assert chain("taken", "", ["accept"]) == "    chain taken {\n        accept\n    }"
