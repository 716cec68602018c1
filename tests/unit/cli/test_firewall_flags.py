"""Flags become settings, or a sentence about the flag at fault."""

import os
import pwd
import re
from ipaddress import IPv4Address, IPv6Address

import pytest

from iron_proxy.cli.firewall_flags import SHARED_FLAGS, command_line, settings_from
from iron_proxy.go_compat.flags import FlagSet
from iron_proxy.nftables.settings import Settings


def settings(*arguments: str, mode: str = "enforce") -> Settings:
    return settings_from(FlagSet("x", SHARED_FLAGS).parse(arguments), mode)


def test_the_defaults_are_the_proxys_own_ports() -> None:
    assert settings("-proxy-ip", "192.0.2.1") == Settings(proxy_ip=IPv4Address("192.0.2.1"))


def test_every_flag_has_its_place() -> None:
    made = settings(
        "-proxy-ip", "192.0.2.1", "-proxy-ip6", "2001:db8::1", "-uid", "998, 5,998", "-interface", "eth1,br0",
        "-http-port", "1", "-https-port", "2", "-dns-port", "3", "-tunnel-port", "4", "-ports", "443, 22",
        mode="tproxy",
    )  # fmt: skip

    assert made == Settings(
        "tproxy", IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1"), (998, 5), ("eth1", "br0"), 1, 2, 3, 4, (443, 22)
    )


def test_a_user_may_be_named() -> None:
    user = pwd.getpwuid(os.geteuid())

    assert settings("-proxy-ip", "192.0.2.1", "-uid", user.pw_name).uids == (user.pw_uid,)


@pytest.mark.parametrize(("text", "captured"), [("all", None), (" all ", None), ("", (80, 443)), ("22", (22,))])
def test_ports_are_a_list_or_all(text: str, captured: tuple[int, ...] | None) -> None:
    made = settings("-proxy-ip", "192.0.2.1", "-uid", "1", "-ports", text, mode="redirect")

    assert made.captured == captured


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-proxy-ip", "proxy.test"], '-proxy-ip: "proxy.test" is not an IPv4 address'),
        (["-proxy-ip", "::1"], '-proxy-ip: "::1" is not an IPv4 address'),
        (["-proxy-ip6", "1.2.3.4"], '-proxy-ip6: "1.2.3.4" is not an IPv6 address'),
        (["-proxy-ip", "1.2.3.4", "-uid", "no-such-user"], '-uid: this machine has no user "no-such-user"'),
        (["-proxy-ip", "1.2.3.4", "-uid", "4294967295"], "-uid: 4294967295 is too large"),
        (["-proxy-ip", "1.2.3.4", "-uid", "1", "-ports", "x"], '-ports: "x" is not a list of ports'),
        (["-proxy-ip", "1.2.3.4", "-uid", "1", "-ports", "80-90"], '-ports: "80-90" is not a list of ports'),
        (["-proxy-ip", "1.2.3.4", "-uid", "1", "-ports", "0"], '-ports: "0" is not a list of ports'),
        (["-proxy-ip", "1.2.3.4", "-uid", "1", "-ports", "99999"], "99999 is not a port"),
        (["-proxy-ip", "1.2.3.4", "-interface", "a b"], '"a b" is not the name of a network interface'),
        ([], "the proxy's address is missing"),
    ],
)
def test_what_cannot_be_used_is_told(arguments: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        settings(*arguments, mode="redirect")


def test_ports_to_take_mean_nothing_where_none_are_taken() -> None:
    with pytest.raises(ValueError, match="-ports is for -mode redirect and tproxy"):
        settings("-proxy-ip", "192.0.2.1", "-ports", "80")


def test_a_mode_is_one_of_three() -> None:
    with pytest.raises(ValueError, match='-mode is enforce, redirect or tproxy; got "drop"'):
        settings("-proxy-ip", "192.0.2.1", mode="drop")


def test_a_command_line_stays_on_its_line() -> None:
    assert command_line(["nft", "-uid", "a b"]) == "iron-proxy nft -uid 'a b'"
    assert "\n" not in command_line(["nft", "-uid", "a\nflush ruleset"])
