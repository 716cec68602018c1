import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.errors import BadRequest, UpstreamProtocolError
from iron_proxy.messages.headers import Headers, Pair
from iron_proxy.protocols.websocket_handshake import (
    UpgradeOffer,
    check_upgrade_request,
    expected_accept,
    verify_named_switch,
    verify_switch,
    wanted_upgrade,
    wants_websocket,
)

# The example of RFC 6455 section 1.3.
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

ASKED: list[Pair] = [(b"Sec-WebSocket-Key", KEY), (b"sec-websocket-version", b"13")]
ANSWERED: list[Pair] = [(b"Sec-WebSocket-Accept", ACCEPT)]
OFFER = UpgradeOffer(KEY, frozenset((b"chat", b"superchat")), frozenset((b"permessage-deflate",)))
UPGRADE = frozenset((b"upgrade",))


@pytest.mark.parametrize(
    ("upgrade", "connection", "wanted"),
    [
        ([b"websocket"], {b"upgrade"}, True),
        ([b"websocket"], {b"keep-alive", b"upgrade"}, True),
        ([b"WebSocket"], {b"upgrade"}, True),
        ([], {b"upgrade"}, False),
        ([b"websocket"], {b"notupgrade"}, False),
        ([b"websocket"], {b"keep-alive"}, False),
        ([b"websocket"], set(), False),
        ([b"h2c"], {b"upgrade"}, False),
        ([b"websocket, h2c"], {b"upgrade"}, False),
        ([b"websocket", b"h2c"], {b"upgrade"}, False),
        ([b"websocket", b"websocket"], {b"upgrade"}, False),
        ([b""], {b"upgrade"}, False),
    ],
    ids=[
        "upgrade",
        "keep-alive and upgrade",
        "mixed case",
        "no Upgrade",
        "an option that only ends in upgrade",
        "keep-alive alone",
        "no Connection",
        "h2c",
        "a list of protocols",
        "two Upgrade fields",
        "the same Upgrade twice",
        "an empty Upgrade",
    ],
)
def test_a_websocket_is_wanted_by_upgrade_and_connection_together(
    upgrade: list[bytes], connection: set[bytes], wanted: bool
) -> None:
    assert wants_websocket(upgrade, frozenset(connection)) is wanted


@pytest.mark.parametrize(
    ("upgrade", "connection", "wanted"),
    [
        ([b"websocket"], {b"upgrade"}, b"websocket"),
        ([b"WebSocket"], {b"keep-alive", b"upgrade"}, b"websocket"),
        ([b"tcp"], {b"upgrade"}, b"tcp"),
        ([b"SPDY/3.1"], {b"upgrade"}, b"spdy/3.1"),
        ([b"tcp"], {b"keep-alive"}, None),
        ([b"tcp"], set(), None),
        ([], {b"upgrade"}, None),
        ([b""], {b"upgrade"}, None),
        ([b"h2c"], {b"upgrade", b"http2-settings"}, None),
        ([b"H2C, h2c", b"h2c"], {b"upgrade"}, None),
        ([b"h2c, tcp"], {b"upgrade"}, b"tcp"),
        ([b"websocket, tcp"], {b"upgrade"}, b"websocket, tcp"),
        ([b"websocket", b"websocket"], {b"upgrade"}, b"websocket, websocket"),
    ],
    ids=[
        "websocket", "mixed case", "another protocol", "a protocol with a version", "not in Connection",
        "no Connection", "no Upgrade", "an empty Upgrade", "h2c", "h2c thrice", "h2c or another", "a list",
        "the same twice",
    ],
)  # fmt: skip
def test_what_a_request_asks_to_be_switched_to(
    upgrade: list[bytes], connection: set[bytes], wanted: bytes | None
) -> None:
    assert wanted_upgrade(upgrade, frozenset(connection)) == wanted


def test_a_switch_to_the_protocol_that_was_asked_for_passes() -> None:
    verify_named_switch(b"tcp", [b"TCP"], frozenset((b"upgrade", b"keep-alive")))


@pytest.mark.parametrize(
    ("upgrade", "connection"),
    [([b"h2c"], {b"upgrade"}), ([], {b"upgrade"}), ([b"tcp"], set()), ([b"tcp", b"tcp"], {b"upgrade"})],
    ids=["another", "none", "not in Connection", "twice"],
)
def test_a_switch_to_anything_else_is_refused(upgrade: list[bytes], connection: set[bytes]) -> None:
    with pytest.raises(UpstreamProtocolError, match="does not name the protocol"):
        verify_named_switch(b"tcp", upgrade, frozenset(connection))


