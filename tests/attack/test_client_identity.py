"""Passing for another client: by address, by password, by how either is written, or by a slip in a rule."""

import base64
import hmac
import pickle
from ipaddress import ip_network

import pytest
from tests.fakes.secret_source import FakeSource
from tests.wire.socks5_messages import (
    NO_AUTHENTICATION,
    USERNAME_AND_PASSWORD,
    credentials,
    greeting,
    request_for_domain,
)

from iron_proxy.config.loading import load_config
from iron_proxy.errors import ConfigError
from iron_proxy.matching.rule import Mismatch, Rule
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.protocols.socks5 import (
    Authentication,
    CredentialsOffered,
    HandshakeFailed,
    SendBytes,
    Socks5ServerHandshake,
    TunnelRequested,
)
from iron_proxy.proxy.client_identity import Client, ClientIdentities, parse_basic

PASSWORD = "CANARY-client-5f3e"
ANYWHERE = "192.0.2.9:50000"
MINIMAL = "dns: {enabled: false}\ntls: {ca_cert: a, ca_key: b}\nproxy: {tunnel_listen: ':8080'}\n"


@pytest.fixture
def identities() -> ClientIdentities:
    return ClientIdentities(
        [
            Client("office", (ip_network("10.0.0.0/8"),)),
            Client("guarded", (ip_network("10.1.0.0/16"),), "guarded", FakeSource("GUARDED", PASSWORD)),
            Client("agent", (), "agent", FakeSource("AGENT", PASSWORD)),
        ]
    )


@pytest.mark.parametrize(
    "peer",
    ["10.1.2.3:1", "[::ffff:10.1.2.3]:1", "[::ffff:0a01:0203]:1"],
    ids=["IPv4", "mapped", "mapped in hexadecimal"],
)
def test_an_address_of_a_guarded_client_is_no_other_client_either(identities: ClientIdentities, peer: str) -> None:
    assert identities.by_address(peer) == ""


@pytest.mark.parametrize("peer", ["[64:ff9b::a01:203]:1", "[2002:a01:203::1]:1", "[::10.0.0.1]:1", "010.0.0.1:1"])
def test_an_address_that_merely_carries_another_is_not_that_client(identities: ClientIdentities, peer: str) -> None:
    assert identities.by_address(peer) == ""


@pytest.mark.parametrize("username", [b"agent", b"nobody"], ids=["a user that is there", "one that is not"])
@pytest.mark.parametrize("guess", [b"", b"x", b"x" * 5000], ids=["empty", "short", "long"])
async def test_a_guess_costs_the_same_comparison_whoever_is_named(
    identities: ClientIdentities, monkeypatch: pytest.MonkeyPatch, username: bytes, guess: bytes
) -> None:
    compared: list[tuple[int, int]] = []

    def note(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return original(one, other)

    original = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", note)

    assert await identities.by_credentials(username, guess, ANYWHERE) is None
    assert compared == [(32, 32)]


async def test_a_stolen_password_is_worth_nothing_from_elsewhere(identities: ClientIdentities) -> None:
    assert await identities.by_credentials(b"guarded", PASSWORD.encode(), ANYWHERE) is None
    assert await identities.by_credentials(b"guarded", PASSWORD.encode(), "10.1.2.3:1") == "guarded"


@pytest.mark.parametrize(
    "username", [b"agent\0", b"agent ", b"AGENT", b"agent:x", b"", b"\xef\xbb\xbfagent", "ａgent".encode()]
)
async def test_a_user_name_is_compared_by_its_bytes(identities: ClientIdentities, username: bytes) -> None:
    assert await identities.by_credentials(username, PASSWORD.encode(), ANYWHERE) is None


def test_a_header_and_socks_read_one_user_name_the_same_way() -> None:
    """With a colon in it they could not, so none is configured with one."""
    assert parse_basic(b"Basic " + base64.b64encode(b"a:b:c")) == (b"a", b"b:c")
    with pytest.raises(ConfigError, match="without a colon"):
        load_config("x", {}, lambda _: f"{MINIMAL}clients: [{{name: a, username: 'a:b', password: {{}}}}]".encode())


@pytest.mark.parametrize("methods", [(NO_AUTHENTICATION,), (), (1,), (NO_AUTHENTICATION, 1)])
def test_a_socks_client_does_not_talk_its_way_out_of_a_password(methods: tuple[int, ...]) -> None:
    handshake = Socks5ServerHandshake(Authentication.REQUIRED)

    events = handshake.receive(greeting(*methods) + request_for_domain(b"ok.test", 443))

    assert events[0] == SendBytes(b"\x05\xff")
    assert isinstance(events[-1], HandshakeFailed)
    assert not any(isinstance(event, TunnelRequested) for event in events)


def test_a_request_sent_ahead_of_the_decision_is_no_request() -> None:
    handshake = Socks5ServerHandshake(Authentication.REQUIRED)
    request = request_for_domain(b"ok.test", 443)

    events = handshake.receive(greeting(USERNAME_AND_PASSWORD) + credentials(b"agent", b"wrong") + request)
    events += handshake.refuse_credentials()
    events += handshake.receive(request)

    assert not any(isinstance(event, TunnelRequested) for event in events)
    assert isinstance(events[-1], HandshakeFailed)


def test_a_password_is_in_nothing_that_can_be_printed(identities: ClientIdentities) -> None:
    offer = CredentialsOffered(b"agent", PASSWORD.encode())

    assert PASSWORD not in f"{offer!r} {offer} {identities!r} {vars(identities)!r}"


async def test_what_is_kept_of_a_password_is_not_the_password(identities: ClientIdentities) -> None:
    await identities.by_credentials(b"agent", PASSWORD.encode(), ANYWHERE)

    (_, digest) = next(iter(identities._digests.values()))
    assert PASSWORD not in f"{vars(identities)!r}"
    assert PASSWORD.encode() not in digest
    with pytest.raises(TypeError):
        pickle.dumps(next(iter(identities._digests.values()))[0])


@pytest.mark.parametrize("client", ["", "CI", "ci ", "ci\0", "*"])
def test_a_rule_for_a_client_fits_no_other(client: str) -> None:
    rule = Rule(Rule.for_host("*").host, clients=frozenset(("ci",)))
    request = Request("GET", "https", Target("ok.test", 443), b"/")
    request.client_name = client

    assert rule.mismatch_of(request) is Mismatch.CLIENT
    assert not rule.could_match(request.target, client)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("clients: [{name: ci, cidrs: [10.1.2.3/8]}]", "has host bits"),
        ("clients: [{name: ci, cidrs: [10.0.0.0/8]}, {name: b, cidrs: [10.0.0.0/8]}]", "is both ci's and b's"),
        ("clients: [{name: ci, cidr: 10.0.0.0/8}]", "unknown key"),
        ("clients: [{name: ci}]", "one of cidrs or password is required"),
    ],
    ids=["a range that is wider than it looks", "a range of two clients", "a slip in a key", "nothing that tells it"],
)
def test_a_client_that_would_be_somebody_else_does_not_load(yaml: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("x", {}, lambda _: (MINIMAL + yaml).encode())
