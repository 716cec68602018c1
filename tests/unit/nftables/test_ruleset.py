"""One table, replaced as a whole, with a head that says what it is for."""

from dataclasses import replace

import pytest
from tests.unit.nftables.rulesets import ROUTER, USERS, WORKLOAD

from iron_proxy.nftables.ruleset import REMOVAL, ruleset
from iron_proxy.nftables.settings import Settings

ALL = [
    WORKLOAD, USERS, ROUTER, replace(USERS, mode="redirect"), replace(USERS, mode="tproxy"),
    replace(ROUTER, uids=(0,), mode="tproxy"),
]  # fmt: skip


@pytest.mark.parametrize("settings", ALL)
def test_it_is_one_table_that_replaces_the_one_before(settings: Settings) -> None:
    text = ruleset(settings, "iron-proxy nft")

    assert text.startswith("#!/usr/sbin/nft -f\n# Made by: iron-proxy nft\n# ")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#") and line)
    assert code.startswith(f"{REMOVAL}table inet iron_proxy {{\n    chain ")
    assert text.endswith("    }\n}\n")
    assert code.count("table inet iron_proxy {") == 1
    assert code.count("{") == code.count("}")


@pytest.mark.parametrize("settings", ALL)
def test_its_lines_fit_a_screen_where_they_are_sentences(settings: Settings) -> None:
    comments = [line for line in ruleset(settings, "x").splitlines() if line.lstrip().startswith("#")]

    assert max(map(len, comments)) <= 120


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (WORKLOAD, "In the workload's network namespace"),
        (USERS, "On the machine that workloads share with the proxy"),
        (ROUTER, "On the router of workloads"),
        (replace(ROUTER, uids=(0,)), "this machine's own users but those that are listed"),
        (replace(USERS, mode="redirect"), "proxy.transparent: redirect"),
        (replace(USERS, mode="tproxy"), "proxy.transparent: tproxy"),
    ],
)
def test_the_head_says_where_it_belongs_and_what_the_proxy_needs(settings: Settings, words: str) -> None:
    assert words in ruleset(settings, "x")
