import pytest
from tests.fakes.namespaces import run_in_namespaces


def test_every_address_is_answered_at_home() -> None:
    printed = run_in_namespaces("""
        import socket
        from iron_proxy.jail.loopback import open_loopback, OWN_ADDRESS
        open_loopback()
        print([name for _, name in socket.if_nameindex()])
        server = socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True)
        for host in ("1.2.3.4", "10.0.0.1", "169.254.169.254", OWN_ADDRESS, "2001:db8::1", "fd00::1", "fe80::1%lo"):
            socket.create_connection((host, 443), 5)
            print(server.accept()[0].getsockname()[0])
        """)

    assert printed.split("\n")[:-1] == [
        "['lo']",
        "::ffff:1.2.3.4",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:198.18.0.1",
        "2001:db8::1",
        "fd00::1",
        "fe80::1",
    ]


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
def test_a_udp_door_can_answer_from_any_address(address: str) -> None:
    printed = run_in_namespaces(f"""
        import socket
        from iron_proxy.jail.door_sockets import open_door
        from iron_proxy.jail.loopback import open_loopback
        open_loopback()
        door = open_door(53, is_udp=True)
        asking = socket.socket(socket.AF_INET6 if ":" in {address!r} else socket.AF_INET, socket.SOCK_DGRAM)
        asking.settimeout(5)
        asking.connect(({address!r}, 53))
        asking.send(b"question")
        content, ancillary, _, sender = door.recvmsg(100, 100)
        door.sendmsg([content], ancillary, 0, sender)
        print(asking.recv(100))
        """)

    assert printed.strip() == "b'question'"


def test_programs_that_ask_for_configured_families_get_ipv4() -> None:
    """AI_ADDRCONFIG does not count 127.0.0.1."""
    printed = run_in_namespaces("""
        import socket
        from iron_proxy.jail.loopback import open_loopback
        open_loopback()
        print(socket.getaddrinfo("1.2.3.4", 80, socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)[0][4])
        """)

    assert printed.strip() == "('1.2.3.4', 80)"
