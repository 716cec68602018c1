"""
The two files that tell a system how to find names: hosts(5) and resolv.conf(5), re-read when they change.

Both are small and local, so they are read in place: a thread per lookup would cost more than the read, and threads
must not grow with lookups. `resolver.py` asks; nothing else reads these files.
"""

import ipaddress
import os
from collections.abc import Callable
from typing import Generic, TypeVar

import dns.asyncresolver
import dns.exception
import dns.name

T = TypeVar("T")

HOSTS = "/etc/hosts"
RESOLV_CONF = "/etc/resolv.conf"

# resolv.conf(5): without a usable nameserver line the machine's own name server is asked.
_LOCAL_NAME_SERVERS = ("127.0.0.1", "::1")
# One datagram that is never fragmented on any path (DNS flag day 2020); longer answers come over TCP.
_EDNS_SIZE = 1232
# How long one server is given before the next, or the same once more: one lost datagram costs this much.
_TRY_SECONDS = 2.0


class WatchedFile(Generic[T]):
    """What a file says, read again when its size, time or inode have changed."""

    def __init__(self, path: str, parse: Callable[[str], T]) -> None:
        self._path = path
        self._parse = parse
        self._stamp: tuple[int, int, int] | None = None
        self._value = parse("")

    @property
    def current(self) -> T:
        """The parsed contents; those of an empty file where there is none to read."""
        stamp = self._read_stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            self._value = self._parse(self._read_text())
        return self._value

    def _read_stamp(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read_text(self) -> str:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""


def parse_hosts(text: str) -> dict[str, list[str]]:
    """Name in lower case to its addresses, in the file's order. Lines that cannot be read are left out."""
    hosts: dict[str, list[str]] = {}
    for line in text.split("\n"):
        address, *names = line.partition("#")[0].split() or [""]
        try:
            canonical = str(ipaddress.ip_address(address))
        except ValueError:
            continue
        if "%" in canonical:  # a zoned address needs the interface as well: not one we can hand on
            continue
        for name in names:
            addresses = hosts.setdefault(name.lower().removesuffix("."), [])
            if canonical not in addresses:
                addresses.append(canonical)
    return hosts


def parse_resolv_conf(text: str) -> dns.asyncresolver.Resolver:
    """
    A resolver for the file's servers, search list and `rotate`; for this machine's own if it names none.

    A line that cannot be read is left out. Timeouts and attempts in the file do not count: lookups have our deadlines.
    """
    servers: list[str] = []
    resolver = build_dns_resolver(_LOCAL_NAME_SERVERS)
    for line in text.split("\n"):
        match line.split():
            case ["nameserver", address, *_] if _is_address(address):
                servers.append(address)
            case ["search" | "domain", *suffixes]:
                resolver.search = _parse_names(suffixes)
            case ["options", *options]:
                resolver.rotate = resolver.rotate or "rotate" in options
            case _:
                continue
    if servers:
        resolver.nameservers = list(servers)
    return resolver


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _parse_names(texts: list[str]) -> list[dns.name.Name]:
    names = []
    for text in texts:
        try:
            names.append(dns.name.from_text(text))
        except dns.exception.DNSException:
            continue
    return names


def build_dns_resolver(servers: tuple[str, ...], port: int = 53) -> dns.asyncresolver.Resolver:
    """A resolver for exactly these servers: no file is read, nothing is cached."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = list(servers)
    resolver.port = port
    resolver.domain = dns.name.root  # no search below this machine's own domain unless a file says so
    resolver.timeout = _TRY_SECONDS
    resolver.use_edns(0, 0, _EDNS_SIZE)
    return resolver
