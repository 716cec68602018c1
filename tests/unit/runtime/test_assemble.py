"""From a configuration to everything that one process runs: bound, announced, and not serving yet."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest
from tests.fakes.log_lines import LogLines
from tests.fakes.transforms import FakeAllowlist
from tests.unit.runtime.assembled import EVERYTHING, HTTP_ONLY, assembled, close

from iron_proxy.certs.leaf_cache import LeafCache
from iron_proxy.config.addresses import ListenAddress, ResolverAddress
from iron_proxy.config.schema import Config, DefaultAction, DNSConfig, MetricsConfig, ProxyConfig, Transparent
from iron_proxy.errors import BadHandshake, StartupError
from iron_proxy.listeners import binding
from iron_proxy.listeners.transparent import TransparentListener
from iron_proxy.listeners.tunnel import TunnelListener
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.runtime.assemble import Assembly, NoLeaves, OwnListeners, assemble, build_pipeline
from iron_proxy.upstream.resolver import SystemResolver, UpstreamResolver

NO_PROXY = replace(HTTP_ONLY, proxy=replace(HTTP_ONLY.proxy, http_listen=None))


def port_of(sock: socket.socket | None) -> int:
    assert sock is not None
    port: int = sock.getsockname()[1]
    return port


async def test_every_listener_is_bound_and_none_serves(process_log: LogLines) -> None:
    assembly = assembled(EVERYTHING)

    assert [listener.name for listener in assembly.listeners] == ["http", "https", "tunnel"]
    assert isinstance(assembly.services.leaves, LeafCache)
    for listener in assembly.listeners:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port_of(listener.sock)))
    close(assembly)


async def test_dns_answers_on_one_port_over_udp_and_tcp(process_log: LogLines) -> None:
    assembly = assembled(EVERYTHING)

    assert assembly.dns is not None
    assert [port_of(sock) for sock in assembly.dns.datagrams] == [port_of(sock) for sock in assembly.dns.streams]
    close(assembly)


async def test_what_is_switched_off_is_not_bound(process_log: LogLines) -> None:
    assembly = assemble(HTTP_ONLY, Pipeline([]), None)

    assert [listener.name for listener in assembly.listeners] == ["http"]
    assert assembly.dns is None
    assert assembly.pages is None
    assert isinstance(assembly.services.leaves, NoLeaves)
    assert assembly.listen_texts == {
        "dns_listen": "disabled",
        "http_listen": "127.0.0.1:0",
        "https_listen": "off",
        "metrics_listen": "off",
    }
    close(assembly)


async def test_the_start_up_line_shows_addresses_as_configured(process_log: LogLines) -> None:
    assembly = assembled(EVERYTHING)

    names = ("dns", "http", "https", "metrics", "tunnel")
    assert assembly.listen_texts == {f"{name}_listen": "127.0.0.1:0" for name in names}
    close(assembly)


def listening_on(setting: str, address: ListenAddress) -> Config:
    """A configuration with this one address."""
    match setting:
        case "metrics.listen":
            return replace(NO_PROXY, metrics=MetricsConfig(listen=address))
        case "dns.listen":
            return replace(NO_PROXY, dns=DNSConfig(listen=address, proxy_ip="192.0.2.1"))
        case _:
            return replace(NO_PROXY, proxy=replace(NO_PROXY.proxy, http_listen=address))


@pytest.mark.parametrize("setting", ["proxy.http_listen", "metrics.listen", "dns.listen"])
async def test_a_port_in_use_is_told_with_its_setting(process_log: LogLines, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = ListenAddress.parse(f"127.0.0.1:{port_of(taken)}")

        with pytest.raises(StartupError, match=f"{setting}.*in use"):
            assembled(listening_on(setting, address))


async def test_own_listeners_are_never_dialled(process_log: LogLines) -> None:
    assembly = assembled(EVERYTHING)
    is_own = assembly.services.dialer._is_own_listener

    assert assembly.dns is not None
    bound = [*(each.sock for each in assembly.listeners), assembly.pages, *assembly.dns.streams]
    assert all(is_own("127.0.0.1", port_of(sock)) for sock in bound)
    assert not is_own("127.0.0.1", 1)
    close(assembly)


# --- our own listeners ----------------------------------------------------------------------------------------------


@pytest.fixture
def everywhere() -> Iterator[socket.socket]:
    with socket.create_server(("0.0.0.0", 0)) as sock:
        yield sock


def test_a_listener_on_every_address_is_reached_at_each_of_this_machines(everywhere: socket.socket) -> None:
    own = OwnListeners()
    own.add([everywhere])

    assert own.includes("127.0.0.1", port_of(everywhere))
    assert own.includes("127.8.8.8", port_of(everywhere))
    assert not own.includes("192.0.2.1", port_of(everywhere))
    assert not own.includes("127.0.0.1", port_of(everywhere) ^ 1)


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::"])
def test_a_listener_on_one_address_is_known_by_every_spelling_of_it(address: str) -> None:
    own = OwnListeners()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        own.add([sock])

        assert own.includes(address, port_of(sock))
        assert not own.includes("127.0.0.2", port_of(sock))


# --- policy ---------------------------------------------------------------------------------------------------------


async def test_a_proxy_that_denies_everything_says_so(process_log: LogLines) -> None:
    close(assembled(HTTP_ONLY))

    line = process_log.said("no allowlist transform is configured: every request will be denied")
    assert line["level"] == "WARN"
    assert line["remedy"]


async def test_with_an_allowlist_there_is_no_such_warning(process_log: LogLines) -> None:
    close(assembled(HTTP_ONLY, Pipeline([FakeAllowlist("ok.test")])))

    assert process_log.messages == ["upstream deny list active"]


async def test_an_empty_deny_list_is_warned_about(process_log: LogLines) -> None:
    close(assembled(replace(HTTP_ONLY, proxy=replace(HTTP_ONLY.proxy, upstream_deny_cidrs=()))))

    assert any(message.startswith("upstream deny list is empty") for message in process_log.messages)


async def test_the_deny_list_is_shown(process_log: LogLines) -> None:
    networks = (ip_network("10.0.0.0/8"),)
    close(assembled(replace(HTTP_ONLY, proxy=replace(HTTP_ONLY.proxy, upstream_deny_cidrs=networks))))

    assert process_log.said("upstream deny list active")["cidrs"] == ["10.0.0.0/8"]


@pytest.mark.parametrize("action", ["deny", "allow"])
def test_the_default_action_is_the_pipelines(action: DefaultAction) -> None:
    config = Config(proxy=ProxyConfig(default_action=action))

    assert build_pipeline(config, {}).denies_everything is (action == "deny")


# --- names ----------------------------------------------------------------------------------------------------------


async def test_without_a_resolver_the_systems_is_asked(process_log: LogLines) -> None:
    assembly = assembled(HTTP_ONLY)

    assert isinstance(assembly.services.dialer._resolver, SystemResolver)
    close(assembly)


async def test_a_configured_resolver_is_asked_and_shown(process_log: LogLines) -> None:
    dns = DNSConfig(enabled=False, upstream_resolver=ResolverAddress("192.0.2.53", 53))
    assembly = assembled(replace(HTTP_ONLY, dns=dns))

    assert isinstance(assembly.services.dialer._resolver, UpstreamResolver)
    assert process_log.said("using upstream resolver")["addr"] == "192.0.2.53:53"
    close(assembly)


# --- TLS ------------------------------------------------------------------------------------------------------------


async def test_without_a_ca_no_tls_is_terminated() -> None:
    leaves = NoLeaves()

    assert leaves.cached("ok.test") is None
    with pytest.raises(BadHandshake, match="no CA is configured"):
        await leaves.context_for("ok.test", False, True)


# --- intercepted connections ----------------------------------------------------------------------------------------


def intercepting(transparent: Transparent) -> Config:
    return replace(EVERYTHING, proxy=replace(EVERYTHING.proxy, transparent=transparent))


def services_by_name(assembly: Assembly) -> dict[str, type]:
    return {listener.name: type(listener._serve.__self__) for listener in assembly.listeners}  # type: ignore[attr-defined]  # a method's


async def test_redirected_connections_are_served_on_the_web_ports_only(process_log: LogLines) -> None:
    assembly = assembled(intercepting("redirect"))

    assert services_by_name(assembly) == {
        "http": TransparentListener, "https": TransparentListener, "tunnel": TunnelListener,
    }  # fmt: skip
    assert assembly.services.dialer._recent_dials is not None
    close(assembly)


async def test_where_nothing_is_intercepted_nothing_is_added(process_log: LogLines) -> None:
    assembly = assembled(EVERYTHING)

    assert TransparentListener not in services_by_name(assembly).values()
    assert assembly.services.dialer._recent_dials is None
    close(assembly)


async def test_tproxy_makes_the_sockets_of_the_web_ports_transparent(
    process_log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(binding, "_make_transparent", lambda sock: made.append(port_of(sock)))

    assembly = assembled(intercepting("tproxy"))

    assert made == [port_of(listener.sock) for listener in assembly.listeners if listener.name != "tunnel"]
    close(assembly)


async def test_elsewhere_than_on_linux_a_redirection_is_not_ignored(
    process_log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iron_proxy.runtime.assemble.sys.platform", "darwin")

    with pytest.raises(StartupError, match=r"proxy\.transparent: redirect needs Linux"):
        assembled(intercepting("redirect"))
