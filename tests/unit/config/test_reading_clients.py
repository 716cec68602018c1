from ipaddress import ip_network

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.problems import Problems
from iron_proxy.config.reading import read_config
from iron_proxy.config.schema import ClientConfig

MINIMAL = "dns: {enabled: false}\ntls: {ca_cert: a, ca_key: b}\nproxy: {tunnel_listen: ':8080'}\n"
PASSWORD = "password: {type: env, var: CI_PASSWORD}"


def read_clients(*entries: str) -> tuple[tuple[ClientConfig, ...], Problems]:
    """The first entry stands on line 5."""
    text = MINIMAL + "clients:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)
    root = parse_config(text, "x")
    return read_config(root, {}).clients, root.problems


def test_without_the_key_there_are_no_clients() -> None:
    root = parse_config(MINIMAL, "x")

    assert read_config(root, {}).clients == ()
    assert root.problems.client_names == frozenset()


def test_a_client_has_addresses_or_a_password_or_both() -> None:
    clients, problems = read_clients(
        "name: ci, cidrs: [10.0.0.0/8, 'fd00::/8']",
        f"name: agent-1, {PASSWORD}",
        f"name: build.2, cidrs: [192.0.2.5/32], username: Builder, {PASSWORD}",
    )

    assert (problems.errors, problems.warnings) == ([], [])
    assert [(client.name, client.username, client.has_password) for client in clients] == [
        ("ci", "", False),
        ("agent-1", "agent-1", True),
        ("build.2", "Builder", True),
    ]
    assert clients[0].cidrs == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert problems.client_names == {"ci", "agent-1", "build.2"}


def test_the_source_of_a_password_is_left_for_its_builder() -> None:
    (client,), _ = read_clients(f"name: ci, {PASSWORD}")

    source = client.section.section("password")

    assert source is not None
    assert (source.path, source.text("type"), source.text("var")) == ("clients[0].password", "env", "CI_PASSWORD")


def test_a_network_of_mapped_addresses_is_the_ipv4_network() -> None:
    (client,), problems = read_clients("name: ci, cidrs: ['::ffff:10.0.0.0/104', '::ffff:192.0.2.1/128', '::/0']")

    assert problems.errors == []
    assert client.cidrs == tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.1/32", "::/0")))


def test_a_narrower_range_of_another_client_is_no_contradiction() -> None:
    _, problems = read_clients("name: office, cidrs: [10.0.0.0/8]", "name: ci, cidrs: [10.1.0.0/16, 10.1.2.3/32]")

    assert problems.errors == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("cidrs: [10.0.0.0/8]", ".name: is required"),
        ("name: a b, cidrs: [10.0.0.0/8]", '.name: "a b" is not a name: letters, digits, ".", "_" and "-"'),
        ("name: é, cidrs: [10.0.0.0/8]", '.name: "é" is not a name'),
        ("name: -a, cidrs: [10.0.0.0/8]", '.name: "-a" is not a name'),
        (f"name: {'a' * 65}, cidrs: [10.0.0.0/8]", f'.name: "{"a" * 65}" is not a name'),
        ("name: a", ": one of cidrs or password is required: nothing else tells who a client is"),
        ("name: a, cidrs: []", ": one of cidrs or password is required"),
        ("name: a, password: hush", ".password: must be a mapping"),
        ("name: a, cidrs: [10.0.0.1]", '.cidrs[0]: invalid CIDR "10.0.0.1": must be CIDR notation'),
        ("name: a, cidrs: [10.0.0.0/33]", '.cidrs[0]: invalid CIDR "10.0.0.0/33"'),
        (
            "name: a, cidrs: [10.1.2.3/8]",
            '.cidrs[0]: "10.1.2.3/8" has host bits; write 10.0.0.0/8 for the range or 10.1.2.3/32 for the address',
        ),
        (
            "name: a, cidrs: ['fd00::1/64']",
            '.cidrs[0]: "fd00::1/64" has host bits; write fd00::/64 for the range or fd00::1/128 for the address',
        ),
        ("name: a, cidrs: [10.0.0.0/8], username: x", ".username: means nothing without a password"),
        (f"name: a, {PASSWORD}, username: 'x:y'", ".username: must be printable, without a colon"),
        (f'name: a, {PASSWORD}, username: "x\\ty"', ".username: must be printable, without a colon"),
        (f"name: a, {PASSWORD}, username: {'ü' * 128}", ".username: must be printable, without a colon"),
        ("name: a, cidr: [10.0.0.0/8], cidrs: [10.0.0.0/8]", '.cidr: unknown key (did you mean "cidrs"?)'),
    ],
)
def test_a_bad_client_is_told_with_its_place(entry: str, message: str) -> None:
    _, problems = read_clients(entry)

    assert len(problems.errors) == 1
    assert problems.errors[0].startswith(f"x:5: clients[0]{message}")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            "name: a, cidrs: [10.0.0.0/8]",
            "name: a, cidrs: [10.1.0.0/16]",
            '.name: "a" is the name of an earlier client; names are unique',
        ),
        (
            f"name: a, username: u, {PASSWORD}",
            f"name: b, username: u, {PASSWORD}",
            '.username: "u" is the user name of a; user names are unique',
        ),
        (
            f"name: a, username: b, {PASSWORD}",
            f"name: b, {PASSWORD}",
            '.name: "b" is the user name of a; user names are unique',
        ),
        (
            "name: a, cidrs: [10.0.0.0/8]",
            "name: b, cidrs: [10.1.0.0/16, 10.0.0.0/8]",
            ".cidrs: 10.0.0.0/8 is both a's and b's; give one of them a narrower range",
        ),
        (
            "name: a, cidrs: [10.0.0.0/8]",
            "name: b, cidrs: ['::ffff:10.0.0.0/104']",
            ".cidrs: 10.0.0.0/8 is both a's and b's; give one of them a narrower range",
        ),
    ],
    ids=["name", "user name", "a name that is a user name", "range", "a mapped spelling of the range"],
)
def test_two_clients_cannot_be_told_apart_by_the_same_thing(first: str, second: str, message: str) -> None:
    _, problems = read_clients(first, second)

    assert problems.errors == [f"x:6: clients[1]{message}"]


def test_a_client_may_repeat_its_own_range() -> None:
    assert read_clients("name: a, cidrs: [10.0.0.0/8, 10.0.0.0/8]")[1].errors == []


def test_clients_that_are_no_list_are_told() -> None:
    root = parse_config(MINIMAL + "clients: {name: a}\n", "x")

    read_config(root, {})

    assert root.problems.errors == ["x:4: clients: must be a list of mappings"]
