import errno
import socket
from collections.abc import Iterator

import pytest

from iron_proxy.errors import StartupError
from iron_proxy.listeners import binding
from iron_proxy.listeners.binding import address_text, bind_tcp, bind_udp, is_local_address

SETTING = "proxy.http_listen"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on 127.0.0.1 that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_socket_is_bound_and_does_not_accept_yet() -> None:
    with bind_tcp("127.0.0.1", 0, SETTING) as sock:
        assert sock.type == socket.SOCK_STREAM
        assert not sock.getblocking()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(sock.getsockname())


def test_a_restart_need_not_wait_for_old_connections() -> None:
    with bind_tcp("127.0.0.1", 0, SETTING) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def test_a_udp_socket_is_bound() -> None:
    with bind_udp("127.0.0.1", 0, "dns.listen") as sock:
        assert sock.type == socket.SOCK_DGRAM
        assert sock.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_host_means_every_address_of_both_families(host: str) -> None:
    with bind_tcp("", 0, SETTING) as sock:
        sock.listen()
        with socket.create_connection((host, sock.getsockname()[1])):
            pass


def test_an_ipv6_address_means_no_ipv4() -> None:
    with bind_tcp("::", 0, SETTING) as sock:
        sock.listen()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", sock.getsockname()[1]))


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL], ids=["no IPv6", "no IPv6 address"])
def test_on_a_machine_without_ipv6_every_address_means_ipv4(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = socket.socket

    def without_ipv6(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(number, "not here")
        return real(family, kind)

    monkeypatch.setattr(socket, "socket", without_ipv6)

    with bind_tcp("", 0, SETTING) as sock:
        assert sock.family == socket.AF_INET


def test_a_port_that_is_taken_is_named_with_its_setting_and_a_remedy(taken: int) -> None:
    with pytest.raises(StartupError) as caught:
        bind_tcp("127.0.0.1", taken, SETTING)

    assert str(caught.value) == (
        f"{SETTING}: listen 127.0.0.1:{taken}: address already in use "
        f"(another program has it; stop that or choose another address in {SETTING})"
    )


def test_a_port_that_is_taken_on_one_family_is_taken() -> None:
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as server,
        pytest.raises(StartupError, match="in use"),
    ):
        bind_tcp("", server.getsockname()[1], SETTING)


def test_an_address_that_is_not_this_machines_is_refused() -> None:
    with pytest.raises(StartupError, match=rf"{SETTING}: listen 192\.0\.2\.1:80: cannot assign requested address"):
        bind_tcp("192.0.2.1", 80, SETTING)


def test_a_port_that_needs_a_right_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(binding, "_bind_family", forbid)

    with pytest.raises(StartupError, match=r"permission denied .*CAP_NET_BIND_SERVICE"):
        bind_tcp("127.0.0.1", 80, SETTING)


@pytest.mark.parametrize(("host", "text"), [("127.0.0.1", "127.0.0.1:{}"), ("::1", "[::1]:{}"), ("", "[::]:{}")])
def test_an_address_is_written_as_harnesses_expect_it(host: str, text: str) -> None:
    with bind_tcp(host, 0, SETTING) as sock:
        assert address_text(sock) == text.format(sock.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "is_local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("192.0.2.1", False), ("2001:db8::1", False)],
)
def test_an_address_is_local_if_a_socket_can_be_bound_to_it(address: str, is_local: bool) -> None:
    assert is_local_address(address) is is_local


# --- transparent ----------------------------------------------------------------------------------------------------


class Recorded:
    """A socket that only remembers the options set on it, or refuses them."""

    def __init__(self, family: int, failure: OSError | None = None) -> None:
        self.family = family
        self.options: list[tuple[int, int, int]] = []
        self.is_closed = False
        self._failure = failure

    def setsockopt(self, *option: int) -> None:
        if self._failure is not None:
            raise self._failure
        self.options.append((option[0], option[1], option[2]))

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("family", "option"), [(socket.AF_INET, (0, 19, 1)), (socket.AF_INET6, (41, 75, 1))], ids=["IPv4", "IPv6"]
)
def test_a_transparent_socket_has_the_option_of_its_family(
    monkeypatch: pytest.MonkeyPatch, family: int, option: tuple[int, int, int]
) -> None:
    sock = Recorded(family)
    monkeypatch.setattr(binding, "_bind_family", lambda *_: sock)

    bind_tcp("", 80, SETTING, transparent=True)

    assert sock.options == [option]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (PermissionError(errno.EPERM, "Operation not permitted"), "not permitted (it needs CAP_NET_ADMIN: run as root"),
        (OSError(errno.ENOPROTOOPT, "Protocol not available"), "protocol not available (it needs Linux with TPROXY)"),
    ],
    ids=["no right", "no TPROXY"],
)
def test_a_socket_that_cannot_be_made_transparent_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, failure: OSError, words: str
) -> None:
    sock = Recorded(socket.AF_INET6, failure)
    monkeypatch.setattr(binding, "_bind_family", lambda *_: sock)

    with pytest.raises(StartupError) as caught:
        bind_tcp("", 80, SETTING, transparent=True)

    assert str(caught.value).startswith(f"{SETTING}: proxy.transparent: tproxy: {words}")
    assert sock.is_closed


def test_elsewhere_than_on_linux_nothing_is_transparent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iron_proxy.listeners.binding.sys.platform", "darwin")

    with pytest.raises(StartupError, match="needs Linux"):
        bind_tcp("127.0.0.1", 0, SETTING, transparent=True)
