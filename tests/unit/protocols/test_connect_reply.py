import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.pieces import cut_at, in_pieces

from iron_proxy.errors import UpstreamProtocolError
from iron_proxy.messages.authority import Target
from iron_proxy.protocols.connect_reply import MAX_INFORMATIONAL, MAX_REPLY_BYTES, ConnectReply, connect_request

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\nContent-Length: 7\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TUNNEL = bytes.fromhex("160301 0005 0100000100") + b"\r\n\r\n"


def read(*pieces: bytes) -> tuple[int | None, bytes]:
    """(the status, what is left for the tunnel)."""
    reply = ConnectReply()
    status = None
    left = b""
    for piece in pieces:
        if status is None:
            status = reply.receive(piece)
            left = reply.unread if status is not None else b""
        else:
            left += piece
    return status, left


@pytest.mark.parametrize(
    ("target", "authority"),
    [(Target("ok.test", 443), b"ok.test:443"), (Target("2001:db8::1", 80, True), b"[2001:db8::1]:80")],
    ids=["a name", "IPv6"],
)
def test_the_request_names_the_target_with_its_port(target: Target, authority: bytes) -> None:
    assert connect_request(target) == b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (authority, authority)


def test_the_request_has_the_credentials() -> None:
    assert connect_request(Target("ok.test", 443), b"Basic eDp5") == (
        b"CONNECT ok.test:443 HTTP/1.1\r\nHost: ok.test:443\r\nProxy-Authorization: Basic eDp5\r\n\r\n"
    )


@pytest.mark.parametrize(
    "wire", [ESTABLISHED + TUNNEL, CONTINUE + ESTABLISHED + TUNNEL], ids=["at once", "after a 100"]
)
@pytest.mark.parametrize("size", range(1, len(CONTINUE + ESTABLISHED + TUNNEL) + 1))
def test_a_reply_is_the_same_however_its_bytes_arrive(wire: bytes, size: int) -> None:
    assert read(*in_pieces(wire, size)) == (200, TUNNEL)


@given(st.lists(st.integers(0, len(ESTABLISHED + TUNNEL)), max_size=6))
def test_a_reply_may_be_cut_anywhere(positions: list[int]) -> None:
    assert read(*cut_at(ESTABLISHED + TUNNEL, positions)) == (200, TUNNEL)


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n", 200),
        (b"HTTP/1.1 200\r\n\r\n", 200),
        (b"HTTP/1.1 200 \r\n\r\n", 200),
        (b"HTTP/1.1 204 Nothing\r\n\r\n", 204),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!", 403),
        (b'HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm="\xe9"\r\n\r\n', 407),
        (b"HTTP/1.1 503 Later\r\nRetry-After:\r\n\r\n", 503),
    ],
)
def test_the_status_is_read(wire: bytes, status: int) -> None:
    assert ConnectReply().receive(wire) == status


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 No\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nVia: x\r\n\r\n",
        b"HTTP/1.1 200 O\x00K\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA space : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nVia: x\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nVia: \x00\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        CONTINUE * (MAX_INFORMATIONAL + 1),
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_REPLY_BYTES,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_REPLY_BYTES + b"\r\n\r\n",
        b"\x15\x03\x01" * MAX_REPLY_BYTES,
    ],
)
def test_what_is_not_a_reply_to_connect_is_refused(wire: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        ConnectReply().receive(wire)


@given(st.binary(max_size=400))
def test_no_bytes_make_it_raise_anything_else(wire: bytes) -> None:
    reply = ConnectReply()
    try:
        for piece in in_pieces(wire, 7):
            reply.receive(piece)
    except UpstreamProtocolError:
        pass
