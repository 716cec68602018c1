"""
Which protocol a connection speaks, told by its first byte: on the tunnel port, and inside a tunnel.

One byte is enough because the candidates begin differently: a SOCKS5 greeting with 0x05, a TLS handshake record with
0x16, an HTTP request with its method. Whether what follows is well-formed is for the protocol's own reader to find
out. Called by the tunnel listener and `proxy/inner_protocol.py`.
"""

from enum import Enum

from iron_proxy.errors import BadHandshake

_SOCKS5 = 0x05
_TLS_HANDSHAKE = 0x16


class TunnelProtocol(Enum):
    """How a client asks for a tunnel."""

    HTTP = "http"
    SOCKS5 = "socks5"


class InnerProtocol(Enum):
    """What a client speaks once its tunnel is open."""

    HTTP = "http"
    TLS = "tls"


def detect_tunnel_protocol(received: bytes) -> TunnelProtocol | None:
    """The protocol on the tunnel port, or None before the first byte. What is not SOCKS5 is left to the HTTP parser."""
    if not received:
        return None
    return TunnelProtocol.SOCKS5 if received[0] == _SOCKS5 else TunnelProtocol.HTTP


def detect_inner_protocol(received: bytes) -> InnerProtocol | None:
    """The protocol inside a tunnel, or None before the first byte. Raises BadHandshake for any other."""
    if not received:
        return None
    first = received[0]
    if first == _TLS_HANDSHAKE:
        return InnerProtocol.TLS
    if ord("A") <= first <= ord("Z"):           # methods are case-sensitive, and all registered ones are upper case
        return InnerProtocol.HTTP
    raise BadHandshake(f"unsupported protocol (first byte 0x{first:02x})")
