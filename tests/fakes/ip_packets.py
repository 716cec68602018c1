"""IP packets as the kernel sends them to refuse something, made by hand; checksums are left out."""

import socket
import struct

IPV4, IPV6 = 0x0800, 0x86DD
RESET, SYN, ACK = 0x04, 0x02, 0x10


def ip(
    source: str, destination: str, protocol: int, payload: bytes, *, options: bytes = b"", fragment: int = 0
) -> bytes:
    """An IPv4 or IPv6 packet."""
    if ":" in source:
        addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination)
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + addresses + payload
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 4 << 4 | words, 0, 4 * words + len(payload), 1, fragment, 64, protocol, 0)
    return head + socket.inet_aton(source) + socket.inet_aton(destination) + options + payload


def tcp(source_port: int, destination_port: int, flags: int, sequence: int = 0) -> bytes:
    """A TCP header."""
    return struct.pack("!HHIIBBHHH", source_port, destination_port, sequence, 1, 5 << 4, flags, 0, 0, 0)


def udp(source_port: int, destination_port: int) -> bytes:
    """A UDP header with nothing behind it."""
    return struct.pack("!HHHH", source_port, destination_port, 8, 0)


def icmp(kind: int, code: int, quoted: bytes) -> bytes:
    """An ICMP or ICMPv6 error that quotes a packet."""
    return struct.pack("!BBHI", kind, code, 0, 0) + quoted
