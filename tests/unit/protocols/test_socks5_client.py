import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.pieces import cut_at, in_pieces
from tests.wire.socks5_messages import greeting, request_for_address, request_for_domain

from iron_proxy.errors import UpstreamError, UpstreamProtocolError, UpstreamUnreachable
from iron_proxy.messages.authority import Target
from iron_proxy.protocols.socks5_client import Socks5ClientHandshake

TARGET = Target("ok.test", 443)
LOGIN = (b"user", b"secret")
REQUEST = request_for_domain(b"ok.test", 443)
AUTHENTICATION = b"\x01\x04user\x06secret"
TUNNEL = b"SSH-2.0\r\n"


def reply(code: int = 0, kind: int = 1, address: bytes = bytes(4), port: int = 0, version: int = 5) -> bytes:
    return bytes((version, code, 0, kind)) + address + port.to_bytes(2)


REPLIES = {
    "IPv4": reply(),
    "IPv6": reply(kind=4, address=ipaddress.ip_address("2001:db8::1").packed, port=1080),
    "a domain": reply(kind=3, address=b"\x05proxy", port=1080),
    "an empty domain": reply(kind=3, address=b"\x00"),
}


def converse(
    *pieces: bytes, target: Target = TARGET, login: tuple[bytes, bytes] | None = None
) -> tuple[bytes, bool, bytes]:
    """(all that was sent behind the greeting, whether the tunnel is open, what is left for it)."""
    handshake = Socks5ClientHandshake(target, login)
    sent = b"".join(map(handshake.receive, pieces))
    return sent, handshake.is_open, handshake.unread


def test_only_what_can_be_done_is_offered() -> None:
    assert Socks5ClientHandshake(TARGET).greeting == greeting(0)
    assert Socks5ClientHandshake(TARGET, LOGIN).greeting == greeting(0, 2)


@pytest.mark.parametrize("last", REPLIES.values(), ids=REPLIES.keys())
def test_without_authentication_the_request_follows_the_choice(last: bytes) -> None:
    assert converse(b"\x05\x00", last + TUNNEL) == (REQUEST, True, TUNNEL)


@pytest.mark.parametrize("last", REPLIES.values(), ids=REPLIES.keys())
def test_user_and_password_are_sent_when_they_are_asked_for(last: bytes) -> None:
    sent = converse(b"\x05\x02", b"\x01\x00", last + TUNNEL, login=LOGIN)

    assert sent == (AUTHENTICATION + REQUEST, True, TUNNEL)


def test_user_and_password_are_kept_when_nobody_asks() -> None:
    assert converse(b"\x05\x00", reply(), login=LOGIN) == (REQUEST, True, b"")


@pytest.mark.parametrize("size", range(1, 40))
@pytest.mark.parametrize("last", REPLIES.values(), ids=REPLIES.keys())
def test_a_conversation_is_the_same_however_its_bytes_arrive(last: bytes, size: int) -> None:
    wire = b"\x05\x02\x01\x00" + last + TUNNEL

    assert converse(*in_pieces(wire, size), login=LOGIN) == (AUTHENTICATION + REQUEST, True, TUNNEL)


@given(st.lists(st.integers(0, 30), max_size=6))
def test_a_conversation_may_be_cut_anywhere(positions: list[int]) -> None:
    wire = b"\x05\x00" + REPLIES["a domain"] + TUNNEL

    assert converse(*cut_at(wire, positions)) == (REQUEST, True, TUNNEL)


@pytest.mark.parametrize(
    ("target", "request_bytes"),
    [
        (Target("192.0.2.1", 80, True), request_for_address("192.0.2.1", 80)),
        (Target("2001:db8::1", 8443, True), request_for_address("2001:db8::1", 8443)),
        (Target("a" * 63 + ".test", 65535), request_for_domain(b"a" * 63 + b".test", 65535)),
    ],
    ids=["IPv4", "IPv6", "a long name"],
)
def test_an_address_is_sent_as_one_and_a_name_as_a_name(target: Target, request_bytes: bytes) -> None:
    assert converse(b"\x05\x00", target=target)[0] == request_bytes


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "a general failure"),
        (2, "its rules do not allow the connection"),
        (3, "the network is unreachable"),
        (4, "the host is unreachable"),
        (5, "the connection was refused"),
        (6, "the time to live expired"),
        (7, "it does not know CONNECT"),
        (8, "it does not know this kind of address"),
        (9, "a failure with an unknown code"),
        (255, "a failure with an unknown code"),
    ],
)
@pytest.mark.parametrize("length", [2, 10], ids=["the code alone", "the whole reply"])
def test_each_refusal_is_told_in_words(code: int, words: str, length: int) -> None:
    with pytest.raises(UpstreamUnreachable, match=f"^{words}$"):
        converse(b"\x05\x00", reply(code)[:length])


@pytest.mark.parametrize(
    ("login", "pieces", "words"),
    [
        (None, [b"\x05\xff"], "put user:password@ into"),
        (LOGIN, [b"\x05\xff"], "neither no authentication nor user and password"),
        (LOGIN, [b"\x05\x02", b"\x01\x01"], "refused the user and password"),
        (LOGIN, [b"\x05\x02", b"\x01\xff"], "refused the user and password"),
    ],
    ids=["none offered", "both offered", "wrong password", "another failure"],
)
def test_a_proxy_that_lets_nobody_in_is_told(
    login: tuple[bytes, bytes] | None, pieces: list[bytes], words: str
) -> None:
    with pytest.raises(UpstreamError, match=words) as caught:
        converse(*pieces, login=login)

    assert not isinstance(caught.value, UpstreamUnreachable)  # another address would be refused as well
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("login", "pieces"),
    [
        (None, [b"\x04\x5a"]),
        (None, [b"HTTP/1.1 400 Bad Request\r\n"]),
        (None, [b"\x05\x02"]),
        (None, [b"\x05\x01"]),
        (LOGIN, [b"\x05\x03"]),
        (LOGIN, [b"\x05\x02", b"\x05\x00"]),
        (None, [b"\x05\x00", reply(version=4)]),
        (None, [b"\x05\x00", reply(kind=2)]),
        (None, [b"\x05\x00", reply(kind=0)]),
    ],
    ids=[
        "SOCKS4", "HTTP", "a method that was not offered", "GSSAPI", "an unassigned method",
        "an authentication of version 5", "a reply of version 4", "an unknown kind of address", "no kind of address",
    ],
)  # fmt: skip
def test_what_is_not_socks5_is_refused(login: tuple[bytes, bytes] | None, pieces: list[bytes]) -> None:
    with pytest.raises(UpstreamProtocolError):
        converse(*pieces, login=login)


@pytest.mark.parametrize("last", REPLIES.values(), ids=REPLIES.keys())
def test_an_incomplete_reply_opens_nothing(last: bytes) -> None:
    for length in range(len(last)):
        assert converse(b"\x05\x00", last[:length]) == (REQUEST, False, last[:length])


@given(st.binary(max_size=400))
def test_no_bytes_make_it_raise_anything_else(wire: bytes) -> None:
    try:
        converse(*in_pieces(wire, 7), login=LOGIN)
    except UpstreamError:
        pass
