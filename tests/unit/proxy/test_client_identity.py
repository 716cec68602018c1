import base64
import logging
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path

import pytest
from tests.fakes.collector import left_to_the_collector
from tests.fakes.secret_source import FakeSource

from iron_proxy.config.loading import parse_config
from iron_proxy.config.reading import read_config
from iron_proxy.protocols.socks5 import Authentication
from iron_proxy.proxy.client_identity import (
    Client,
    ClientIdentities,
    build_identities,
    credentials_wanted,
    parse_basic,
)
from iron_proxy.secret_sources.registry import SourceContext

ANYWHERE = "192.0.2.9:50000"
MINIMAL = "dns: {enabled: false}\ntls: {ca_cert: a, ca_key: b}\nproxy: {tunnel_listen: ':8080'}\n"


def client(name: str, *cidrs: str, password: FakeSource | None = None, username: str = "") -> Client:
    return Client(name, tuple(map(ip_network, cidrs)), username or name, password)


def source(*values: str | None) -> FakeSource:
    return FakeSource("PASSWORD", *values)


# --- by address -----------------------------------------------------------------------------------------------------

OFFICE = ClientIdentities(
    [
        client("office", "10.0.0.0/8", "fd00::/8"),
        client("ci", "10.1.0.0/16", "10.3.0.0/16"),
        client("one", "10.1.2.3/32", "2001:db8::1/128"),
        client("guarded", "10.2.0.0/16", password=source("hush")),
    ]
)


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("10.9.9.9:1", "office"),
        ("10.1.9.9:1", "ci"),
        ("10.3.0.0:65535", "ci"),
        ("10.1.2.3:1", "one"),
        ("10.1.2.4:1", "ci"),
        ("[fd00::1]:443", "office"),
        ("[fd00::1%eth0]:443", "office"),
        ("[2001:db8::1]:443", "one"),
        ("[2001:db8::2]:443", ""),
        ("[::ffff:10.1.2.3]:443", "one"),
        ("11.0.0.1:1", ""),
        ("10.2.0.1:1", ""),
        ("", ""),
        ("unix", ""),
        ("host.test:1", ""),
    ],
    ids=[
        "the wide range",
        "a range within it",
        "the first address of a range",
        "one address within that",
        "its neighbour",
        "IPv6",
        "IPv6 with a zone",
        "one IPv6 address",
        "its IPv6 neighbour",
        "IPv4 mapped into IPv6",
        "outside",
        "a client that needs its password too, and not the wider range's",
        "no peer",
        "no address",
        "a name",
    ],
)
def test_the_narrowest_network_tells_the_client(peer: str, expected: str) -> None:
    assert OFFICE.by_address(peer) == expected
    assert OFFICE.by_address(peer) == expected


def test_a_network_of_everything_tells_every_client_of_its_family() -> None:
    identities = ClientIdentities([client("v4", "0.0.0.0/0")])

    assert identities.by_address("203.0.113.1:1") == "v4"
    assert identities.by_address("[2001:db8::1]:1") == ""


def test_without_clients_nobody_is_known() -> None:
    identities = ClientIdentities()

    assert identities.by_address(ANYWHERE) == ""
    assert not identities.takes_credentials


# --- by credentials -------------------------------------------------------------------------------------------------


def identities_with_passwords() -> ClientIdentities:
    return ClientIdentities(
        [
            client("agent", password=source("hush")),
            client("build", password=source("grün: x"), username="Builder"),
            client("both", "10.0.0.0/8", password=source("both")),
            client("ci", "10.1.0.0/16"),
        ]
    )


@pytest.mark.parametrize(
    ("username", "password", "peer", "expected"),
    [
        (b"agent", b"hush", ANYWHERE, "agent"),
        (b"Builder", "grün: x".encode(), ANYWHERE, "build"),
        (b"both", b"both", "10.9.9.9:1", "both"),
        (b"agent", b"hush", "10.1.0.1:1", "agent"),
        (b"agent", b"Hush", ANYWHERE, None),
        (b"agent", b"hush ", ANYWHERE, None),
        (b"agent", b"", ANYWHERE, None),
        (b"agent", b"h" * 100_000, ANYWHERE, None),
        (b"Agent", b"hush", ANYWHERE, None),
        (b"build", "grün: x".encode(), ANYWHERE, None),
        (b"ci", b"", "10.1.0.1:1", None),
        (b"nobody", b"hush", ANYWHERE, None),
        (b"\xff", b"\xff", ANYWHERE, None),
        (b"both", b"both", ANYWHERE, None),
        (b"both", b"both", "10.1.0.1:1", None),
        (b"both", b"wrong", "10.9.9.9:1", None),
    ],
    ids=[
        "right",
        "a user name of its own, and UTF-8",
        "the password from the right network",
        "a password from another client's network",
        "another case",
        "a space more",
        "empty",
        "long",
        "a user name in another case",
        "the name in place of the user name",
        "a client without a password",
        "an unknown user",
        "bytes that are no text",
        "the right password from elsewhere",
        "the right password from another client's narrower network",
        "the right network with a wrong password",
    ],
)
async def test_user_name_and_password_tell_the_client(
    username: bytes, password: bytes, peer: str, expected: str | None
) -> None:
    assert await identities_with_passwords().by_credentials(username, password, peer) == expected


