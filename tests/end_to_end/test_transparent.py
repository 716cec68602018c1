"""Connections that the kernel takes to the proxy, by TPROXY and by REDIRECT: real packets between real namespaces."""

from collections.abc import Iterator

import pytest
from tests.end_to_end.transparent_world import FLAGS, World, load_rules, running_world
from tests.fakes.internet import Internet
from tests.fakes.routed_network import ADDRESS_4, ADDRESS_6, NAMED_4, NAMED_6, ROUTER_4, why_not
from tests.fakes.running_proxy import ProxyCA

WHY_NOT = why_not()
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.root,
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "it can"),
]
FORBIDDEN_4, FORBIDDEN_6 = "203.0.113.99", "2001:db8:9::99"
ADDRESSES = pytest.mark.parametrize("address", [ADDRESS_4, f"[{ADDRESS_6}]"], ids=["IPv4", "IPv6"])
BOTH_PLACES = pytest.mark.parametrize("where", ["behind", "beside"])


@pytest.fixture(scope="module", params=["tproxy", "redirect"])
def world(
    request: pytest.FixtureRequest, internet: Internet, proxy_ca: ProxyCA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with running_world(internet, proxy_ca, tmp_path_factory.mktemp("world"), request.param) as world:
        yield world


# --- addresses ------------------------------------------------------------------------------------------------------


@BOTH_PLACES
@ADDRESSES
@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443), ("http", 8080), ("https", 8443)])
def test_a_hard_coded_address_that_is_allowed_is_served(
    world: World, where: str, address: str, scheme: str, port: int
) -> None:
    since = world.mark()

    done = world.curl(where, f"{scheme}://{address}:{port}/x")

    assert (done.stdout, done.stderr) == (f"origin {address.strip('[]')}:{port} /x", "")
    record = world.record(since)
    assert record["original_destination"] == f"{address}:{port}"
    assert record["action"] == "allow"
    assert record["request_transforms"][0]["name"] == "allowlist"


@BOTH_PLACES
@pytest.mark.parametrize("address", [FORBIDDEN_4, f"[{FORBIDDEN_6}]"], ids=["IPv4", "IPv6"])
def test_a_hard_coded_address_that_is_not_allowed_gets_403_and_no_packet(
    world: World, where: str, address: str
) -> None:
    since = world.mark()

    with world.network.nothing_leaves():
        done = world.curl(where, "-o", "/dev/null", "-w", "%{http_code}", f"http://{address}/")

    assert done.stdout == "403"
    record = world.record(since)
    assert (record["host"], record["action"], record["rejected_by"]) == (address, "reject", "allowlist")
    assert record["original_destination"] == f"{address}:80"


@BOTH_PLACES
def test_tls_without_a_name_to_an_address_that_is_not_allowed_is_refused_with_a_record(
    world: World, where: str
) -> None:
    since = world.mark()

    with world.network.nothing_leaves():
        done = world.curl(where, f"https://{FORBIDDEN_4}/")

    assert done.returncode == 35
    event = world.event(since, "handshake")
    assert event["reason"].endswith("the address it connected to is not allowed")
    assert event["original_destination"] == f"{FORBIDDEN_4}:443"


def test_a_client_of_http_1_0_need_not_name_the_host(world: World) -> None:
    since = world.mark()

    done = world.curl("behind", "--http1.0", "-H", "Host:", f"http://{ADDRESS_4}/old")

    assert done.stdout == f"origin {ADDRESS_4}:80 /old"
    assert world.record(since)["host"] == ADDRESS_4


# --- names ----------------------------------------------------------------------------------------------------------


@BOTH_PLACES
@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443), ("https", 8443)])
def test_the_name_decides_and_the_name_is_dialled_not_the_address(
    world: World, where: str, scheme: str, port: int
) -> None:
    since = world.mark()
    before = world.network.seen()["at_address"]

    done = world.curl(
        where, "--resolve", f"named.test:{port}:{ADDRESS_4}", f"{scheme}://named.test:{port}/x"
    )

    assert (done.stdout, done.stderr) == (f"origin {NAMED_4}:{port} /x", "")
    record = world.record(since)
    assert record["host"] == ("named.test" if port in (80, 443) else f"named.test:{port}")
    assert record["original_destination"] == f"{ADDRESS_4}:{port}"
    assert world.network.seen()["at_address"] == before


@BOTH_PLACES
def test_a_connection_over_ipv6_may_be_for_a_name_that_leads_elsewhere(world: World, where: str) -> None:
    done = world.curl(where, "--resolve", f"named6.test:443:[{ADDRESS_6}]", "https://named6.test/x")

    assert (done.stdout, done.stderr) == (f"origin {NAMED_6}:443 /x", "")


