from dataclasses import replace

from tests.unit.nftables.rulesets import WORKLOAD

from iron_proxy.nftables.policy_routing import commands_down, commands_up, families

RULE = "priority 10510 fwmark 0x100000/0x100000 lookup 1051"
ROUTE = "local default dev lo table 1051"


def test_each_family_of_the_proxy_has_its_route_before_its_rule() -> None:
    assert [" ".join(command) for command in commands_up(["-4", "-6"])] == [
        f"ip -4 route replace {ROUTE}",
        f"ip -4 rule add {RULE}",
        f"ip -6 route replace {ROUTE}",
        f"ip -6 rule add {RULE}",
    ]


def test_both_families_are_taken_away_whichever_there_was() -> None:
    assert [" ".join(command) for command in commands_down()] == [
        f"ip -4 rule del {RULE}",
        f"ip -4 route del {ROUTE}",
        f"ip -6 rule del {RULE}",
        f"ip -6 route del {ROUTE}",
    ]


def test_a_family_is_one_that_the_proxy_has_an_address_in() -> None:
    assert families(WORKLOAD) == ["-4", "-6"]
    assert families(replace(WORKLOAD, proxy_ip6=None)) == ["-4"]
    assert families(replace(WORKLOAD, proxy_ip=None)) == ["-6"]
