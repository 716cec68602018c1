"""
Where passthrough names are asked: one configured server, or the machine's own hosts file and resolv.conf.

The files are read by `upstream/name_files.py`, for the dialer too. No search list is put behind a name: a workload's
question goes out as the workload asked it, or not at all.
"""

from collections.abc import Sequence
from typing import Protocol

from iron_proxy.dns.upstream_query import Server
from iron_proxy.upstream.name_files import HOSTS, RESOLV_CONF, WatchedFile, parse_hosts, parse_resolv_conf

_DNS_PORT = 53
# resolv.conf(5): what glibc reads at most.
_MAX_SERVERS = 3
_LOOPBACK = ("127.0.0.1", "::1")


class NameServers(Protocol):
    """What a forwarder needs to know."""

    def servers(self) -> Sequence[Server]:
        """The servers in the order in which they are asked; at least one."""
        ...

    def local_addresses(self, host: str) -> Sequence[str]:
        """The addresses of a host that no server is asked for; none for all others."""
        ...


class ConfiguredServer:
    """`dns.upstream_resolver`: that server, and no files."""

    def __init__(self, host: str, port: int) -> None:
        self._servers = (Server(host, port),)

    def servers(self) -> Sequence[Server]:
        """See `NameServers`."""
        return self._servers

    def local_addresses(self, host: str) -> Sequence[str]:
        """See `NameServers`."""
        return loopback_addresses(host)


class SystemServers:
    """The machine's files, read again when they change."""

    def __init__(self, hosts_path: str = HOSTS, resolv_conf_path: str = RESOLV_CONF) -> None:
        self._hosts = WatchedFile(hosts_path, parse_hosts)
        self._resolv_conf = WatchedFile(resolv_conf_path, parse_resolv_conf)

    def servers(self) -> Sequence[Server]:
        """See `NameServers`."""
        addresses = self._resolv_conf.current.nameservers[:_MAX_SERVERS]
        return [Server(str(address), _DNS_PORT) for address in addresses]

    def local_addresses(self, host: str) -> Sequence[str]:
        """See `NameServers`."""
        return loopback_addresses(host) or self._hosts.current.get(host, ())


def loopback_addresses(host: str) -> Sequence[str]:
    """`localhost` and all below it (RFC 6761 section 6.3): no server and no file may say where that is."""
    return _LOOPBACK if host == "localhost" or host.endswith(".localhost") else ()
