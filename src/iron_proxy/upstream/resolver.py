"""
Names to addresses, for the dialer and for DNS passthrough, on dnspython's asyncio resolver.

Never `getaddrinfo`: it reads `0x7f.1` and cuts names at a NUL, and its few threads let six dead names block every
lookup (DNS-09). Whether an address may be dialled is the dialer's business; the files behind the system's resolver
are in `name_files.py`. Nothing is cached: a dial's addresses come from a lookup that was under way when it asked, and
what that gave is what is judged and dialled.
"""

import asyncio
import ipaddress
from itertools import chain, zip_longest
from typing import Literal, Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

from iron_proxy.errors import ConfigError, UpstreamUnreachable
from iron_proxy.upstream.dns_backend import BACKEND
from iron_proxy.upstream.name_files import (
    HOSTS,
    RESOLV_CONF,
    WatchedFile,
    build_dns_resolver,
    parse_hosts,
    parse_resolv_conf,
)
from iron_proxy.upstream.shared_lookups import SharedLookups

AddressFamily = Literal["A", "AAAA"]

# One question, every retry and every server included. Parity: upstream gives a server five seconds.
QUERY_DEADLINE = 5.0
# All questions for one host together; a search list asks several in a row.
TOTAL_DEADLINE = 10.0
# RFC 8305 section 3: how long the other family is waited for when usable addresses are there already.
RESOLUTION_DELAY = 0.05

_LOOPBACK = ["127.0.0.1", "::1"]


class NoSuchHost(UpstreamUnreachable):
    """The name does not exist, or has no address at all."""


class Resolver(Protocol):
    """Turns canonical host names into addresses."""

    async def resolve(self, host: str) -> list[str]:
        """
        Every address of a host, IPv4 and IPv6 by turns; an IP literal is its own answer.

        Raises NoSuchHost (`lookup HOST: no such host`) or UpstreamUnreachable (`timed out`, `server failure`).
        """
        ...

    async def lookup(self, host: str, family: AddressFamily) -> list[str]:
        """The addresses of one family, none if the name has only others. Raises as `resolve` does."""
        ...


class UpstreamResolver:
    """`dns.upstream_resolver`: every question goes to that one server, as an absolute name, and to no hosts file."""

    def __init__(self, server: str) -> None:
        """Raises ConfigError unless `server` is `ip:port` or `[ipv6]:port`."""
        address, port = _parse_server(server)
        self._dns = build_dns_resolver((address,), port)
        self._shared = SharedLookups()

    async def resolve(self, host: str) -> list[str]:
        """See `Resolver.resolve`."""
        return _known_addresses(host) or await self._shared.addresses(
            host, lambda: _resolve_both_families(self._dns, host)
        )

    async def lookup(self, host: str, family: AddressFamily) -> list[str]:
        """See `Resolver.lookup`."""
        known = _known_addresses(host)
        return _of_family(known, family) if known else await _query(self._dns, host, family)


class SystemResolver:
    """The machine's own way: hosts file, then resolv.conf's servers, with its search list for names without a dot."""

    def __init__(self, hosts_path: str = HOSTS, resolv_conf_path: str = RESOLV_CONF) -> None:
        self._hosts = WatchedFile(hosts_path, parse_hosts)
        self._resolv_conf = WatchedFile(resolv_conf_path, parse_resolv_conf)
        self._shared = SharedLookups()

    async def resolve(self, host: str) -> list[str]:
        """See `Resolver.resolve`."""
        return self._local_addresses(host) or await self._shared.addresses(
            host, lambda: _resolve_both_families(self._resolv_conf.current, host)
        )

    async def lookup(self, host: str, family: AddressFamily) -> list[str]:
        """See `Resolver.lookup`."""
        local = self._local_addresses(host)
        return _of_family(local, family) if local else await _query(self._resolv_conf.current, host, family)

    def _local_addresses(self, host: str) -> list[str]:
        return _known_addresses(host) or list(self._hosts.current.get(host, ()))


