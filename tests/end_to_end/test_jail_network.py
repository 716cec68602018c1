"""Where connections of a jailed program end: at the proxy, or nowhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.jailed import DOORS, Outside, Person, run_code, run_jailed

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]


@pytest.fixture
def outside() -> Iterator[Outside]:
    listening = Outside()
    yield listening
    assert not listening.was_reached()
    listening.close()


def test_every_address_leads_to_the_proxy(person: Person, place: Path) -> None:
    outcome = run_code(
        person,
        """
        for host in ("1.2.3.4", "10.0.0.1", "127.0.0.1", "169.254.169.254", "2001:db8::1", "fd00::7"):
            def ask(host=host):
                with socket.create_connection((host, 443), 5) as connection:
                    connection.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
                    return json.loads(connection.makefile().read().splitlines()[-1])["to"]
            attempt(host, ask)
        """,
        place,
    )

    assert outcome.results == {
        "1.2.3.4": "'::ffff:1.2.3.4'",
        "10.0.0.1": "'::ffff:10.0.0.1'",
        "127.0.0.1": "'::ffff:127.0.0.1'",
        "169.254.169.254": "'::ffff:169.254.169.254'",
        "2001:db8::1": "'2001:db8::1'",
        "fd00::7": "'fd00::7'",
    }


def test_a_client_that_knows_of_nothing_reaches_the_proxy_by_name(person: Person, place: Path) -> None:
    outcome = run_jailed(person, ["curl", "-sS", "http://anything.test/path"], place)

    assert outcome.status == 0, outcome.stderr
    assert '"to": "::ffff:198.18.0.1"' in outcome.stdout
    assert ["dns-udp", "::ffff:127.0.0.1", 53] in outcome.report["accepted"]


@pytest.mark.parametrize("resolver", ["8.8.8.8", "2001:4860:4860::8888"])
def test_a_resolver_of_its_own_choice_is_the_proxys(person: Person, place: Path, resolver: str) -> None:
    """The client takes an answer from the address that it asked, and from no other."""
    outcome = run_code(
        person,
        f"""
        def ask():
            family = socket.AF_INET6 if ":" in {resolver!r} else socket.AF_INET
            asking = socket.socket(family, socket.SOCK_DGRAM)
            asking.settimeout(5)
            asking.connect(({resolver!r}, 53))
            asking.send(b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\2ok\\4test\\0\\0\\1\\0\\1")
            return socket.inet_ntoa(asking.recv(500)[-4:])
        attempt("answer", ask)
        """,
        place,
    )

    assert outcome.results == {"answer": "'198.18.0.1'"}
    assert outcome.report["accepted"][0][1].endswith(resolver)


def test_other_ports_are_refused_and_seen(person: Person, place: Path, outside: Outside) -> None:
    outcome = run_code(
        person,
        f"""
        def connect(host, port):
            return lambda: socket.create_connection((host, port), 5)
        def datagram(family, host, port):
            def send():
                sending = socket.socket(family, socket.SOCK_DGRAM)
                sending.settimeout(5)
                sending.connect((host, port))
                sending.send(b"x")
                return sending.recv(10)
            return send
        attempt("ssh", connect("1.2.3.4", 22))
        attempt("ssh again", connect("1.2.3.4", 22))
        attempt("IPv6", connect("2001:db8::1", 8443))
        attempt("host's loopback", connect("127.0.0.1", {outside.port}))
        attempt("QUIC", datagram(socket.AF_INET, "1.2.3.4", 443))
        attempt("QUIC over IPv6", datagram(socket.AF_INET6, "2001:db8::1", 443))
        attempt("host's loopback UDP", datagram(socket.AF_INET, "127.0.0.1", {outside.port}))
        """,
        place,
    )

    assert set(outcome.results.values()) == {"ECONNREFUSED"}
    assert sorted(outcome.report["refused"]) == sorted(
        [
            ["tcp", "1.2.3.4", 22, 2],
            ["tcp", "2001:db8::1", 8443, 1],
            ["tcp", "127.0.0.1", outside.port, 1],
            ["udp", "1.2.3.4", 443, 1],
            ["udp", "2001:db8::1", 443, 1],
            ["udp", "127.0.0.1", outside.port, 1],
        ]
    )


def test_what_a_program_serves_to_itself_is_no_refusal(person: Person, place: Path) -> None:
    outcome = run_code(
        person,
        """
        server = socket.create_server(("127.0.0.1", 0))
        attempt("own", lambda: socket.create_connection(server.getsockname(), 5).close())
        """,
        place,
    )

    assert outcome.results == {"own": "None"}
    assert outcome.report["refused_total"] == 0


ONTO_A_WIRE = """
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
attempt("raw IPv6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6))
attempt("ping", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).connect((2, 22)))
attempt("xdp", lambda: socket.socket(44, socket.SOCK_RAW, 0))
attempt("alg", lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0))
attempt("bluetooth", lambda: socket.socket(31, socket.SOCK_RAW, 1))
attempt("audit", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9))
attempt("ring", lambda: call("io_uring_setup", 4, ctypes.create_string_buffer(200)))
attempt("key request", lambda: call("request_key", b"dns_resolver", b"out.test", b"", -2))
attempt("vsock device", lambda: os.open("/dev/vsock", os.O_RDONLY))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\\0ABSTRACT"))
attempt("interfaces", lambda: [name for _, name in socket.if_nameindex()])
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
attempt("multicast", lambda: datagrams.sendto(b"x", ("224.0.0.251", 5353)))
def option():
    forging = socket.socket()
    forging.setsockopt(socket.IPPROTO_IP, 80, bytes(16))
