"""Ports that workers share, and nobody else."""

import socket
from dataclasses import replace

import pytest
from tests.unit.runtime.assembled import EVERYTHING

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.errors import StartupError
from iron_proxy.workers.doors import SharedPorts, close_doors

PROXY = replace(EVERYTHING.proxy, https_listen=None)


def test_each_worker_has_sockets_of_its_own_on_the_same_ports() -> None:
    ports = SharedPorts(PROXY)
    first, second = ports.open(), ports.open()
    try:
        assert first.keys() == {"http", "tunnel"}
        assert all(first[name].getsockname() == second[name].getsockname() for name in first)
        assert first["http"].getsockname() != first["tunnel"].getsockname()
        assert all(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0 for sock in first.values())
    finally:
        close_doors(first)
        close_doors(second)


@pytest.mark.parametrize("shares", [False, True])
def test_a_port_that_somebody_has_is_refused_though_it_could_be_shared(shares: bool) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=shares) as taken:
        listen = ListenAddress.parse(f"127.0.0.1:{taken.getsockname()[1]}")

        with pytest.raises(StartupError, match=r"^proxy\.http_listen: listen 127\.0\.0\.1:\d+: address already in use"):
            SharedPorts(replace(PROXY, http_listen=listen))


def test_new_sockets_come_on_the_same_ports() -> None:
    ports = SharedPorts(PROXY)
    first = ports.open()
    port = first["http"].getsockname()[1]
    close_doors(first)

    again = ports.open()
    close_doors(again)

    assert [sock.fileno() for sock in again.values()] == [-1, -1]
    assert ports._places["http"] == ("127.0.0.1", port)


def test_where_one_cannot_be_had_none_stays_open() -> None:
    ports = SharedPorts(PROXY)
    close_doors(ports.open())
    with socket.create_server(ports._places["tunnel"]), pytest.raises(StartupError, match=r"proxy\.tunnel_listen"):
        ports.open()
    with socket.create_server(ports._places["http"]):
        pass                                     # nobody has it