async def test_a_password_may_change_while_the_proxy_runs() -> None:
    identities = ClientIdentities([client("agent", password=source("old", "new"))])

    assert await identities.by_credentials(b"agent", b"old", ANYWHERE) == "agent"
    assert await identities.by_credentials(b"agent", b"old", ANYWHERE) is None
    assert await identities.by_credentials(b"agent", b"new", ANYWHERE) == "agent"


async def test_a_password_that_cannot_be_had_refuses_its_client_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    identities = ClientIdentities([client("agent", password=source(None, "hush"))])

    with caplog.at_level(logging.WARNING, "iron_proxy.clients"):
        refused = await identities.by_credentials(b"agent", b"hush", ANYWHERE)

    assert refused is None
    assert [record.getMessage() for record in caplog.records] == [
        "a client's password cannot be had; the client is refused"
    ]
    assert await identities.by_credentials(b"agent", b"hush", ANYWHERE) == "agent"


async def test_a_password_file_that_ends_in_a_newline_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "password").write_text("hush\n")
    identities = build(f"- name: ci\n  password: {{type: file, path: '{tmp_path}/password'}}")

    with caplog.at_level(logging.WARNING, "iron_proxy.clients"):
        tried = [await identities.by_credentials(b"ci", b"hush", ANYWHERE) for _ in range(2)]

    assert tried == [None, None]
    assert [record.getMessage() for record in caplog.records] == ["a client's password is not what it seems"]
    assert "hush" not in str(vars(caplog.records[0]))


# --- SOCKS5 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clients", "peer", "required", "expected"),
    [
        ([], ANYWHERE, False, Authentication.NONE),
        ([client("ci", "10.0.0.0/8")], ANYWHERE, True, Authentication.NONE),
        ([client("agent", password=source("x"))], ANYWHERE, False, Authentication.OPTIONAL),
        ([client("agent", password=source("x"))], ANYWHERE, True, Authentication.REQUIRED),
        (
            [client("agent", password=source("x")), client("ci", "10.0.0.0/8")],
            "10.0.0.1:1",
            True,
            Authentication.OPTIONAL,
        ),
        ([client("both", "10.0.0.0/8", password=source("x"))], "10.0.0.1:1", True, Authentication.REQUIRED),
    ],
    ids=[
        "no clients",
        "addresses only",
        "passwords",
        "a client is required",
        "the address tells the client",
        "the address alone does not",
    ],
)
def test_a_socks_client_is_asked_for_a_password_when_it_could_matter(
    clients: Iterable[Client], peer: str, required: bool, expected: Authentication
) -> None:
    assert ClientIdentities(clients).authentication_for(peer, required=required) is expected


# --- Proxy-Authorization --------------------------------------------------------------------------------------------


def basic(credentials: bytes, scheme: bytes = b"Basic ") -> bytes:
    return scheme + base64.b64encode(credentials)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (basic(b"ci:hush"), (b"ci", b"hush")),
        (basic(b"ci:hush", b"bAsIc "), (b"ci", b"hush")),
        (basic(b"ci:hush", b"Basic   "), (b"ci", b"hush")),
        (basic(b"ci:a:b:"), (b"ci", b"a:b:")),
        (basic(b"ci:"), (b"ci", b"")),
        (basic("ü:grün".encode()), ("ü".encode(), "grün".encode())),
        (basic(b"c\xff:\xfe"), (b"c\xff", b"\xfe")),
    ],
    ids=["plain", "scheme in another case", "spaces", "colons", "no password", "UTF-8", "Latin-1"],
)
def test_basic_credentials_are_read(value: bytes, expected: tuple[bytes, bytes]) -> None:
    assert parse_basic(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Basic",
        b"Basic ",
        basic(b"ci:hush", b"Basic"),
        basic(b"ci:hush", b"Basic\t"),
        basic(b"ci:hush", b" Basic "),
        basic(b"ci:hush", b"Bearer "),
        basic(b"ci:hush") + b" ",
        basic(b"ci:hush") + b"\n",
        basic(b"ci:hush").rstrip(b"="),
        basic(b"ci:hush") + b"=",
        b"Basic Y2k6aHVzaB==",
        b"Basic Y2k6\n aHVzaA==",
        b"Basic Y2k6-_==",
        b"Basic Y",
        b"Basic ====",
        basic(b"hush"),
        basic(b":hush"),
        basic(b"ci:hu\0sh"),
        basic(b"c\ri:hush"),
        basic(b"ci:hush\x7f"),
        b"Ba\xc5\xbfic Y2k6aHVzaA==",
    ],
    ids=[
        "empty",
        "the scheme alone",
        "nothing behind the space",
        "no space",
        "a tab",
        "a space before",
        "another scheme",
        "a space behind",
        "a newline behind",
        "no padding",
        "padding too much",
        "a second spelling of the last bits",
        "a newline within",
        "the alphabet of URLs",
        "one letter",
        "only padding",
        "no colon",
        "no user name",
        "a NUL",
        "a control character in the user name",
        "DEL",
        "a long s",
    ],
)
def test_what_is_not_exactly_basic_is_refused(value: bytes) -> None:
    assert parse_basic(value) is None


