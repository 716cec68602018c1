import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.collector import left_to_the_collector
from tests.wire.pieces import cut_at, in_pieces
from tests.wire.socks5_messages import (
    BIND,
    CONNECT,
    DOMAIN,
    IPV4,
    NO_AUTHENTICATION,
    UDP_ASSOCIATE,
    USERNAME_AND_PASSWORD,
    greeting,
    request,
    request_for_address,
    request_for_domain,
)

from iron_proxy.messages.authority import Target, parse_target
from iron_proxy.protocols.socks5 import (
    Event,
    HandshakeFailed,
    Reply,
    SendBytes,
    Socks5ServerHandshake,
    TunnelRequested,
    reply,
)

GREETING = greeting(NO_AUTHENTICATION)
ACCEPTED = SendBytes(b"\x05\x00")
INNER = bytes.fromhex("160301 0005 0100000100")  # the client did not wait for our answer


def converse(*pieces: bytes) -> tuple[list[Event], bytes]:
    """(all events, what is left for the inner protocol)."""
    handshake = Socks5ServerHandshake()
    events = [event for piece in pieces for event in handshake.receive(piece)]
    return events, handshake.unread


def failure(reason: str, code: Reply) -> list[Event]:
    return [ACCEPTED, SendBytes(reply(code)), HandshakeFailed(reason)]


@pytest.mark.parametrize(
    ("message", "target"),
    [
        (request_for_domain(b"ok.test", 443), Target("ok.test", 443)),
        (request_for_domain(b"OK.Test.", 80), Target("ok.test", 80)),
        (request_for_domain(b"127.0.1.9", 80), Target("127.0.1.9", 80, True)),
        (request_for_domain(b"a", 1), Target("a", 1)),
        (request_for_domain(b"a." * 126 + b"b", 65535), Target("a." * 126 + "b", 65535)),
        (request_for_address("127.0.1.9", 80), Target("127.0.1.9", 80, True)),
        (request_for_address("2001:0DB8::0:1", 8443), Target("2001:db8::1", 8443, True)),
        (request_for_address("::ffff:127.0.0.1", 80), parse_target(b"[::ffff:127.0.0.1]:80", None)),
    ],
    ids=[
        "a domain",
        "a domain in another spelling",
        "an IPv4 address as a domain",
        "the shortest domain",
        "the longest domain",
        "IPv4",
        "IPv6",
        "IPv4 mapped into IPv6",
    ],
)
def test_a_connect_request_gives_its_target(message: bytes, target: Target) -> None:
    events, _ = converse(GREETING, message)

    assert events == [ACCEPTED, TunnelRequested(target)]


@pytest.mark.parametrize(
    "methods",
    [(NO_AUTHENTICATION,), (USERNAME_AND_PASSWORD, NO_AUTHENTICATION), (*range(255, 0, -1), NO_AUTHENTICATION)[1:]],
    ids=["alone", "after a password", "last of 255"],
)
def test_a_client_that_can_do_without_authentication_goes_on(methods: tuple[int, ...]) -> None:
    events, _ = converse(greeting(*methods))

    assert events == [ACCEPTED]


@pytest.mark.parametrize("methods", [(USERNAME_AND_PASSWORD,), (), (1, 5, 255)], ids=["a password", "none", "others"])
def test_no_acceptable_method_is_answered_with_two_bytes(methods: tuple[int, ...]) -> None:
    events, _ = converse(greeting(*methods))

    assert events == [
        SendBytes(b"\x05\xff"),
        HandshakeFailed("the SOCKS client does not offer to go without authentication"),
    ]


@pytest.mark.parametrize("first", [b"\x04", b"G", b"\x00"], ids=["SOCKS4", "HTTP", "NUL"])
def test_another_protocol_gets_no_answer(first: bytes) -> None:
    events, _ = converse(first)

    assert events == [HandshakeFailed("the SOCKS greeting is not of version 5")]


@pytest.mark.parametrize("command", [BIND, UDP_ASSOCIATE, 0, 0xFF], ids=["BIND", "UDP ASSOCIATE", "0", "255"])
def test_any_command_but_connect_is_not_supported(command: int) -> None:
    events, _ = converse(GREETING, request_for_domain(b"ok.test", 443, command))

    assert events == failure("a SOCKS command other than CONNECT", Reply.COMMAND_NOT_SUPPORTED)


@pytest.mark.parametrize("address_type", [0, 2, 5, 0xFF])
def test_an_unknown_address_type_is_not_supported(address_type: int) -> None:
    events, _ = converse(GREETING, request(address_type, bytes(4), 443))

    assert events == failure("an unknown SOCKS address type", Reply.ADDRESS_TYPE_NOT_SUPPORTED)


def test_an_unknown_address_type_is_refused_without_waiting_for_its_address() -> None:
    events, _ = converse(GREETING, bytes((5, CONNECT, 0, 2)))

    assert events == failure("an unknown SOCKS address type", Reply.ADDRESS_TYPE_NOT_SUPPORTED)


def test_a_request_of_another_version_fails() -> None:
    events, _ = converse(GREETING, request(IPV4, bytes(4), 443, version=4))

    assert events == failure("the SOCKS request is not of version 5", Reply.GENERAL_FAILURE)


