"""
The TLS contexts of recently seen hosts: found at once, or signed and built once per host.

Every leaf has the same key, made at start: only the signature is new for a new name. Hosts that policy denies are kept
apart, so that a client inventing names cannot flush the certificates in use. The caller decides what is admitted,
before it asks. The clock is the wall clock, because a certificate's dates are.
"""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from weakref import WeakValueDictionary

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.server_contexts import build_server_context, is_worn_out
from iron_proxy.errors import IronProxyError, StartupError

# A denied client tries its few hosts again and again; these need not be signed each time. At 28 KiB a context this
# costs less than 2 MiB whatever names a client invents.
DENIED_SIZE = 64
# Two signings of a slow CA key at a time: the threads they run on also resolve names and read files, and there are
# only a few (asyncio's default executor: cores + 4).
_SLOW_SIGNINGS_AT_ONCE = 2
# A leaf is replaced when this much of its life is over, so that none is served shortly before it expires.
_FRESH_SHARE = 2 / 3
# Ten thousand years: any longer lifetime is cut to the CA's own, and timedelta has to hold the number.
_MAX_LIFETIME_HOURS = 87_600_000


class _Entry(NamedTuple):
    context: ssl.SSLContext
    fresh_from: float
    fresh_until: float


class LeafCache:
    """
    One TLS context per host, least recently used out first.

    `size` counts admitted hosts; a negative one is no limit. `clock` gives Unix time in seconds. Raises StartupError
    when OpenSSL does not accept the CA's certificates.
    """

    def __init__(
        self,
        authority: CertificateAuthority,
        size: int,
        lifetime_hours: int,
        *,
        clock: Callable[[], float] = time.time,
        alpn: Sequence[str] = ("http/1.1",),
    ) -> None:
        self._authority = authority
        self._lifetime = timedelta(hours=min(lifetime_hours, _MAX_LIFETIME_HOURS))
        self._clock = clock
        self._alpn = tuple(alpn)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._key_pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._admitted = _RecentHosts(size)
        self._denied = _RecentHosts(DENIED_SIZE if size < 0 else min(size, DENIED_SIZE))
        # A lock lives as long as somebody waits for its host.
        self._signing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._slow_signings = asyncio.Semaphore(_SLOW_SIGNINGS_AT_ONCE)
        self.signed = 0                          # leaves made for clients, for metrics
        self._check_chain()

    def __len__(self) -> int:
        return len(self._admitted) + len(self._denied)

    def cached(self, host: str) -> ssl.SSLContext | None:
        """The context of a canonical host if it is here and fresh. Never waits."""
        now = self._clock()
        context = self._admitted.find(host, now)
        # A host denied earlier and admitted now may be found among the denied; it moves when it is signed again.
        return context if context is not None else self._denied.find(host, now)

    async def context_for(self, host: str, is_ip: bool, admitted: bool) -> ssl.SSLContext:
        """
        The context of a canonical host, signed and built if need be; once, however many ask at a time.

        Raises IronProxyError when the CA cannot sign any more.
        """
        context = self.cached(host)
        if context is not None:
            return context
        lock = self._signing.setdefault(host, asyncio.Lock())
        async with lock:
            context = self.cached(host)  # whoever held the lock before us has made it
            if context is None:
                entry = await self._sign_off_the_loop(host, is_ip)
                self.signed += 1
                (self._admitted if admitted else self._denied).keep(host, entry)
                context = entry.context
        return context

    async def _sign_off_the_loop(self, host: str, is_ip: bool) -> _Entry:
        if not self._authority.is_slow:
            # 0.4 ms in all with an EC key, two thirds of a TLS handshake's own work: not worth a thread.
            return self._sign(host, is_ip)
        async with self._slow_signings:
            return await asyncio.to_thread(self._sign, host, is_ip)

    def _sign(self, host: str, is_ip: bool) -> _Entry:
        now = self._clock()
        leaf = self._authority.sign_leaf(
            host, is_ip, self._key.public_key(), self._lifetime, datetime.fromtimestamp(now, UTC)
        )
        chain_pem = leaf.public_bytes(Encoding.PEM) + self._authority.chain_pem
        try:
            context = build_server_context(chain_pem, self._key_pem, self._alpn)
        except OSError as error:
            raise IronProxyError(f"generating cert for {host}: {_reason(error)}") from error
        life = leaf.not_valid_after_utc.timestamp() - now
        return _Entry(context, leaf.not_valid_before_utc.timestamp(), now + life * _FRESH_SHARE)

    def _check_chain(self) -> None:
        """Sign for nobody, once: what OpenSSL does not accept (an RSA key of 1024 bits) shows now."""
        try:
            self._sign("start.invalid", False)
        except IronProxyError as error:
            raise StartupError(f"the CA cannot be used for TLS: {error}") from error


class _RecentHosts:
    """Entries by host, the least recently used first."""

    __slots__ = ("_entries", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, host: str, now: float) -> ssl.SSLContext | None:
        entry = self._entries.get(host)
        if entry is None:
            return None
        # The lower bound matters when the clock is set back: the leaf would be "not yet valid".
        if not entry.fresh_from <= now < entry.fresh_until or is_worn_out(entry.context):
            del self._entries[host]
            return None
        self._entries.move_to_end(host)
        return entry.context

    def keep(self, host: str, entry: _Entry) -> None:
        self._entries[host] = entry
        self._entries.move_to_end(host)
        while 0 <= self._size < len(self._entries):
            self._entries.popitem(last=False)


def _reason(error: OSError) -> str:
    """OpenSSL's or the system's own short name for what went wrong."""
    reason = getattr(error, "reason", None) or error.strerror
    return str(reason).lower().replace("_", " ")
