"""The user name and password of a SOCKS5 client (RFC 1929), between its greeting and its request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.pieces import cut_at, in_pieces
from tests.wire.socks5_messages import (
    NO_AUTHENTICATION,
    USERNAME_AND_PASSWORD,
    credentials,
    greeting,
    request_for_domain,
)

from iron_proxy.messages.authority import Target
from iron_proxy.protocols.socks5 import (
    Authentication,
    CredentialsOffered,
    Event,
    HandshakeFailed,
    SendBytes,
    Socks5ServerHandshake,
    TunnelRequested,
)

GREETING = greeting(USERNAME_AND_PASSWORD)
WANTED = SendBytes(b"\x05\x02")
RIGHT = SendBytes(b"\x01\x00")
WRONG = SendBytes(b"\x01\x01")
OFFER = CredentialsOffered(b"ci", b"hush")
REQUEST = request_for_domain(b"ok.test", 443)
TUNNEL = TunnelRequested(Target("ok.test", 443))
REFUSED = HandshakeFailed("the SOCKS client's user name and password are not accepted")
INNER = bytes.fromhex("160301 0005 0100000100")


def converse(
    *pieces: bytes, authentication: Authentication = Authentication.REQUIRED, accepts: bool = True
) -> tuple[list[Event], bytes]:
    """(all events, what is left for the inner protocol), where credentials are answered as soon as they are there."""
    handshake = Socks5ServerHandshake(authentication)
    events: list[Event] = []
    for piece in pieces:
        events += handshake.receive(piece)
        if events and isinstance(events[-1], CredentialsOffered):
            events += handshake.accept_credentials() if accepts else handshake.refuse_credentials()
    return events, handshake.unread


@pytest.mark.parametrize(
    ("authentication", "methods", "answer"),
    [
        (Authentication.NONE, (0, 2), 0),
        (Authentication.NONE, (2,), 0xFF),
        (Authentication.OPTIONAL, (0,), 0),
        (Authentication.OPTIONAL, (2,), 2),
        (Authentication.OPTIONAL, (0, 2), 2),
        (Authentication.OPTIONAL, (2, 1, 0), 2),
        (Authentication.OPTIONAL, (1, 3), 0xFF),
        (Authentication.OPTIONAL, (), 0xFF),
        (Authentication.REQUIRED, (0,), 0xFF),
        (Authentication.REQUIRED, (0, 2), 2),
        (Authentication.REQUIRED, (), 0xFF),
    ],
)
def test_the_method_is_chosen_from_what_both_sides_want(
    authentication: Authentication, methods: tuple[int, ...], answer: int
) -> None:
    events, _ = converse(greeting(*methods), authentication=authentication)

    assert events[0] == SendBytes(bytes((5, answer)))
    assert [type(event) for event in events[1:]] == ([HandshakeFailed] if answer == 0xFF else [])


@pytest.mark.parametrize(
    ("authentication", "reason"),
    [
        (Authentication.OPTIONAL, "the SOCKS client offers neither a password nor to go without authentication"),
        (Authentication.REQUIRED, "the SOCKS client does not offer a user name and password"),
    ],
)
def test_what_a_client_should_have_offered_is_told(authentication: Authentication, reason: str) -> None:
    events, _ = converse(greeting(1), authentication=authentication)

    assert events == [SendBytes(b"\x05\xff"), HandshakeFailed(reason)]


def test_right_credentials_lead_to_the_request() -> None:
    events, unread = converse(GREETING, credentials(b"ci", b"hush"), REQUEST)

    assert events == [WANTED, OFFER, RIGHT, TUNNEL]
    assert unread == b""


def test_wrong_credentials_end_the_handshake() -> None:
    events, _ = converse(GREETING, credentials(b"ci", b"hush"), REQUEST, accepts=False)

    assert events == [WANTED, OFFER, WRONG, REFUSED]


def test_nothing_behind_the_credentials_is_looked_at_before_they_are_accepted() -> None:
    handshake = Socks5ServerHandshake(Authentication.REQUIRED)

    events = handshake.receive(GREETING + credentials(b"ci", b"hush") + REQUEST + INNER)

    assert events == [WANTED, OFFER]
    assert handshake.receive(b"") == []
    assert handshake.accept_credentials() == [RIGHT, TUNNEL]
    assert handshake.unread == INNER


def test_what_is_sent_behind_refused_credentials_is_never_looked_at() -> None:
    handshake = Socks5ServerHandshake(Authentication.REQUIRED)
    handshake.receive(GREETING + credentials(b"ci", b"hush") + REQUEST)

    assert handshake.refuse_credentials() == [WRONG, REFUSED]
    assert handshake.receive(REQUEST) == []


def test_a_request_in_place_of_credentials_is_refused() -> None:
    events, _ = converse(greeting(NO_AUTHENTICATION, USERNAME_AND_PASSWORD) + REQUEST)

    assert events == [
        WANTED,
        WRONG,
        HandshakeFailed("the SOCKS client's user name comes in an unknown version"),
    ]


@pytest.mark.parametrize(
    ("username", "password"), [(b"", b"hush"), (b"ci", b""), (b"", b"")], ids=["user name", "password", "both"]
)
def test_an_empty_field_is_refused(username: bytes, password: bytes) -> None:
    events, _ = converse(GREETING, credentials(username, password))

    assert events == [WANTED, WRONG, HandshakeFailed("the SOCKS client's user name or password is empty")]


@pytest.mark.parametrize(
    ("username", "password"),
    [(b"u", b"p"), (b"u" * 255, b"p" * 255), (b"\x00\xff", b"a:b\r\n")],
    ids=["the shortest", "the longest", "any bytes"],
)
def test_fields_are_handed_on_as_they_are(username: bytes, password: bytes) -> None:
    events, _ = converse(GREETING, credentials(username, password))

    assert events == [WANTED, CredentialsOffered(username, password), RIGHT]


@pytest.mark.parametrize("accepts", [True, False], ids=["accepted", "refused"])
def test_a_handshake_is_the_same_however_the_bytes_arrive(accepts: bool) -> None:
    wire = greeting(NO_AUTHENTICATION, USERNAME_AND_PASSWORD) + credentials(b"ci", b"hush") + REQUEST + INNER
    expected = converse(wire, accepts=accepts)

    for size in range(1, len(wire) + 1):
        assert converse(*in_pieces(wire, size), accepts=accepts) == expected
    for position in range(len(wire)):
        assert converse(*cut_at(wire, [position]), accepts=accepts) == expected


def test_unfinished_credentials_are_waited_on() -> None:
    wire = GREETING + credentials(b"ci", b"hush")

    for position in range(len(GREETING), len(wire)):
        assert converse(wire[:position])[0] == [WANTED]


@pytest.mark.parametrize(
    "wire", [b"", GREETING, GREETING + credentials(b"ci", b"hush")[:-1], greeting(1)], ids=["0", "1", "2", "failed"]
)
def test_credentials_that_were_not_offered_cannot_be_answered(wire: bytes) -> None:
    handshake = Socks5ServerHandshake(Authentication.REQUIRED)
    handshake.receive(wire)

    with pytest.raises(RuntimeError, match="no credentials wait"):
        handshake.accept_credentials()
    with pytest.raises(RuntimeError, match="no credentials wait"):
        handshake.refuse_credentials()


def test_an_answer_counts_once() -> None:
    handshake = Socks5ServerHandshake(Authentication.REQUIRED)
    handshake.receive(GREETING + credentials(b"ci", b"hush"))
    handshake.refuse_credentials()

    with pytest.raises(RuntimeError, match="no credentials wait"):
        handshake.accept_credentials()


def test_a_password_is_not_shown() -> None:
    assert "hush" not in repr(OFFER)


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=8))
def test_random_bytes_give_one_outcome_at_any_split(noise: bytes, cuts: list[int]) -> None:
    wire = GREETING + b"\x01" + noise

    assert converse(*cut_at(wire, cuts)) == converse(wire)
    assert TUNNEL not in converse(wire, accepts=False)[0]


@given(st.binary(max_size=700))
def test_unfinished_credentials_never_hold_more_than_the_longest(noise: bytes) -> None:
    handshake = Socks5ServerHandshake(Authentication.REQUIRED)

    for byte in GREETING + b"\x01" + noise:
        if any(not isinstance(event, SendBytes) for event in handshake.receive(bytes((byte,)))):
            return
        assert len(handshake.unread) < 513