@pytest.mark.parametrize(
    ("value", "peer", "expected"),
    [
        (None, ANYWHERE, ""),
        (None, "10.1.0.1:1", "ci"),
        (None, "10.9.9.9:1", ""),
        (basic(b"agent:hush"), ANYWHERE, "agent"),
        (basic(b"agent:hush"), "10.1.0.1:1", "agent"),
        (basic(b"both:both"), "10.9.9.9:1", "both"),
        (basic(b"agent:wrong"), ANYWHERE, None),
        (basic(b"agent:wrong"), "10.1.0.1:1", None),
        (b"Bearer agent", "10.1.0.1:1", None),
        (b"", "10.1.0.1:1", None),
    ],
    ids=[
        "nothing tells it",
        "its address",
        "an address that needs a password too",
        "its password",
        "its password, which says more than the address",
        "both",
        "a wrong password",
        "a wrong password is not made up for by the address",
        "another scheme",
        "an empty field",
    ],
)
async def test_a_proxy_authorization_field_tells_the_client(
    value: bytes | None, peer: str, expected: str | None
) -> None:
    assert await identities_with_passwords().by_proxy_authorization(value, peer) == expected


async def test_without_passwords_the_field_is_for_the_transforms() -> None:
    identities = ClientIdentities([client("ci", "10.0.0.0/8")])

    assert await identities.by_proxy_authorization(b"Bearer x", "10.0.0.1:1") == "ci"
    assert await identities.by_proxy_authorization(b"Bearer x", ANYWHERE) == ""


def test_the_answer_to_missing_credentials_names_scheme_and_realm() -> None:
    response = credentials_wanted()

    assert response.status == 407
    assert response.headers.get(b"proxy-authenticate") == b'Basic realm="iron-proxy"'


# --- from a configuration -------------------------------------------------------------------------------------------


def build(clients: str, environment: dict[str, str] | None = None) -> ClientIdentities:
    root = parse_config(f"{MINIMAL}clients:\n{clients}", "x")
    config = read_config(root, {})
    identities = build_identities(config.clients, SourceContext(environment or {}))
    root.problems.raise_if_any()
    return identities


async def test_clients_are_built_from_their_configuration() -> None:
    identities = build(
        "- {name: ci, cidrs: [10.0.0.0/8]}\n- {name: agent, username: bot, password: {type: env, var: BOT}}\n",
        {"BOT": "hush"},
    )

    assert identities.by_address("10.0.0.1:1") == "ci"
    assert await identities.by_credentials(b"bot", b"hush", ANYWHERE) == "agent"


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("{}", "clients[0]: password.type is required"),
        ("{type: enw, var: X}", 'clients[0]: unsupported source type "enw" (did you mean "env"?)'),
        ("{type: vault}", 'clients[0]: source type "vault" is not available in this version'),
        ("{type: env}", 'clients[0].password: env source requires "var" field'),
        ("{type: env, var: X, tll: 1s}", 'clients[0].password.tll: unknown key (did you mean "ttl"?)'),
    ],
)
def test_a_bad_source_is_told_with_its_place(password: str, message: str) -> None:
    root = parse_config(f"{MINIMAL}clients:\n- name: ci\n  password: {password}\n", "x")
    config = read_config(root, {})

    build_identities(config.clients, SourceContext({}))

    assert len(root.problems.errors) == 1
    assert root.problems.errors[0].split(": ", 1)[1].startswith(message)


def test_clients_that_a_reload_has_replaced_go_without_the_collector() -> None:
    clients = [client("ci", "10.1.0.0/16"), client("guarded", "10.2.0.0/16", password=source("hush"))]

    assert left_to_the_collector(lambda: ClientIdentities(clients).by_address("10.1.2.3:1")) == 0
