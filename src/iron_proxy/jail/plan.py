"""
What the outside asks of a jail: the program, its doors, and what it may and may not see.

Made by `cli/run.py`, carried out by `launch.py`. Plain values; nothing here looks at the machine.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

# Where a file can be shown that has no place of its own on the machine: `/run` is ours inside, so any path below it
# can be made. Suits the bundle of certificates.
OWN_FOLDER = "/run/iron-proxy"

# A message between processes carries at most 253 descriptors (SCM_MAX_FD); two of them may watch refused connections.
MAX_DOORS = 200


@dataclass(frozen=True, slots=True)
class Door:
    """
    One listening socket, made inside and served outside.

    Bound to every address, IPv4 and IPv6 on one socket: 1.2.3.4 arrives as ::ffff:1.2.3.4. Where the kernel has no
    IPv6 it is an IPv4 socket. `getsockname()` of an accepted connection is the address that the program dialled.

    A UDP door reports the address that a datagram was sent to (IPV6_PKTINFO, RFC 3542 section 6.2; IP_PKTINFO on an
    IPv4 socket), and the answer must be sent from it with the same ancillary message: resolvers drop others.
    """

    name: str  # "http", "https", "tunnel", "dns-udp", "dns-tcp", "extra-8080"
    port: int
    is_udp: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the program is, inside as outside. Groups beyond the first keep their rights; inside they have no names."""

    uid: int = field(default_factory=os.geteuid)
    gid: int = field(default_factory=os.getegid)


@dataclass(frozen=True, slots=True)
class JailPlan:
    """
    `files`: target path → what is to be read there, in the place of what is there (resolv.conf, the CA bundle). A
    target that does not exist can be made below OWN_FOLDER only; others are told in `Jail.not_shown`.

    `hidden`: files and folders that cannot be read or written inside: the CA's key, the configuration, secret files.
    They stay hidden below a path of `binds` too.

    `binds`: paths of the machine that stay reachable though they lie below a folder that is covered, or are sockets
    or devices: `/run/docker.sock`, `/dev/snd`.

    `limits`: RLIMIT_* → (soft, hard) that the program gets, where the proxy has changed its own.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    doors: tuple[Door, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()
    limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    user: Identity = field(default_factory=Identity)

    def __post_init__(self) -> None:
        if not self.command:
            raise ValueError("a jail needs a command")
        if len(self.doors) > MAX_DOORS:
            raise ValueError(f"a jail has at most {MAX_DOORS} doors")
        if len({door.name for door in self.doors}) < len(self.doors):
            raise ValueError("two doors of a jail have one name")
