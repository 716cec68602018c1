"""
Messages of rtnetlink(7), written by hand: three requests and how to read the answer to one.

Pure. `loopback.py` sends them; the programs `ip` and `ifconfig` need not be there.
"""

import struct

_NEW_LINK, _NEW_ADDRESS, _NEW_ROUTE = 16, 20, 24
_ERROR = 2  # NLMSG_ERROR: the answer to each request with _ACK; its error is 0 for "done"
_REQUEST, _ACK, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, which flags to change
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, lengths of destination and source, tos, table, protocol, scope, type
_ATTRIBUTE = struct.Struct("=HH")  # length, type

_INTERFACE_UP = 1
_TABLE_LOCAL = 255  # looked at before all others
_PROTOCOL_BOOT = 3
_SCOPE_HOST = 254
_TYPE_LOCAL = 2
_ROUTE_INTERFACE = 4  # RTA_OIF
_ADDRESS_ADDRESS, _ADDRESS_LOCAL = 1, 2  # IFA_*


def interface_up(index: int, sequence: int) -> bytes:
    """`ip link set INDEX up`."""
    return _request(_NEW_LINK, 0, sequence, _LINK.pack(0, 0, index, _INTERFACE_UP, _INTERFACE_UP))


def new_address(family: int, address: bytes, index: int, sequence: int) -> bytes:
    """`ip address add ADDRESS dev INDEX`, as a single address; `address` in network order."""
    body = _ADDRESS.pack(family, 8 * len(address), 0, 0, index)
    body += _attribute(_ADDRESS_LOCAL, address) + _attribute(_ADDRESS_ADDRESS, address)
    return _request(_NEW_ADDRESS, _CREATE | _EXCLUSIVE, sequence, body)


def every_address_is_local(family: int, index: int, sequence: int) -> bytes:
    """`ip route add local default dev INDEX`."""
    body = _ROUTE.pack(family, 0, 0, 0, _TABLE_LOCAL, _PROTOCOL_BOOT, _SCOPE_HOST, _TYPE_LOCAL, 0)
    body += _attribute(_ROUTE_INTERFACE, struct.pack("=I", index))
    return _request(_NEW_ROUTE, _CREATE | _EXCLUSIVE, sequence, body)


def error_of(answer: bytes, sequence: int) -> int:
    """The errno in the answer to a request, 0 for success. Raises ValueError for anything else."""
    if len(answer) < _HEADER.size + 4:
        raise ValueError("a netlink answer is too short")
    _, kind, _, answered, _ = _HEADER.unpack_from(answer)
    if kind != _ERROR or answered != sequence:
        raise ValueError(f"an unexpected netlink answer of type {kind}")
    (error,) = struct.unpack_from("=i", answer, _HEADER.size)
    return -int(error)


def _request(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _ACK | flags, sequence, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    """Attributes begin at multiples of four; the length is the one without the filling."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)
