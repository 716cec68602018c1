"""
Leaves for other processes, which serve them: signed once per host, however many of them ask.

The CA's key stays where this is. It takes the place of a `LeafCache` in a process that terminates no TLS itself.
"""

import ssl
import time
from collections.abc import Callable

from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.leaf_signer import LeafSigner, SignedLeaf
from iron_proxy.certs.once_per_host import Kept, OncePerHost
from iron_proxy.errors import BadHandshake


class IssuedLeaves:
    """One leaf per host; the arguments are those of `LeafCache`. Raises StartupError as that does."""

    def __init__(
        self,
        authority: CertificateAuthority,
        size: int,
        lifetime_hours: int,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._signer = LeafSigner(authority, lifetime_hours, clock)
        self._leaves: OncePerHost[SignedLeaf] = OncePerHost(size, clock, _never)

    def __len__(self) -> int:
        return len(self._leaves)

    @property
    def signed(self) -> int:
        """Leaves made for clients, for metrics."""
        return self._signer.signed

    async def issue(self, host: str, is_ip: bool, admitted: bool) -> SignedLeaf:
        """The leaf of a canonical host. Raises IronProxyError when the CA cannot sign any more."""

        def make() -> Kept[SignedLeaf]:
            leaf = self._signer.sign(host, is_ip)
            return Kept(leaf, leaf.fresh_from, leaf.fresh_until)

        return await self._leaves.get(host, admitted, lambda: self._signer.signing(make))

    def cached(self, host: str) -> ssl.SSLContext | None:
        """None: nothing is served here."""
        return None

    async def context_for(self, host: str, is_ip: bool, admitted: bool) -> ssl.SSLContext:
        """Refuse."""
        raise BadHandshake("TLS is terminated by workers")


def _never(leaf: SignedLeaf) -> bool:
    return False