def _known_addresses(host: str) -> list[str]:
    """
    What needs no server: IP literals, and `localhost` with all below it (RFC 6761 section 6.3).

    An operator who allows `localhost` lifts the deny list for it, so no server and no file may say where that is.
    """
    if host == "localhost" or host.endswith(".localhost"):
        return list(_LOOPBACK)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return []
    return [host]


def _of_family(addresses: list[str], family: AddressFamily) -> list[str]:
    return [address for address in addresses if (":" in address) == (family == "AAAA")]


# --- asking ---------------------------------------------------------------------------------------------------------


async def _resolve_both_families(resolver: dns.asyncresolver.Resolver, host: str) -> list[str]:
    """
    A and AAAA at once; either may fail without losing the other.

    IPv4 is what nearly every network has, so its answer is always waited for; IPv6 is not, once there is one.
    """
    try:
        async with asyncio.timeout(TOTAL_DEADLINE), asyncio.TaskGroup() as lookups:
            ipv4 = lookups.create_task(_settle(resolver, host, "A"), name=f"lookup {host} A")
            ipv6 = lookups.create_task(_settle(resolver, host, "AAAA"), name=f"lookup {host} AAAA")
            found = await ipv4
            await asyncio.wait([ipv6], timeout=RESOLUTION_DELAY if isinstance(found, list) and found else None)
            ipv6.cancel()
    except TimeoutError:
        raise UpstreamUnreachable(f"lookup {host}: timed out") from None
    return _merge(host, found, [] if ipv6.cancelled() else ipv6.result())


async def _settle(
    resolver: dns.asyncresolver.Resolver, host: str, family: AddressFamily
) -> list[str] | UpstreamUnreachable:
    """The outcome as a value: an exception would cancel the other family's lookup."""
    try:
        return await _query(resolver, host, family)
    except UpstreamUnreachable as failure:
        return failure


def _merge(host: str, ipv4: list[str] | UpstreamUnreachable, ipv6: list[str] | UpstreamUnreachable) -> list[str]:
    families = [outcome for outcome in (ipv4, ipv6) if isinstance(outcome, list)]
    by_turns = chain.from_iterable(zip_longest(*families))
    addresses = list(dict.fromkeys(address for address in by_turns if address is not None))
    if addresses:
        return addresses
    for outcome in (ipv4, ipv6):
        if isinstance(outcome, UpstreamUnreachable) and not isinstance(outcome, NoSuchHost):
            raise outcome
    raise NoSuchHost(f"lookup {host}: no such host")


async def _query(resolver: dns.asyncresolver.Resolver, host: str, family: AddressFamily) -> list[str]:
    """One question. Only a name without a dot is tried below the search list: no suffix is put behind a full name."""
    is_searched = "." not in host
    try:
        name = dns.name.from_text(host, None if is_searched else dns.name.root)
        answer = await resolver.resolve(
            name,
            family,
            raise_on_no_answer=False,
            lifetime=TOTAL_DEADLINE if is_searched and resolver.search else QUERY_DEADLINE,
            search=is_searched,
            backend=BACKEND,
        )
    except dns.resolver.NXDOMAIN:
        raise NoSuchHost(f"lookup {host}: no such host") from None
    except dns.exception.Timeout:
        raise UpstreamUnreachable(f"lookup {host}: timed out") from None
    except dns.exception.DNSException:
        raise UpstreamUnreachable(f"lookup {host}: server failure") from None
    return [record.address for record in answer.rrset or ()]


def _parse_server(text: str) -> tuple[str, int]:
    address, colon, port = text.rpartition(":")
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    elif ":" in address:
        colon = ""  # an IPv6 address without brackets: which part is the port?
    try:
        ipaddress.ip_address(address)
    except ValueError:
        colon = ""
    if not colon or not (port.isascii() and port.isdigit()) or len(port) > 5 or not 0 < int(port) < 65536:
        raise ConfigError([f'dns.upstream_resolver must be "ip:port", for example 10.0.0.2:53; got "{text}"'])
    return address, int(port)
