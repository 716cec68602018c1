"""The rules of `iron-proxy nft`, loaded for real: who gets out, by which protocol, and who does not."""

from collections.abc import Iterator

import pytest
import trustme
from tests.fakes.routed_network import (
    ADDRESS_4,
    ADDRESS_6,
    CLIENT_4,
    NAMED_4,
    NAMED_6,
    TO_CLIENTS,
    WORKLOAD_UID,
    RoutedNetwork,
    why_not,
)

WHY_NOT = why_not()
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.root,
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "it can"),
]

CONNECT = """
import socket, sys
for destination in sys.argv[1:]:
    host, _, port = destination.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
        print("connected")
    except OSError as error:
        print("timeout" if isinstance(error, TimeoutError) else "refused")
"""
SEND = """
import socket, sys
for destination in sys.argv[1:]:
    host, _, port = destination.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(b"x", (host, int(port)))
        except OSError:
            pass
"""
PING = """
import socket, sys
for host in sys.argv[1:]:
    family, protocol, kind = (socket.AF_INET6, 58, 128) if ":" in host else (socket.AF_INET, 1, 8)
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as sock:
        try:
            sock.sendto(bytes([kind, 0, 0, 0, 0, 0, 0, 0]), (host, 0))
        except OSError:
            pass
"""
ELSEWHERE = [f"{host}:{port}" for host in (NAMED_4, NAMED_6) for port in (80, 443, 22, 53)]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutedNetwork]:
    certificate = tmp_path_factory.mktemp("origin") / "origin.pem"
    trustme.CA().issue_cert(ADDRESS_4).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with RoutedNetwork() as network:
        assert network.start(network.internet, "origin", str(certificate)) == "ready"
        for namespace in (network.client, network.router):
            pings = "echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range"
            network.run(namespace, "sh", "-c", pings, check=True)
        yield network


@pytest.fixture(autouse=True)
def without_rules(network: RoutedNetwork) -> Iterator[None]:
    yield
    network.unload(network.client)
    network.unload(network.router)


def outcomes(network: RoutedNetwork, namespace: str, *destinations: str, uid: int | None = None) -> list[str]:
    return network.python(namespace, CONNECT, *destinations, uid=uid).stdout.split()


def try_everything(network: RoutedNetwork, namespace: str, uid: int | None) -> None:
    """TCP, UDP and ICMP, over IPv4 and IPv6."""
    assert set(outcomes(network, namespace, *ELSEWHERE, uid=uid)) == {"refused"}
    for program, arguments in ((SEND, [*ELSEWHERE, f"{ADDRESS_4}:443"]), (PING, [NAMED_4, NAMED_6, ADDRESS_4])):
        done = network.python(namespace, program, *arguments, uid=uid)
        assert done.returncode == 0, done.stderr


def test_without_rules_everything_gets_out(network: RoutedNetwork) -> None:
    before = network.seen()

    assert outcomes(network, network.client, f"{NAMED_4}:80", f"{NAMED_6}:443") == ["connected", "connected"]
    network.python(network.client, SEND, f"{NAMED_4}:443", uid=WORKLOAD_UID)
    network.python(network.router, PING, NAMED_4, NAMED_6, uid=WORKLOAD_UID)

    after = network.seen()
    assert all(after[protocol] > before[protocol] for protocol in ("tcp", "udp", "icmp")), (before, after)


# --- in the workload's own namespace --------------------------------------------------------------------------------

IN_WORKLOAD = ("-proxy-ip", ADDRESS_4, "-proxy-ip6", ADDRESS_6, "-dns-port", "8443")


@pytest.mark.parametrize("uid", [None, WORKLOAD_UID], ids=["root", "a user"])
def test_a_workload_reaches_the_proxy_and_nothing_else(network: RoutedNetwork, uid: int | None) -> None:
    network.load(network.client, *IN_WORKLOAD)

    ports = (80, 443, 8080, 8443)
    to_proxy = [f"{host}:{port}" for host in (ADDRESS_4, ADDRESS_6) for port in ports]
    assert outcomes(network, network.client, *to_proxy, uid=uid) == ["connected"] * 8
    with network.nothing_leaves():
        assert outcomes(network, network.client, f"{ADDRESS_4}:22", f"{ADDRESS_6}:22", uid=uid) == ["refused"] * 2
        try_everything(network, network.client, uid)


def test_without_an_ipv6_address_of_the_proxy_ipv6_leads_nowhere(network: RoutedNetwork) -> None:
    network.load(network.client, "-proxy-ip", ADDRESS_4)

    with network.nothing_leaves():
        assert outcomes(network, network.client, f"{ADDRESS_6}:80", f"{ADDRESS_6}:443") == ["refused"] * 2


def test_nobody_connects_to_a_workload_from_outside(network: RoutedNetwork) -> None:
    network.load(network.client, *IN_WORKLOAD)

    assert outcomes(network, network.router, f"{CLIENT_4}:22") == ["timeout"]


# --- on a machine that workloads share with the proxy ---------------------------------------------------------------

BESIDE = ("-proxy-ip", ADDRESS_4, "-uid", "0")