def test_an_upgrade_request_as_rfc_6455_wants_it_passes() -> None:
    check_upgrade_request(Headers(ASKED), "GET", 1, has_body=False)


@pytest.mark.parametrize("method", ["POST", "HEAD", "get", "OPTIONS"])
def test_only_a_get_request_can_upgrade(method: str) -> None:
    with pytest.raises(BadRequest, match="must be a GET request"):
        check_upgrade_request(Headers(ASKED), method, 1, has_body=False)


def test_an_http_1_0_request_cannot_upgrade() -> None:
    with pytest.raises(BadRequest, match=r"must be an HTTP/1\.1 request"):
        check_upgrade_request(Headers(ASKED), "GET", 0, has_body=False)


def test_a_request_with_a_body_cannot_upgrade() -> None:
    with pytest.raises(BadRequest, match="must not have a body"):
        check_upgrade_request(Headers(ASKED), "GET", 1, has_body=True)


@pytest.mark.parametrize(
    "values",
    [[], [b"8"], [b"13", b"13"], [b"13, 8"], [b"013"], [b""]],
    ids=["missing", "an older one", "twice", "a list", "a leading zero", "empty"],
)
def test_the_version_must_be_13(values: list[bytes]) -> None:
    headers = Headers([ASKED[0], *((b"Sec-WebSocket-Version", value) for value in values)])

    with pytest.raises(BadRequest, match="Sec-WebSocket-Version must be 13") as refusal:
        check_upgrade_request(headers, "GET", 1, has_body=False)

    assert refusal.value.status == 400


BAD_KEYS = pytest.mark.parametrize(
    "values",
    [
        [],
        [KEY, KEY],
        [b""],
        [base64.b64encode(bytes(15))],
        [base64.b64encode(bytes(17))],
        [KEY[:-2]],
        [KEY[:-1]],
        [KEY + b"\n"],
        [KEY[:-3] + b"-=="],
        [KEY + b", " + KEY],
        [b"=" * 24],
    ],
    ids=[
        "missing",
        "twice",
        "empty",
        "15 bytes",
        "17 bytes",
        "without padding",
        "with half its padding",
        "a line feed after it",
        "the URL-safe alphabet",
        "a list",
        "only padding",
    ],
)


@BAD_KEYS
def test_a_request_without_one_well_formed_key_is_refused(values: list[bytes]) -> None:
    headers = Headers([ASKED[1], *((b"Sec-WebSocket-Key", value) for value in values)])

    with pytest.raises(BadRequest, match="Sec-WebSocket-Key must be given once"):
        check_upgrade_request(headers, "GET", 1, has_body=False)


@BAD_KEYS
def test_no_offer_is_made_without_one_well_formed_key(values: list[bytes]) -> None:
    headers = Headers([(b"Sec-WebSocket-Key", value) for value in values])

    with pytest.raises(BadRequest, match="Sec-WebSocket-Key must be given once"):
        UpgradeOffer.of(headers)


def test_an_offer_collects_protocols_and_extensions_over_all_lines() -> None:
    headers = Headers(
        [
            *ASKED,
            (b"Sec-WebSocket-Protocol", b"chat , superchat,,"),
            (b"sec-websocket-protocol", b"graphql-ws"),
            (b"Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits, foo ;x"),
            (b"Sec-WebSocket-Extensions", b"permessage-deflate"),
        ]
    )

    offer = UpgradeOffer.of(headers)

    assert offer == UpgradeOffer(
        KEY, frozenset((b"chat", b"superchat", b"graphql-ws")), frozenset((b"permessage-deflate", b"foo"))
    )


def test_an_offer_may_be_of_nothing_but_the_key() -> None:
    assert UpgradeOffer.of(Headers(ASKED)) == UpgradeOffer(KEY, frozenset(), frozenset())


def test_the_accept_value_is_that_of_the_rfc() -> None:
    assert expected_accept(KEY) == ACCEPT


@pytest.mark.parametrize(
    "chosen",
    [
        [],
        [(b"Sec-WebSocket-Protocol", b"superchat")],
        [(b"Sec-WebSocket-Extensions", b"permessage-deflate; server_no_context_takeover")],
        [(b"Server", b"x"), (b"sec-websocket-protocol", b"chat"), (b"sec-websocket-extensions", b"permessage-deflate")],
    ],
    ids=["nothing chosen", "an offered protocol", "an offered extension", "both"],
)
def test_a_switch_to_what_was_offered_is_accepted(chosen: list[Pair]) -> None:
    verify_switch(101, [b"WebSocket"], frozenset((b"upgrade", b"keep-alive")), Headers(ANSWERED + chosen), OFFER)