@BOTH_PLACES
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", ["denied.test", "fronted.test"])
def test_a_name_that_is_not_allowed_gets_403_whatever_its_address(
    world: World, where: str, scheme: str, name: str
) -> None:
    since = world.mark()
    port = 443 if scheme == "https" else 80

    with world.network.nothing_leaves():
        done = world.curl(
            where, "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"{name}:{port}:{ADDRESS_4}",
            f"{scheme}://{name}/",
        )  # fmt: skip

    assert done.stdout == "403", done.stderr
    record = world.record(since)
    assert (record["host"], record["action"]) == (name, "reject")
    assert record["original_destination"] == f"{ADDRESS_4}:{port}"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (ADDRESS_4, f"http://{FORBIDDEN_4}/"),
        (FORBIDDEN_4, f"http://{ADDRESS_4}/"),
        ("named.test:8443", f"http://{ADDRESS_4}/"),
        (f"{ADDRESS_4}:80", f"http://{ADDRESS_4}:8080/"),
    ],
    ids=["an allowed address", "a forbidden one", "another port", "the usual port"],
)
def test_a_host_field_for_another_address_or_port_than_was_connected_to_is_refused(
    world: World, host: str, url: str
) -> None:
    with world.network.nothing_leaves():
        done = world.curl("behind", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {host}", url)

    assert done.stdout == "421"


def test_over_tls_an_address_without_a_name_is_no_way_to_another_host(world: World) -> None:
    with world.network.nothing_leaves():
        done = world.curl(
            "behind", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: named.test", f"https://{ADDRESS_4}/"
        )

    assert done.stdout == "400"


# --- what is no HTTP ------------------------------------------------------------------------------------------------

SPEAK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as connection:
    connection.sendall(bytes.fromhex(sys.argv[3]))
    try:
        print(connection.recv(100))
    except ConnectionResetError:
        print("reset")
"""


@BOTH_PLACES
@pytest.mark.parametrize("port", ["22", "443"])
def test_another_protocol_is_refused_with_a_record_on_any_port(world: World, where: str, port: str) -> None:
    since = world.mark()

    with world.network.nothing_leaves():
        done = world.python(where, SPEAK, ADDRESS_4, port, b"\x00\x01binary".hex())

    assert done.stdout == "reset\n", done.stderr
    event = world.event(since, "connection")
    assert event["reason"] == "unsupported protocol (first byte 0x00)"
    assert (event["action"], event["original_destination"]) == ("reject", f"{ADDRESS_4}:{port}")


def test_ssh_gets_no_further_than_the_proxy(world: World) -> None:
    since = world.mark()

    with world.network.nothing_leaves():
        done = world.python("behind", SPEAK, ADDRESS_4, "22", b"SSH-2.0-client\r\n".hex())

    assert done.stdout == "reset\n", done.stderr
    event = world.event(since, "connection")
    assert event["reason"] == "unsupported protocol (the first line is no HTTP request)"
    assert event["original_destination"] == f"{ADDRESS_4}:22"


def test_who_connects_and_says_nothing_leaves_a_record(world: World) -> None:
    since = world.mark()

    with world.network.nothing_leaves():
        world.python("behind", "import socket, sys; socket.create_connection((sys.argv[1], 22), 10).close()", ADDRESS_4)

    assert world.event(since, "connection")["reason"] == "the client closed the connection before it sent anything"


# --- straight to the proxy ------------------------------------------------------------------------------------------


@BOTH_PLACES
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_to_the_proxy_itself_is_served_as_dns_routes_it(world: World, where: str, scheme: str) -> None:
    since = world.mark()
    port = 443 if scheme == "https" else 80

    done = world.curl(where, "--resolve", f"named.test:{port}:{ROUTER_4}", f"{scheme}://named.test/x")

    assert done.stdout == f"origin {NAMED_4}:{port} /x", done.stderr
    assert "original_destination" not in world.record(since)


def test_the_proxy_is_not_reached_through_itself(world: World) -> None:
    with world.network.nothing_leaves():
        done = world.curl("behind", "-o", "/dev/null", "-w", "%{http_code}", f"http://{ROUTER_4}/")

    assert done.stdout == "403"


def test_the_tunnel_listener_is_none_of_the_kernels_business(world: World) -> None:
    since = world.mark()

    done = world.curl("behind", "--proxytunnel", "-x", f"http://{ROUTER_4}:3128", "http://named.test/x")

    assert done.stdout == f"origin {NAMED_4}:80 /x"
    assert "original_destination" not in world.record(since)


def test_what_a_client_translates_for_itself_says_nothing_about_where_it_wanted_to_go(world: World) -> None:
    """Its own NAT is the nearest thing to forging an original destination: the proxy sees what reached its kernel."""
    network, since = world.network, world.mark()
    rules = f"""
        table ip forging {{
            chain output {{
                type nat hook output priority dstnat; policy accept;
                ip daddr {ADDRESS_4} tcp dport 80 dnat to {ROUTER_4}:80
            }}
        }}
    """
    network.run(network.client, "nft", "-f", "-", text=rules, check=True)
    try:
        done = world.curl("behind", "-H", "Host: named.test", f"http://{ADDRESS_4}/x")
    finally:
        network.run(network.client, "nft", "delete table ip forging", check=True)

    assert done.stdout == f"origin {NAMED_4}:80 /x"
    assert "original_destination" not in world.record(since)


# --- loops ----------------------------------------------------------------------------------------------------------


def test_rules_that_take_the_proxys_own_connections_too_are_told_and_end_in_502(world: World) -> None:
    since = world.mark()
    without_the_proxys_user = tuple("65533" if flag == "0" else flag for flag in FLAGS)
    load_rules(world.network, world.mode, without_the_proxys_user)
    try:
        with world.network.nothing_leaves():
            done = world.curl(    # a destination to which no connection is left from another test
                "behind", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"named.test:8080:{ADDRESS_4}",
                "http://named.test:8080/",
            )  # fmt: skip
    finally:
        load_rules(world.network, world.mode)

    assert done.stdout == "502", done.stderr
    assert "came back to it" in world.event(since, "connection")["reason"]
    records = [line for line in world.proxy.parsed(since) if line["msg"] == "request"]
    assert len(records) == 1
