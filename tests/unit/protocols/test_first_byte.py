import pytest

from iron_proxy.errors import BadHandshake
from iron_proxy.protocols.first_byte import (
    InnerProtocol,
    TunnelProtocol,
    detect_inner_protocol,
    detect_tunnel_protocol,
)


@pytest.mark.parametrize(
    ("received", "protocol"),
    [
        (b"\x05\x01\x00", TunnelProtocol.SOCKS5),
        (b"CONNECT ok.test:443 HTTP/1.1\r\n", TunnelProtocol.HTTP),
        (b"GET http://ok.test/ HTTP/1.1\r\n", TunnelProtocol.HTTP),
        (b"\x04\x01", TunnelProtocol.HTTP),
        (b"\x16\x03\x01", TunnelProtocol.HTTP),
        (b"", None),
    ],
    ids=["SOCKS5", "CONNECT", "absolute form", "SOCKS4, for the HTTP parser to refuse", "TLS, likewise", "nothing yet"],
)
def test_the_tunnel_port_speaks_socks5_or_http(received: bytes, protocol: TunnelProtocol | None) -> None:
    assert detect_tunnel_protocol(received) is protocol


@pytest.mark.parametrize(
    ("received", "protocol"),
    [
        (b"\x16\x03\x01", InnerProtocol.TLS),
        (b"\x16", InnerProtocol.TLS),
        (b"A", InnerProtocol.HTTP),
        (b"GET / HTTP/1.1\r\n", InnerProtocol.HTTP),
        (b"Z", InnerProtocol.HTTP),
        (b"", None),
    ],
    ids=["TLS", "one byte of TLS", "the first letter", "HTTP", "the last letter", "nothing yet"],
)
def test_a_tunnel_carries_tls_or_http(received: bytes, protocol: InnerProtocol | None) -> None:
    assert detect_inner_protocol(received) is protocol


@pytest.mark.parametrize("first", sorted({*range(256)} - {0x16, *range(ord("A"), ord("Z") + 1)}))
def test_a_tunnel_carries_nothing_else(first: int) -> None:
    with pytest.raises(BadHandshake) as refusal:
        detect_inner_protocol(bytes((first, 0x41)))

    assert str(refusal.value) == f"unsupported protocol (first byte 0x{first:02x})"
