import pytest
from tests.fakes.bpf_machine import OutOfBounds, packet, run_filter
from tests.fakes.ip_packets import ACK, IPV4, IPV6, RESET, SYN, icmp, ip, tcp, udp
from tests.fakes.namespaces import run_in_namespaces

from iron_proxy.jail.refusal_filter import SNAPPED_BYTES, refusal_filter


def takes(content: bytes, *, protocol: int, outgoing: bool = False) -> bool:
    try:
        return run_filter(refusal_filter(), packet(content, protocol=protocol, outgoing=outgoing)) == SNAPPED_BYTES
    except OutOfBounds:
        return False


FOUR, SIX = ("1.2.3.4", "1.2.3.4"), ("2001:db8::1", "::1")
PAIRS = [(FOUR, IPV4), (SIX, IPV6)]


@pytest.mark.parametrize(("addresses", "protocol"), PAIRS)
@pytest.mark.parametrize(
    ("flags", "sequence", "taken"),
    [
        (RESET | ACK, 0, True),
        (RESET | ACK, 5, False),
        (RESET, 0, False),
        (SYN, 0, False),
        (SYN | ACK, 0, False),
        (ACK, 0, False),
    ],
)
def test_of_tcp_only_the_answer_to_a_refused_connection_is_taken(
    addresses: tuple[str, str], protocol: int, flags: int, sequence: int, taken: bool
) -> None:
    assert takes(ip(*addresses, 6, tcp(22, 4000, flags, sequence)), protocol=protocol) == taken


@pytest.mark.parametrize(
    ("kind", "code", "taken"), [(3, 3, True), (3, 2, True), (3, 1, False), (3, 4, False), (8, 0, False), (11, 0, False)]
)
def test_of_icmp_only_unreachable_ports_and_protocols(kind: int, code: int, taken: bool) -> None:
    content = ip(*FOUR, 1, icmp(kind, code, ip(*FOUR, 17, udp(1, 2))))

    assert takes(content, protocol=IPV4) == taken


@pytest.mark.parametrize(
    ("kind", "code", "taken"),
    [(1, 4, True), (4, 1, True), (1, 0, False), (4, 0, False), (128, 0, False), (135, 0, False)],
)
def test_of_icmpv6_the_same(kind: int, code: int, taken: bool) -> None:
    assert takes(ip(*SIX, 58, icmp(kind, code, ip(*SIX, 17, udp(1, 2)))), protocol=IPV6) == taken


def test_ip_options_do_not_hide_a_refusal() -> None:
    assert takes(ip(*FOUR, 6, tcp(22, 1, RESET | ACK), options=bytes(40)), protocol=IPV4)


def test_a_packet_is_seen_once_and_not_on_its_way_out() -> None:
    assert not takes(ip(*FOUR, 6, tcp(22, 1, RESET | ACK)), protocol=IPV4, outgoing=True)


@pytest.mark.parametrize(
    ("content", "protocol"),
    [
        (ip(*FOUR, 17, udp(1, 2)), IPV4),
        (ip(*FOUR, 6, tcp(22, 1, RESET | ACK), fragment=100), IPV4),
        (ip(*FOUR, 6, b""), IPV4),
        (b"\x00" * 60, 0x0806),
        (b"", IPV6),
    ],
)
def test_the_rest_is_dropped(content: bytes, protocol: int) -> None:
    assert not takes(content, protocol=protocol)


def test_a_packet_is_kept_as_far_as_the_longest_quote_needs() -> None:
    longest = ip(*FOUR, 1, icmp(3, 3, ip(*FOUR, 17, udp(1, 2), options=bytes(40))), options=bytes(40))

    assert len(longest) <= SNAPPED_BYTES


def test_the_kernel_takes_the_filter_and_shows_refusals_alone() -> None:
    printed = run_in_namespaces("""
        import socket
        from iron_proxy.jail.loopback import open_loopback
        from iron_proxy.jail.refusal_filter import open_refusal_socket, seen_and_dropped
        open_loopback()
        watch = open_refusal_socket()
        server = socket.create_server(("127.0.0.1", 0))
        socket.create_connection(server.getsockname()).close()
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("8.8.8.8", 443))
        assert socket.socket().connect_ex(("1.2.3.4", 22)) != 0
        print(seen_and_dropped(watch), [watch.recv(200)[9] for _ in range(2)])
        """)

    assert printed.strip() == "(2, 0) [1, 6]"
