"""What the rules around a transparent proxy leave of every other way out: nothing, also where sockets close."""

from collections.abc import Iterator

import pytest
from tests.end_to_end.transparent_world import World, running_world
from tests.fakes.internet import Internet
from tests.fakes.routed_network import ADDRESS_4, ADDRESS_6, ROUTER_4, why_not
from tests.fakes.running_proxy import ProxyCA

WHY_NOT = why_not()
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.root,
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "it can"),
]
BOTH_PLACES = pytest.mark.parametrize("where", ["behind", "beside"])
BOTH_FAMILIES = pytest.mark.parametrize("address", [ADDRESS_4, ADDRESS_6], ids=["IPv4", "IPv6"])


@pytest.fixture(scope="module", params=["tproxy", "redirect"])
def world(
    request: pytest.FixtureRequest, internet: Internet, proxy_ca: ProxyCA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with running_world(internet, proxy_ca, tmp_path_factory.mktemp("world"), request.param) as world:
        yield world


DATAGRAM = """
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as sock:
    sock.settimeout(3)
    sock.connect((address, port))
    try:
        for _ in range(3):
            sock.send(b"x" * 100)
        print(sock.recv(100))
    except OSError as error:
        print(type(error).__name__)
"""


@BOTH_PLACES
@BOTH_FAMILIES
@pytest.mark.parametrize("port", ["443", "123", "80"], ids=["QUIC", "NTP", "a web port"])
def test_datagrams_are_refused_at_once(world: World, where: str, address: str, port: str) -> None:
    with world.network.nothing_leaves():
        done = world.python(where, DATAGRAM, address, port)

    # An administrative refusal over UDP; a program may see it as one of these.
    assert done.stdout.strip() in ("OSError", "PermissionError", "ConnectionRefusedError"), done


STREAM = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()
    print("connected")
except TimeoutError:
    print("timeout")
except OSError:
    print("refused")
"""


@BOTH_PLACES
@BOTH_FAMILIES
@pytest.mark.parametrize("port", ["25", "853"])
def test_a_port_that_is_not_taken_to_the_proxy_leads_nowhere(
    world: World, where: str, address: str, port: str
) -> None:
    with world.network.nothing_leaves():
        done = world.python(where, STREAM, address, port)

    assert done.stdout == "refused\n", done


PING = """
import socket, sys
address = sys.argv[1]
family, protocol = (socket.AF_INET6, 58) if ":" in address else (socket.AF_INET, 1)
kind = socket.SOCK_RAW if len(sys.argv) > 2 else socket.SOCK_DGRAM
with socket.socket(family, kind, protocol) as sock:
    sock.settimeout(1)
    try:
        sock.sendto(bytes([128 if protocol == 58 else 8, 0, 247, 255, 0, 0, 0, 0]), (address, 0))
        print(sock.recv(100))
    except OSError as error:
        print(type(error).__name__)
"""


@BOTH_FAMILIES
def test_pings_do_not_leave(world: World, address: str) -> None:
    with world.network.nothing_leaves():
        done = world.python("behind", PING, address, "raw")
        ping_group = "echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range"
        world.network.run(world.network.router, "sh", "-c", ping_group, check=True)
        world.python("beside", PING, address)

    assert done.returncode == 0, done


def test_dns_for_any_server_is_answered_by_the_proxy(world: World) -> None:
    for where in ("behind", "beside"):
        with world.network.nothing_leaves():
            done = world.python(where, QUESTION, "198.51.100.53")

        assert ROUTER_4 in done.stdout, done


QUESTION = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(5)
    sock.connect((sys.argv[1], 53))
    sock.send(bytes.fromhex("123401000001000000000000") + b"\\x05named\\x04test\\x00\\x00\\x01\\x00\\x01")
    print(socket.inet_ntoa(sock.recv(512)[-4:]))
"""


# --- what is sent when a socket is closed ---------------------------------------------------------------------------

# A socket that is closed with data unsent belongs to no user any more while the kernel goes on sending.
CLOSING = """
import socket, sys
with socket.create_connection((sys.argv[1], 80), 5) as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    sock.sendall(b"PUT /x HTTP/1.1\\r\\nHost: denied.test\\r\\nContent-Length: 4000000\\r\\n\\r\\n" + b"x" * 1000000)
"""


@BOTH_PLACES
@BOTH_FAMILIES
def test_nothing_of_a_connection_leaks_when_its_client_closes_it_half_way(
    world: World, where: str, address: str
) -> None:
    since = world.mark()

    with world.network.nothing_leaves():
        world.python(where, CLOSING, address)
        world.record(since)


@BOTH_PLACES
def test_large_transfers_are_whole_and_all_of_them_go_through_the_proxy(world: World, where: str) -> None:
    before = world.network.seen()["at_address"]
    name = ("--resolve", f"named.test:443:{ADDRESS_4}")

    down = world.curl(where, *name, "-o", "/dev/null", "-w", "%{size_download}", "https://named.test/big")
    up = world.curl(where, *name, "-T", "/proc/self/exe", "-w", " %{size_upload}", "https://named.test/up")

    assert down.stdout == "3000000", down.stderr
    assert int(up.stdout.rpartition(" ")[2]) > 100_000, up.stderr
    assert world.network.seen()["at_address"] == before


# --- what is there when something else is not -----------------------------------------------------------------------


@BOTH_PLACES
def test_without_the_policy_routes_connections_lead_nowhere(world: World, where: str) -> None:
    if world.mode != "tproxy":
        pytest.skip("only TPROXY has routes")
    network = world.network
    rule = network.run(network.router, "ip", "rule", "show", check=True).stdout
    assert "fwmark 0x100000/0x100000 lookup 1051" in rule
    change_routing_rules(world, "del")
    try:
        with network.nothing_leaves():
            done = world.python(where, STREAM, ADDRESS_4, "80")
    finally:
        change_routing_rules(world, "add")

    assert done.stdout in ("timeout\n", "refused\n"), done


def change_routing_rules(world: World, word: str) -> None:
    for family in ("-4", "-6"):
        rule = ("priority", "10510", "fwmark", "0x100000/0x100000", "lookup", "1051")
        world.network.run(world.network.router, "ip", family, "rule", word, *rule, check=True)


@BOTH_PLACES
def test_without_a_proxy_connections_lead_nowhere(world: World, where: str) -> None:
    world.proxy.kill()                           # the last test of this module: nobody needs it any more

    with world.network.nothing_leaves():
        done = world.python(where, STREAM, ADDRESS_4, "80")

    assert done.stdout in ("timeout\n", "refused\n"), done