@pytest.mark.parametrize(
    "domain",
    [
        b"other.test\0.wild.test",
        b"",
        b".",
        b"ok..test",
        b"-ok.test",
        b"ok test",
        b"ok.test:443",
        b"::1",
        b"[::1]",
        b"[::12",
        b"127.1",
        b"0x7f.1",
        b"2130706433",
        "ök.test".encode(),
        b"a" * 64,
        b"a." * 127 + b"b",
    ],
    ids=[
        "a NUL, where a resolver would stop",
        "empty",
        "only a dot",
        "an empty label",
        "a label that begins with a hyphen",
        "a space",
        "a port",
        "an IPv6 address",
        "an IPv6 address in brackets",
        "half a pair of brackets",
        "a short spelling of loopback",
        "a hexadecimal spelling of loopback",
        "loopback as one number",
        "UTF-8",
        "a label of 64 letters",
        "255 characters",
    ],
)
def test_a_domain_that_is_no_host_name_fails(domain: bytes) -> None:
    events, _ = converse(GREETING, request_for_domain(domain, 443))

    assert events == failure("the SOCKS request's domain is not a host name", Reply.GENERAL_FAILURE)


def test_port_zero_fails() -> None:
    events, _ = converse(GREETING, request_for_domain(b"ok.test", 0))

    assert events == failure("the SOCKS request is for port 0", Reply.GENERAL_FAILURE)


@pytest.mark.parametrize(
    ("code", "wire"),
    [
        (Reply.SUCCEEDED, "05 00 00 01 00 00 00 00 00 00"),
        (Reply.NOT_ALLOWED, "05 02 00 01 00 00 00 00 00 00"),
        (Reply.ADDRESS_TYPE_NOT_SUPPORTED, "05 08 00 01 00 00 00 00 00 00"),
    ],
    ids=["succeeded", "not allowed", "address type not supported"],
)
def test_a_reply_is_ten_bytes_with_no_bound_address(code: Reply, wire: str) -> None:
    assert reply(code) == bytes.fromhex(wire)


def test_bytes_sent_ahead_are_left_for_the_inner_protocol() -> None:
    events, unread = converse(GREETING + request_for_domain(b"ok.test", 443) + INNER)

    assert events == [ACCEPTED, TunnelRequested(Target("ok.test", 443))]
    assert unread == INNER


def test_bytes_that_arrive_after_the_request_are_kept_too() -> None:
    handshake = Socks5ServerHandshake()
    handshake.receive(GREETING + request_for_domain(b"ok.test", 443) + INNER[:3])

    events = handshake.receive(INNER[3:])

    assert events == []
    assert handshake.unread == INNER


@pytest.mark.parametrize(
    "message",
    [
        request_for_domain(b"ok.test", 443),
        request_for_address("127.0.1.9", 80),
        request_for_address("2001:db8::1", 80),
        request_for_domain(b"other.test\0.wild.test", 443),
        request_for_domain(b"ok.test", 443, BIND),
        request(2, b"", 443),
    ],
    ids=["a domain", "IPv4", "IPv6", "a domain with a NUL", "BIND", "an unknown address type"],
)
def test_a_handshake_is_the_same_however_the_bytes_arrive(message: bytes) -> None:
    wire = greeting(USERNAME_AND_PASSWORD, NO_AUTHENTICATION) + message + INNER
    expected = converse(wire)

    for size in range(1, len(wire) + 1):
        assert converse(*in_pieces(wire, size)) == expected
    for position in range(len(wire)):
        assert converse(*cut_at(wire, [position])) == expected


def test_an_unfinished_request_is_waited_on() -> None:
    wire = GREETING + request_for_domain(b"ok.test", 443)

    for position in range(len(GREETING), len(wire)):
        assert converse(wire[:position])[0] == [ACCEPTED]


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=8), st.booleans())
def test_random_bytes_give_one_outcome_at_any_split(noise: bytes, cuts: list[int], greets: bool) -> None:
    wire = GREETING + bytes((5, CONNECT, 0)) + noise if greets else noise

    assert converse(*cut_at(wire, cuts)) == converse(wire)


@given(st.binary(max_size=255), st.integers(0, 65535))
def test_any_domain_gives_a_canonical_target_or_a_failure(domain: bytes, port: int) -> None:
    events, unread = converse(GREETING, request(DOMAIN, bytes((len(domain),)) + domain, port))

    assert unread == b""
    if isinstance(events[-1], TunnelRequested):
        target = events[-1].target
        assert parse_target(str(target).encode(), None) == target
    else:
        assert isinstance(events[-1], HandshakeFailed)


@given(st.binary(max_size=700))
def test_an_unfinished_handshake_never_holds_more_than_the_longest_request(wire: bytes) -> None:
    handshake = Socks5ServerHandshake()

    for byte in GREETING + bytes((5, CONNECT, 0)) + wire:
        events = handshake.receive(bytes((byte,)))
        if events and not isinstance(events[-1], SendBytes):
            return
        assert len(handshake.unread) < 262


@pytest.mark.parametrize("request_bytes", [request_for_domain(b"ok.test", 443), request_for_domain(b"ok.test", 0), b""])
def test_a_handshake_that_has_ended_or_breaks_off_goes_without_the_collector(request_bytes: bytes) -> None:
    def shake_hands() -> None:
        handshake = Socks5ServerHandshake()
        handshake.receive(GREETING + request_bytes)

    assert left_to_the_collector(shake_hands) == 0
