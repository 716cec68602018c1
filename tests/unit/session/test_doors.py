from dataclasses import replace

import pytest

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Config, DNSConfig, ProxyConfig
from iron_proxy.errors import ConfigError
from iron_proxy.jail.plan import Door
from iron_proxy.session.doors import OWN_ADDRESS6, doors_for, in_session, own_addresses

USUAL = (Door("dns-udp", 53, is_udp=True), Door("dns-tcp", 53), Door("http", 80), Door("https", 443))


def test_the_usual_doors() -> None:
    assert doors_for(Config(), ()) == USUAL


def test_more_ports_are_doors_of_their_own_each_once() -> None:
    tunnel = Config(proxy=ProxyConfig(tunnel_listen=ListenAddress.parse(":8080")))

    assert doors_for(tunnel, (443, 8443, 8080, 8443)) == (*USUAL, Door("tunnel", 8080), Door("extra-8443", 8443))


def test_listeners_that_are_off_have_no_door() -> None:
    config = Config(proxy=ProxyConfig(http_listen=None, tunnel_listen=ListenAddress.parse("127.0.0.1:0")))

    assert [door.name for door in doors_for(config, ())] == ["dns-udp", "dns-tcp", "https"]


def test_too_many_ports_are_refused() -> None:
    with pytest.raises(ConfigError, match="name fewer ports"):
        doors_for(Config(), tuple(range(1000, 1300)))


def test_names_always_resolve_in_a_session_and_nobody_has_to_be_known() -> None:
    config = in_session(
        Config(dns=DNSConfig(enabled=False, listen=None), proxy=ProxyConfig(require_client=True, transparent="tproxy"))
    )

    assert config.dns.enabled
    assert own_addresses(config) == {"198.18.0.1", OWN_ADDRESS6}
    assert (config.proxy.require_client, config.proxy.transparent) == (False, "off")


def test_addresses_of_the_configuration_stay() -> None:
    four = replace(Config(), dns=DNSConfig(proxy_ip="192.0.2.1"))
    both = replace(Config(), dns=DNSConfig(proxy_ip="192.0.2.1", proxy_ip6="2001:db8::1"))

    assert own_addresses(in_session(four)) == {"192.0.2.1"}
    assert own_addresses(in_session(both)) == {"192.0.2.1", "2001:db8::1"}
