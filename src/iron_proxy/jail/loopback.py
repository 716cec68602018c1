"""
The network of a jail: `lo` and nothing else, with every address of IPv4 and IPv6 its own.

Called inside, by `first_process.py`, with the rights of root in the new network namespace. Whatever is dialled then
ends at a socket of this namespace: at one of the doors, at one of the program's own, or at none, which is a refusal.
"""

import errno
import os
import socket

from iron_proxy.jail import rtnetlink

# Programs that ask for names with AI_ADDRCONFIG get no IPv4 where 127.0.0.1 is the only address. This one is set
# aside for tests of networks (RFC 2544, RFC 6890), so that it is nobody's.
OWN_ADDRESS = "198.18.0.1"

# What a kernel without IPv6, or with it turned off, says. Nothing can leave by it then.
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EACCES, errno.EPERM, errno.ENETDOWN, errno.ENODEV)
# An answer of the kernel comes at once; this is for one that never comes.
_ANSWER_TIMEOUT = 5.0


def open_loopback() -> None:
    """Bring `lo` up and make every address local. Raises OSError."""
    index = socket.if_nametoindex("lo")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_ANSWER_TIMEOUT)
        _ask(netlink, rtnetlink.interface_up(index, 1), 1)
        _ask(netlink, rtnetlink.new_address(socket.AF_INET, socket.inet_aton(OWN_ADDRESS), index, 2), 2)
        _ask(netlink, rtnetlink.every_address_is_local(socket.AF_INET, index, 3), 3)
        try:
            _ask(netlink, rtnetlink.every_address_is_local(socket.AF_INET6, index, 4), 4)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise


def _ask(netlink: socket.socket, request: bytes, sequence: int) -> None:
    netlink.send(request)
    error = rtnetlink.error_of(netlink.recv(4096), sequence)
    if error:
        raise OSError(error, os.strerror(error))
