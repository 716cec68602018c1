"""Whom passthrough questions are put to, and for which names nobody is asked."""

import os
from pathlib import Path

import pytest

from iron_proxy.dns.name_servers import ConfiguredServer, SystemServers, loopback_addresses
from iron_proxy.dns.upstream_query import Server


def system(tmp_path: Path, hosts: str = "", resolv_conf: str = "") -> SystemServers:
    (tmp_path / "hosts").write_text(hosts)
    (tmp_path / "resolv.conf").write_text(resolv_conf)
    return SystemServers(str(tmp_path / "hosts"), str(tmp_path / "resolv.conf"))


def test_the_configured_server_is_asked_alone() -> None:
    servers = ConfiguredServer("fd00::53", 5353)

    assert servers.servers() == (Server("fd00::53", 5353),)
    assert servers.local_addresses("db.test") == ()


def test_the_machines_servers_are_asked_in_their_order_three_at_most(tmp_path: Path) -> None:
    lines = "".join(f"nameserver 10.0.0.{number}\n" for number in range(1, 6))
    servers = system(tmp_path, resolv_conf=f"search corp.test\n{lines}")

    assert servers.servers() == [Server(f"10.0.0.{number}", 53) for number in (1, 2, 3)]


def test_without_any_server_this_machine_itself_is_asked(tmp_path: Path) -> None:
    assert system(tmp_path).servers() == [Server("127.0.0.1", 53), Server("::1", 53)]


def test_changed_files_are_read_again(tmp_path: Path) -> None:
    servers = system(tmp_path, "10.0.0.7 db.test\n", "nameserver 10.0.0.1\n")
    assert servers.local_addresses("db.test") == ["10.0.0.7"]

    for name, text in (("hosts", "10.0.0.8 db.test x.test\n"), ("resolv.conf", "nameserver 10.0.0.22\n")):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1, 1))

    assert servers.local_addresses("db.test") == ["10.0.0.8"]
    assert servers.servers() == [Server("10.0.0.22", 53)]
    assert servers.local_addresses("other.test") == ()


@pytest.mark.parametrize("host", ["localhost", "a.localhost"])
def test_nobody_may_say_where_localhost_is(host: str, tmp_path: Path) -> None:
    expected = ("127.0.0.1", "::1")

    assert ConfiguredServer("10.0.0.1", 53).local_addresses(host) == expected
    assert system(tmp_path, f"6.6.6.6 {host}\n").local_addresses(host) == expected
    assert loopback_addresses("notlocalhost") == ()
