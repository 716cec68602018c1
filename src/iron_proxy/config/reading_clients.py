"""
The `clients:` list: who may be told apart, by address, by password or by both.

Names, user names and CIDRs are checked against each other here; a password is left as the section of its source, since
sources of secrets are built higher up (`proxy/client_identity.py`). Called by `reading.py`, before anything that reads
rules, so that a rule may be told that its client does not exist.
"""

import ipaddress
import re
from typing import Final

from iron_proxy.config import schema
from iron_proxy.config.section import Section
from iron_proxy.config.value_kinds import parse_cidr

# Names stand in rules and audit records: one word that needs no quoting anywhere.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# What the one length byte of RFC 1929 can say. A colon ends the user name in HTTP's Basic scheme (RFC 7617).
_MAX_USERNAME: Final = 255
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


def read_clients(root: Section) -> tuple[schema.ClientConfig, ...]:
    """Read the list, and put the names where readers of rules find them (`Problems.client_names`)."""
    clients: list[schema.ClientConfig] = []
    owners: dict[schema.Network, str] = {}
    for entry in root.sections("clients"):
        client = _client(entry)
        _check_names(client, clients)
        _check_networks(client, owners)
        clients.append(client)
    root.problems.client_names = frozenset(client.name for client in clients)
    return tuple(clients)


def _client(entry: Section) -> schema.ClientConfig:
    name = _name(entry)
    has_password = entry.section("password") is not None
    cidrs = _cidrs(entry)
    if not entry.texts("cidrs") and not entry.has("password"):
        entry.problem(None, "one of cidrs or password is required: nothing else tells who a client is")
    client = schema.ClientConfig(name, cidrs, _username(entry, name, has_password), has_password, entry)
    entry.finish()
    return client


def _name(entry: Section) -> str:
    name = entry.required_text("name")
    if name and not _NAME.fullmatch(name):
        entry.problem("name", f'"{name}" is not a name: letters, digits, ".", "_" and "-", at most 64 of them')
    return name


def _username(entry: Section, name: str, has_password: bool) -> str:
    username = entry.text("username")
    if not has_password:
        if username and not entry.has("password"):
            entry.problem("username", "means nothing without a password; add password, or leave username out")
        return ""
    if ":" in username or not username.isprintable() or len(username.encode("utf-8", "replace")) > _MAX_USERNAME:
        entry.problem("username", f"must be printable, without a colon, and at most {_MAX_USERNAME} bytes long")
    return username or name


def _cidrs(entry: Section) -> tuple[schema.Network, ...]:
    networks = []
    for index, (text, line) in enumerate(entry.texts_with_lines("cidrs")):
        try:
            networks.append(_network(text))
        except ValueError as error:
            entry.problem_at(line, f"cidrs[{index}]", str(error))
    return tuple(networks)


def _network(text: str) -> schema.Network:
    """A CIDR, IPv4-mapped ones as IPv4. Raises ValueError, also for host bits: they would widen who is meant."""
    network = parse_cidr(text)
    address = text.strip().partition("/")[0]
    if network.network_address != ipaddress.ip_address(address):
        narrow = f"{address}/{network.max_prefixlen}"
        raise ValueError(f'"{text}" has host bits; write {network} for the range or {narrow} for the address')
    return _unmapped(network)


def _unmapped(network: schema.Network) -> schema.Network:
    # A client that reaches a dual-stack socket over IPv4 is known by its IPv4 address.
    if network.version == 6 and network.prefixlen >= _MAPPED.prefixlen and network.subnet_of(_MAPPED):
        number = int(network.network_address) & 0xFFFFFFFF
        return ipaddress.IPv4Network((number, network.prefixlen - _MAPPED.prefixlen))
    return network


# --- against each other ---------------------------------------------------------------------------------------------


def _check_names(client: schema.ClientConfig, earlier: list[schema.ClientConfig]) -> None:
    for other in earlier:
        if client.name and client.name == other.name:
            client.section.problem("name", f'"{client.name}" is the name of an earlier client; names are unique')
        elif client.username and client.username == other.username:
            key = "username" if client.section.has("username") else "name"
            client.section.problem(key, f'"{client.username}" is the user name of {other.name}; user names are unique')


def _check_networks(client: schema.ClientConfig, owners: dict[schema.Network, str]) -> None:
    """Of a range and a narrower one within it the narrower counts; the same range cannot be two clients'."""
    for network in client.cidrs:
        owner = owners.setdefault(network, client.name)
        if owner != client.name:
            remedy = "give one of them a narrower range"
            client.section.problem("cidrs", f"{network} is both {owner}'s and {client.name}'s; {remedy}")