@pytest.mark.parametrize("status", [100, 200, 204, 400, 426, 502])
def test_any_status_but_101_is_no_switch(status: int) -> None:
    with pytest.raises(UpstreamProtocolError, match="did not switch"):
        verify_switch(status, [b"websocket"], UPGRADE, Headers(ANSWERED), OFFER)


@pytest.mark.parametrize(
    ("upgrade", "connection"),
    [([], UPGRADE), ([b"h2c"], UPGRADE), ([b"websocket", b"h2c"], UPGRADE), ([b"websocket"], frozenset((b"close",)))],
    ids=["no Upgrade", "another protocol", "two protocols", "no upgrade in Connection"],
)
def test_a_101_must_name_websocket(upgrade: list[bytes], connection: frozenset[bytes]) -> None:
    with pytest.raises(UpstreamProtocolError, match="does not name WebSocket"):
        verify_switch(101, upgrade, connection, Headers(ANSWERED), OFFER)


@pytest.mark.parametrize(
    "values",
    [[], [ACCEPT, ACCEPT], [ACCEPT.lower()], [KEY], [ACCEPT[:-1]], [b""]],
    ids=["missing", "twice", "in another case", "the key sent back", "cut short", "empty"],
)
def test_a_101_must_answer_the_key(values: list[bytes]) -> None:
    headers = Headers([(b"Sec-WebSocket-Accept", value) for value in values])

    with pytest.raises(UpstreamProtocolError, match="does not answer the key"):
        verify_switch(101, [b"websocket"], UPGRADE, headers, OFFER)


@pytest.mark.parametrize(
    "values",
    [[b"mqtt"], [b"chat", b"superchat"], [b"chat", b"chat"], [b"chat, superchat"], [b"CHAT"], [b""]],
    ids=["another", "two", "the same twice", "a list", "in another case", "empty"],
)
def test_a_101_may_choose_only_one_sub_protocol_that_was_offered(values: list[bytes]) -> None:
    headers = Headers([*ANSWERED, *((b"Sec-WebSocket-Protocol", value) for value in values)])

    with pytest.raises(UpstreamProtocolError, match="sub-protocol that was not offered"):
        verify_switch(101, [b"websocket"], UPGRADE, headers, OFFER)


@pytest.mark.parametrize(
    "values",
    [
        [b"bbf-usp-protocol"],
        [b"permessage-deflate, x"],
        [b"permessage-deflate", b"x; y=1"],
        [b"; a"],
        [b'permessage-deflate; a="b,c"'],
    ],
    ids=["another", "one more", "one more on its own line", "a name missing", "a comma in quotes"],
)
def test_a_101_may_choose_only_extensions_that_were_offered(values: list[bytes]) -> None:
    headers = Headers([*ANSWERED, *((b"Sec-WebSocket-Extensions", value) for value in values)])

    with pytest.raises(UpstreamProtocolError, match="extension that was not offered"):
        verify_switch(101, [b"websocket"], UPGRADE, headers, OFFER)


NAMES = st.sampled_from(
    [name for name, _ in ASKED + ANSWERED] + [b"Sec-WebSocket-Protocol", b"Sec-WebSocket-Extensions"]
)
VALUES = st.binary(max_size=40) | st.sampled_from([KEY, ACCEPT, b"13", b"chat"])


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_random_fields_raise_nothing_but_our_errors(pairs: list[Pair]) -> None:
    headers = Headers(pairs)

    for check in (
        lambda: check_upgrade_request(headers, "GET", 1, has_body=False),
        lambda: UpgradeOffer.of(headers),
        lambda: verify_switch(101, [b"websocket"], UPGRADE, headers, OFFER),
    ):
        try:
            check()
        except (BadRequest, UpstreamProtocolError):
            pass


@given(st.binary(min_size=16, max_size=16))
def test_every_key_of_16_bytes_is_answered_by_its_own_accept(nonce: bytes) -> None:
    offer = UpgradeOffer.of(Headers([(b"Sec-WebSocket-Key", base64.b64encode(nonce))]))

    verify_switch(101, [b"websocket"], UPGRADE, Headers([(b"Sec-WebSocket-Accept", expected_accept(offer.key))]), offer)
