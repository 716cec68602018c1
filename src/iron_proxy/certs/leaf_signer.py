"""
Leaves as they are signed: one key for all of them, made at start, and a chain for each host.

Only the signature is new for a new name. Whether a host has a leaf already is the business of those who ask:
`leaf_cache.py` for one process, `issued_leaves.py` for several. The clock is the wall clock, because a certificate's
dates are.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.once_per_host import Kept
from iron_proxy.certs.server_contexts import build_server_context
from iron_proxy.errors import IronProxyError, StartupError

# Two signings of a slow CA key at a time: the threads they run on also resolve names and read files, and there are
# only a few (asyncio's default executor: cores + 4).
_SLOW_SIGNINGS_AT_ONCE: Final = 2
# A leaf is replaced when this much of its life is over, so that none is served shortly before it expires.
_FRESH_SHARE: Final = 2 / 3
# Ten thousand years: any longer lifetime is cut to the CA's own, and timedelta has to hold the number.
_MAX_LIFETIME_HOURS: Final = 87_600_000

Result = TypeVar("Result")


class SignedLeaf(NamedTuple):
    """A leaf with all that a TLS server needs, as PEM, and the time in which to serve it (Unix seconds)."""

    chain_pem: bytes
    key_pem: bytes
    fresh_from: float
    fresh_until: float


class LeafSigner:
    """
    Signs with a CA. `clock` gives Unix time in seconds; `signed` counts, for metrics.

    Raises StartupError when OpenSSL does not accept the CA's certificates.
    """

    def __init__(self, authority: CertificateAuthority, lifetime_hours: int, clock: Callable[[], float]) -> None:
        self._authority = authority
        self._lifetime = timedelta(hours=min(lifetime_hours, _MAX_LIFETIME_HOURS))
        self._clock = clock
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._key_pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._slow_signings = asyncio.Semaphore(_SLOW_SIGNINGS_AT_ONCE)
        self.signed = 0
        self._check_chain()

    async def signing(self, work: Callable[[], Result]) -> Result:
        """Do something that signs once: here, or in a thread where the CA's key is slow."""
        if not self._authority.is_slow:
            # 0.4 ms in all with an EC key, two thirds of a TLS handshake's own work: not worth a thread.
            result = work()
        else:
            async with self._slow_signings:
                result = await asyncio.to_thread(work)
        self.signed += 1
        return result

    def sign(self, host: str, is_ip: bool) -> SignedLeaf:
        """A leaf for a canonical host. Raises IronProxyError when the CA cannot sign any more."""
        now = self._clock()
        leaf = self._authority.sign_leaf(
            host, is_ip, self._key.public_key(), self._lifetime, datetime.fromtimestamp(now, UTC)
        )
        life = leaf.not_valid_after_utc.timestamp() - now
        return SignedLeaf(
            leaf.public_bytes(Encoding.PEM) + self._authority.chain_pem,
            self._key_pem,
            leaf.not_valid_before_utc.timestamp(),
            now + life * _FRESH_SHARE,
        )

    def _check_chain(self) -> None:
        """Sign for nobody, once: what OpenSSL does not accept (an RSA key of 1024 bits) shows now."""
        try:
            leaf = self.sign("start.invalid", False)
            context_of(leaf, "start.invalid", ())
        except IronProxyError as error:
            raise StartupError(f"the CA cannot be used for TLS: {error}") from error


def context_of(leaf: SignedLeaf, host: str, alpn: Sequence[str]) -> Kept[ssl.SSLContext]:
    """What serves a leaf to clients. Raises IronProxyError."""
    try:
        context = build_server_context(leaf.chain_pem, leaf.key_pem, alpn)
    except OSError as error:
        raise IronProxyError(f"generating cert for {host}: {_reason(error)}") from error
    return Kept(context, leaf.fresh_from, leaf.fresh_until)


def _reason(error: OSError) -> str:
    """OpenSSL's or the system's own short name for what went wrong."""
    reason = getattr(error, "reason", None) or error.strerror
    return str(reason).lower().replace("_", " ")
