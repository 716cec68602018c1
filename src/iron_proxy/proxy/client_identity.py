"""
Who a client is, as `clients:` in the configuration tells them apart: by address, by password, or by both.

An address is looked up once per connection (`by_address`); a user name and password come with CONNECT or a forward
proxy request (`by_proxy_authorization`) or with SOCKS5 (`by_credentials`). How often somebody may guess is not limited
here: each failure leaves an audit record. What a client may do is said by rules (`matching/rule.py`).
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import logging
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

from iron_proxy.config.schema import ClientConfig, Network
from iron_proxy.errors import SecretUnavailable
from iron_proxy.messages.response import Response, plain_text
from iron_proxy.protocols.socks5 import Authentication
from iron_proxy.secret_sources.registry import SourceContext, build_source
from iron_proxy.secret_sources.source import Secret, Source, close_source

# A proxy has tens of clients, of which each has an address or a few. An entry is some 200 bytes, so whoever comes from
# ever new addresses fills at most some 800 KiB; a miss costs microseconds.
_ADDRESSES_REMEMBERED: Final = 4096
# RFC 7617: the scheme in any case, and base64 with its padding (RFC 7235 allows more spaces than one).
_BASIC: Final = re.compile(rb"[Bb][Aa][Ss][Ii][Cc] +([A-Za-z0-9+/]+={0,2})")
_CHALLENGE: Final = b'Basic realm="iron-proxy"'

_log = logging.getLogger("iron_proxy.clients")


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """A client and what tells it apart. With both networks and a password it has to show both."""

    name: str
    networks: tuple[Network, ...] = ()
    username: str = ""
    password: Source | None = None


# The narrowest first: (version, shift) → network → client.
_Networks = list[tuple[tuple[int, int], dict[int, Client]]]


class ClientIdentities:
    """All clients. Shared by all connections; immutable but for what it remembers."""

    def __init__(self, clients: Iterable[Client] = ()) -> None:
        self._by_username: dict[bytes, Client] = {}
        clients = tuple(clients)
        # For each prefix length the networks by number, the longest prefix first.
        networks: dict[tuple[int, int], dict[int, Client]] = {}
        for client in clients:
            if client.password is not None:
                self._by_username[client.username.encode()] = client
            for network in client.networks:
                shift = network.max_prefixlen - network.prefixlen
                networks.setdefault((network.version, shift), {})[int(network.network_address) >> shift] = client
        self._networks: _Networks = sorted(networks.items(), key=lambda item: item[0][1])
        self._names = frozenset(client.name for client in clients)
        self._owner_of_host = lru_cache(maxsize=_ADDRESSES_REMEMBERED)(partial(_find_owner, self._networks))
        # Digests are compared, not passwords: their length is the same whatever was guessed, and a key of this process
        # makes them worthless elsewhere.
        self._key = secrets.token_bytes(32)
        self._digests: dict[Client, tuple[Secret, bytes]] = {}
        self._decoy = secrets.token_bytes(32)

    @property
    def takes_credentials(self) -> bool:
        """Whether any client has a password. If none has, Proxy-Authorization is left to the transforms."""
        return bool(self._by_username)

    def includes(self, name: str) -> bool:
        """Whether there is a client of this name: one that was told apart earlier may be gone after a reload."""
        return name in self._names

    def by_address(self, peer: str) -> str:
        """
        The client that an address (`1.2.3.4:567`, `[v6]:567`) tells; "" when it tells none.

        Of overlapping networks the narrowest counts. An address alone never tells a client that also has a password.
        """
        owner = self._owner(peer)
        return "" if owner is None or owner.password is not None else owner.name

    async def by_credentials(self, username: bytes, password: bytes, peer: str) -> str | None:
        """
        The client that a user name and a password tell; None when they are wrong.

        None too when the client's networks do not hold the address, or its password cannot be had, which the process
        log tells. A wrong user name costs the comparison that a wrong password does.
        """
        client = self._by_username.get(username)
        expected = self._decoy if client is None else await self._digest_for(client)
        is_right = hmac.compare_digest(self._digest(password), expected)
        if client is None or not is_right:
            return None
        if client.networks and self._owner(peer) is not client:
            return None
        return client.name

    async def by_proxy_authorization(self, value: bytes | None, peer: str) -> str | None:
        """
        The client of a request on the tunnel listener; "" when nothing tells it, None when its credentials are wrong.

        `value` is the Proxy-Authorization field, None without one. Wrong credentials do not fall back to the address.
        """
        if value is None or not self.takes_credentials:
            return self.by_address(peer)
        credentials = parse_basic(value)
        return None if credentials is None else await self.by_credentials(*credentials, peer)

    def authentication_for(self, peer: str, *, required: bool) -> Authentication:
        """How a SOCKS5 client at an address is met; `required` is `proxy.require_client`."""
        if not self.takes_credentials:
            return Authentication.NONE
        return Authentication.REQUIRED if required and not self.by_address(peer) else Authentication.OPTIONAL

    async def aclose(self) -> None:
        """End what the sources of passwords do in the background."""
        for client in self._by_username.values():
            await close_source(client.password)

    def _owner(self, peer: str) -> Client | None:
        if not self._networks:
            return None
        return self._owner_of_host(peer.rpartition(":")[0])

    async def _digest_for(self, client: Client) -> bytes:
        """The digest of the right password, or what no password has while its source yields none."""
        if client.password is None:
            return self._decoy
        try:
            secret = await client.password.get()
        except SecretUnavailable as error:
            fields = {"client": client.name, "error": str(error)}
            _log.warning("a client's password cannot be had; the client is refused", extra={"fields": fields})
            return self._decoy
        known = self._digests.get(client)
        if known is not None and known[0] is secret:
            return known[1]
        if secret.remedy:
            fields = {"client": client.name, "remedy": secret.remedy}
            _log.warning("a client's password is not what it seems", extra={"fields": fields})
        digest = self._digest(secret.reveal().encode("utf-8", "surrogateescape"))
        self._digests[client] = (secret, digest)
        return digest

    def _digest(self, password: bytes) -> bytes:
        return hashlib.blake2b(password, key=self._key, digest_size=32).digest()


def _find_owner(networks_by_prefix: _Networks, host: str) -> Client | None:
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    for (version, shift), networks in networks_by_prefix:
        client = networks.get(int(address) >> shift) if version == address.version else None
        if client is not None:
            return client
    return None


def build_identities(configs: Iterable[ClientConfig], context: SourceContext) -> ClientIdentities:
    """From `Config.clients`. What is wrong with a password's source is noted on its section's problems."""
    clients = []
    for config in configs:
        password = build_source(config.section, context, "password") if config.has_password else None
        clients.append(Client(config.name, config.cidrs, config.username, password))
    return ClientIdentities(clients)


def parse_basic(value: bytes) -> tuple[bytes, bytes] | None:
    """User name and password of a Proxy-Authorization field; None for what is not exactly the Basic scheme."""
    parts = _BASIC.fullmatch(value)
    if parts is None:
        return None
    try:
        decoded = base64.b64decode(parts[1])
    except binascii.Error:
        return None
    if base64.b64encode(decoded) != parts[1]:
        return None  # a second spelling of the same bytes
    username, colon, password = decoded.partition(b":")
    if not colon or not username or any(byte < 0x20 or byte == 0x7F for byte in decoded):
        return None
    return username, password


def credentials_wanted() -> Response:
    """The answer to credentials that are missing or wrong: 407 with the challenge (RFC 9110 section 11.7.1)."""
    response = plain_text(407, "proxy authentication required")
    response.headers.append(b"Proxy-Authenticate", _CHALLENGE)
    return response
