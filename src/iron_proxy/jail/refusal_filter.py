"""
The kernel's refusals on `lo`, picked out by the kernel itself: a packet socket and its filter in classic BPF.

A connection to a port without a listener is answered by a reset, a datagram by an ICMP message that quotes it. Both
name the destination. Looking at the answers, not at the attempts, does not count what a program serves to itself.
Made inside, with CAP_NET_RAW in the jail's network namespace; read outside, by `refused.py`.
"""

import socket
import struct

from iron_proxy.linux.classic_bpf import Program
from iron_proxy.linux.system_calls import packet_filter_option

# As much of a packet as is needed: two IPv4 headers with all options and 8 bytes of what each carries.
SNAPPED_BYTES = 136

_SO_ATTACH_FILTER, _SO_LOCK_FILTER = 26, 44
_EVERY_PROTOCOL = 0x0003  # ETH_P_ALL

# Not bytes of the packet but what the kernel knows of it (SKF_AD_OFF).
_KNOWN_PROTOCOL = 0xFFFFF000
_KNOWN_DIRECTION = 0xFFFFF004
_OUTGOING = 4  # each packet on `lo` is seen twice: on its way out and on its way in

_IPV4, _IPV6 = 0x0800, 0x86DD
_ICMP, _TCP, _ICMPV6 = 1, 6, 58
_SYN_RST_ACK, _RST_ACK = 0x16, 0x14
_IPV6_HEADER = 40


def open_refusal_socket() -> socket.socket:
    """A packet socket that sees refusals on `lo` alone. Not blocking. Raises OSError."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    try:
        option, keep = packet_filter_option(refusal_filter())
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
        del keep
        sock.setsockopt(socket.SOL_SOCKET, _SO_LOCK_FILTER, 1)
        sock.bind(("lo", _EVERY_PROTOCOL))
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def refusal_filter() -> bytes:
    """The program; the packet begins with the IP header."""
    program = Program()
    program.load_word(_KNOWN_DIRECTION)
    program.if_equal(_OUTGOING, then="drop")
    program.load_half(_KNOWN_PROTOCOL)
    program.if_equal(_IPV4, then="IPv4")
    program.if_equal(_IPV6, then="IPv6", otherwise="drop")
    _judge_ipv4(program)
    _judge_ipv6(program)
    program.label("drop")
    program.give(0)
    program.label("take")
    program.give(SNAPPED_BYTES)
    return program.assemble()


def _judge_ipv4(program: Program) -> None:
    program.label("IPv4")
    program.load_half(6)
    program.if_any_bit(0x1FFF, then="drop")  # a later fragment: no header follows
    program.load_ipv4_header_length()
    program.load_byte(9)
    program.if_equal(_TCP, then="IPv4 TCP")
    program.if_equal(_ICMP, otherwise="drop")
    program.load_byte_behind(0)
    program.if_equal(3, otherwise="drop")  # destination unreachable (RFC 792): protocol 2, port 3
    program.load_byte_behind(1)
    program.if_equal(2, then="take")
    program.if_equal(3, then="take", otherwise="drop")
    program.label("IPv4 TCP")
    # A reset that answers a SYN has sequence number 0 and acknowledges (RFC 9293 section 3.5.2).
    program.load_byte_behind(13)
    program.keep_bits(_SYN_RST_ACK)
    program.if_equal(_RST_ACK, otherwise="drop")
    program.load_word_behind(4)
    program.if_equal(0, then="take", otherwise="drop")


def _judge_ipv6(program: Program) -> None:
    program.label("IPv6")
    program.load_byte(6)
    program.if_equal(_TCP, then="IPv6 TCP")
    program.if_equal(_ICMPV6, otherwise="drop")
    program.load_half(_IPV6_HEADER)
    program.if_equal(0x0104, then="take")  # port unreachable (RFC 4443 section 3.1)
    program.if_equal(0x0401, then="take", otherwise="drop")  # unrecognised next header (3.4)
    program.label("IPv6 TCP")
    program.load_byte(_IPV6_HEADER + 13)
    program.keep_bits(_SYN_RST_ACK)
    program.if_equal(_RST_ACK, otherwise="drop")
    program.load_word(_IPV6_HEADER + 4)
    program.if_equal(0, then="take", otherwise="drop")


def seen_and_dropped(sock: socket.socket) -> tuple[int, int]:
    """How many refusals passed the filter since the last call, and how many of them found the queue full."""
    sol_packet, statistics = 263, 6
    seen, dropped = struct.unpack("=II", sock.getsockopt(sol_packet, statistics, 8))
    return seen, dropped