attempt("forged destination", option)
"""


def test_other_ways_onto_a_wire_are_closed(person: Person, place: Path, outside: Outside) -> None:
    outcome = run_code(
        person,
        ONTO_A_WIRE.replace("ABSTRACT", outside.abstract_name),
        place,
    )

    results = outcome.results
    assert results.pop("interfaces") == "['lo']"
    assert results.pop("multicast") in ("1", "EINVAL", "ENETUNREACH", "EPERM")  # on `lo`, where nobody is
    assert results == {
        "raw": "EPERM",
        "raw IPv6": "EPERM",
        "ping": "EACCES",
        "packet": "EAFNOSUPPORT",
        "vsock": "EAFNOSUPPORT",
        "xdp": "EAFNOSUPPORT",
        "alg": "EAFNOSUPPORT",
        "bluetooth": "EAFNOSUPPORT",
        "audit": "EPROTONOSUPPORT",
        "ring": "ENOSYS",
        "key request": "ENOSYS",
        "vsock device": "ENOENT",
        "abstract": "ECONNREFUSED",
        "forged destination": "ENOPROTOOPT",
    }


def test_the_destination_of_a_connection_is_the_kernels_word(person: Person, place: Path) -> None:
    outcome = run_jailed(person, ["curl", "-sS", "http://1.2.3.4/"], place)

    assert '"original": "none"' in outcome.stdout


IN_NAMESPACES_OF_ITS_OWN = """
uid = os.getuid()
assert libc.unshare(0x10000000 | 0x40000000 | 0x00020000) == 0
attempt("be somebody there", lambda: Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1"))
attempt("is powerful there", lambda: Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0] != "0" * 16)
def uncover(target):
    if libc.umount2(target, 2) < 0:
        raise OSError(ctypes.get_errno(), "")
for target in (b"/run", b"/etc/resolv.conf", b"/dev", b"/proc"):
    attempt(f"uncover {target.decode()}", lambda: uncover(target))
attempt("dial", lambda: socket.create_connection(("127.0.0.1", PORT), 5))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
attempt("look at the first process", lambda: os.open("/proc/1/ns/net", os.O_RDONLY))
attempt("mount proc", lambda: libc.mount(b"proc", b"/mnt", b"proc", 0, None) and ctypes.get_errno())
"""


def test_namespaces_of_its_own_lead_nowhere(person: Person, place: Path, outside: Outside) -> None:
    """A program that makes user namespaces has more rights there than here, and less of a network."""
    outcome = run_code(person, IN_NAMESPACES_OF_ITS_OWN.replace("PORT", str(outside.port)), place)

    results = outcome.results
    # Who was root, and has no capability left, cannot even be root of a namespace below (user_namespaces(7)).
    assert results.pop("be somebody there") == ("EPERM" if person.uid is None else "13")
    assert results == {
        "is powerful there": "True",
        **dict.fromkeys(("uncover /run", "uncover /etc/resolv.conf", "uncover /dev", "uncover /proc"), "EINVAL"),
        "dial": "ENETUNREACH",
        "packet": "EAFNOSUPPORT",
        "vsock": "EAFNOSUPPORT",
        "look at the first process": "EACCES",
        "mount proc": "1",
    }


def test_ten_thousand_connections_leave_the_proxy_alive(person: Person, place: Path) -> None:
    outcome = run_code(
        person,
        """
        import resource
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 11000), hard))
        held = []
        for number in range(min(hard - 100, 10000)):
            connecting = socket.socket()
            connecting.setblocking(False)
            connecting.connect_ex(("1.2.3.4", 80))
            held.append(connecting)
        results["held"] = len(held)
        for each in held:
            each.close()
        attempt("after", lambda: socket.create_connection(("1.2.3.4", 443), 20).close())
        """,
        place,
        answers=False,
    )

    assert outcome.results["after"] == "None"
    assert int(outcome.results["held"]) == 10000 or person.uid is not None
    assert outcome.report["count"] > 100


def test_ten_thousand_refusals_are_counted_and_cost_no_memory(person: Person, place: Path) -> None:
    outcome = run_code(
        person,
        """
        for number in range(10000):
            with socket.socket() as connecting:
                connecting.connect_ex(("1.2.3.4", 1000 + number % 5000))
        """,
        place,
        doors=DOORS[:1],
    )

    assert outcome.results == {}
    assert outcome.report["refused_total"] == 10000
    assert 100 < len(outcome.report["refused"]) <= 1000