def test_the_proxys_user_gets_out_and_another_does_not(network: RoutedNetwork) -> None:
    network.load(network.router, *BESIDE)

    assert outcomes(network, network.router, f"{NAMED_4}:80", f"{NAMED_6}:22") == ["connected"] * 2
    with network.nothing_leaves():
        try_everything(network, network.router, WORKLOAD_UID)
    assert outcomes(network, network.router, f"{ADDRESS_4}:80", f"{ADDRESS_4}:22", uid=WORKLOAD_UID) == [
        "connected", "refused",
    ]  # fmt: skip


def test_what_the_proxy_sends_when_its_socket_is_closed_still_gets_out(network: RoutedNetwork) -> None:
    network.load(network.router, *BESIDE)

    done = network.run(network.router, "curl", "-sS", "-T", "/proc/self/exe", f"http://{NAMED_4}/up")
    closing = network.python(network.router, CLOSING_UPLOAD, NAMED_4)

    assert done.stdout.startswith(f"origin {NAMED_4}:80"), done.stderr
    assert closing.stdout == "0\n", closing


# Closes with half a megabyte unsent, and sees the kernel send all of it: nothing is left in FIN-WAIT-1.
CLOSING_UPLOAD = """
import socket, sys, time
sock = socket.create_connection((sys.argv[1], 80), 5)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
port = sock.getsockname()[1]
sock.sendall(b"PUT /x HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 500000\\r\\n\\r\\n" + b"x" * 500000)
sock.close()
def waiting():
    lines = [line.split() for line in open("/proc/net/tcp").read().splitlines()[1:]]
    return sum(line[1].endswith(":%04X" % port) and line[3] == "04" for line in lines)
deadline = time.monotonic() + 5
while waiting() and time.monotonic() < deadline:
    pass
print(waiting())
"""


def test_a_connection_that_a_workload_had_before_the_rules_is_cut(network: RoutedNetwork) -> None:
    program = """
import socket, struct, sys
sock = socket.create_connection((sys.argv[1], 80), 5)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))    # nothing is sent again afterwards
print("connected", flush=True)
sys.stdin.readline()
sock.settimeout(1)
try:
    sock.sendall(b"GET /x HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    print(sock.recv(100))
except OSError as error:
    print("nothing")
"""
    tracking = "table inet tracking {\nchain seen {\ntype filter hook output priority 0\nct state new accept\n}\n}\n"
    network.run(network.router, "nft", "-f", "-", text=tracking, check=True)
    started = network.popen(network.router, program, NAMED_4, uid=WORKLOAD_UID)
    assert started.stdout is not None
    assert started.stdout.readline() == "connected\n"
    network.load(network.router, *BESIDE)
    network.run(network.router, "nft", "delete table inet tracking", check=True)

    with network.nothing_leaves():
        rest, _ = started.communicate("go\n", timeout=10)

    assert rest == "nothing\n"


@pytest.mark.parametrize(("uid", "outcome"), [(None, "connected"), (WORKLOAD_UID, "timeout")], ids=["root", "a user"])
def test_services_of_root_answer_from_outside_and_those_of_a_workload_do_not(
    network: RoutedNetwork, uid: int | None, outcome: str
) -> None:
    serve = """
import socket
with socket.create_server(("0.0.0.0", 0)) as server:
    print(server.getsockname()[1], flush=True)
    server.accept()
"""
    network.load(network.router, *BESIDE)
    server = network.popen(network.router, serve, uid=uid)
    assert server.stdout is not None
    port = server.stdout.readline().strip()

    assert outcomes(network, network.internet, f"10.77.2.1:{port}") == [outcome]


def test_loopback_is_nobodys_business(network: RoutedNetwork) -> None:
    network.load(network.router, *BESIDE)

    assert network.python(network.router, LOOPBACK, uid=WORKLOAD_UID).stdout == "b'x'\n"


LOOPBACK = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    client = socket.create_connection(server.getsockname())
    server.accept()[0].sendall(b"x")
    print(client.recv(1))
"""


# --- on a router ----------------------------------------------------------------------------------------------------

# The router's own addresses stand for the proxy.
BEHIND = ("-proxy-ip", "10.77.1.1", "-proxy-ip6", "fd77:1::1", "-interface", TO_CLIENTS)


def test_what_comes_from_behind_the_interface_reaches_the_proxy_and_nothing_else(network: RoutedNetwork) -> None:
    serve = """
import socket
servers = [socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) for port in (80, 2222)]
print("ready", flush=True)
while True:
    servers[0].accept()
"""
    network.load(network.router, *BEHIND)
    server = network.popen(network.router, serve)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"

    to_router = ["10.77.1.1:80", "fd77:1::1:80", "10.77.1.1:2222", "10.77.2.1:80"]
    assert outcomes(network, network.client, *to_router) == ["connected", "connected", "refused", "refused"]
    with network.nothing_leaves():
        try_everything(network, network.client, None)
    assert outcomes(network, network.router, f"{NAMED_4}:80", uid=WORKLOAD_UID) == ["connected"]


# --- loading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [IN_WORKLOAD, BESIDE, BEHIND], ids=["workload", "users", "interface"])
def test_loading_twice_is_the_same_as_once(network: RoutedNetwork, flags: tuple[str, ...]) -> None:
    network.load(network.router, *flags)
    once = network.run(network.router, "nft", "-s", "list", "ruleset", check=True).stdout

    network.load(network.router, *flags)

    assert network.run(network.router, "nft", "-s", "list", "ruleset", check=True).stdout == once
    assert once.count("table ") == 1
